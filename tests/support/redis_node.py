"""A redis-server process with its own port, folder and configuration file, which can be killed and restarted."""

import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.support.redis_server import answers, find_redis_server, free_port
from tests.support.waiting import wait_while_it_runs

_DATA = {
    "save": '""',
    "appendonly": "no",
    "repl-diskless-sync-delay": "0",  # replicas follow at once
    "repl-ping-replica-period": "1",  # an idle replica counts only after its first ping
}


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of a private CA (PEM): its own certificate, one for the nodes, one for clients; each with its key."""

    ca: str
    node: str
    node_key: str
    client: str
    client_key: str

    @property
    def options(self) -> dict[str, str]:
        """Lines of a redis.conf: clients and other nodes must show a certificate too."""
        return {
            "tls-cert-file": self.node,
            "tls-key-file": self.node_key,
            "tls-ca-cert-file": self.ca,
            "tls-replication": "yes",
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of a redis-py client."""
        files = {"ssl_ca_certs": self.ca, "ssl_certfile": self.client, "ssl_keyfile": self.client_key}
        return {"ssl": True, **files}


@dataclass(frozen=True, slots=True)
class Access:
    """How clients and nodes authenticate: passwords ("" = none) and certificates (None = no TLS)."""

    password: str = ""
    tls: Certificates | None = None

    @property
    def options(self) -> dict[str, str]:
        """Lines of a redis.conf, without the port."""
        secret = {"requirepass": self.password, "masterauth": self.password} if self.password else {}
        return {**secret, **(self.tls.options if self.tls else {})}

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of a redis-py client."""
        secret = {"password": self.password} if self.password else {}
        return {**secret, **(self.tls.arguments if self.tls else {})}


OPEN = Access()
"""Access without password and TLS."""


class Node:
    """A redis-server on a loopback port. Nothing is saved unless `options` say so (`{"appendonly": "yes"}`)."""

    def __init__(
        self, folder: Path, options: Mapping[str, str], *, access: Access = OPEN, sentinel: bool = False
    ) -> None:
        """Write the configuration; `start` runs it. `options` are lines of redis.conf by their first word."""
        self.port = _free_port_with_bus()
        self.access = access
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True)
        self._sentinel = sentinel
        self._config = self.folder / "redis.conf"
        self._log = self.folder / "log"
        ports = {"port": "0", "tls-port": str(self.port)} if access.tls else {"port": str(self.port)}
        own = {"bind": "127.0.0.1", **ports, "dir": str(self.folder), "loglevel": "notice", **access.options}
        lines = {**own, **({} if sentinel else _DATA), **options}
        self._config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Run it with the data of its folder; returns when it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Run it without waiting, so that several nodes can start at once."""
        binary = find_redis_server(tls=self.access.tls is not None)
        command = [binary, str(self._config), *(["--sentinel"] if self._sentinel else [])]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def wait_ready(self) -> None:
        """Wait until it answers."""
        assert self.process
        with self.client() as client:
            if not wait_while_it_runs(self.process, lambda: answers(client)):
                raise RuntimeError(f"the server did not start: {self.log()}")

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. `start` brings it back."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """SIGSTOP: the process lives and stays connected but does not answer, like a host that hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `stop`."""
        self._signal(signal.SIGCONT)

    def client(self, **more: Any) -> "redis.Redis":
        """A client of this node alone; close it."""
        return redis.Redis(
            host="127.0.0.1", port=self.port, socket_timeout=10, decode_responses=True, **self.access.arguments, **more
        )

    def command(self, *words: str | int) -> Any:
        """The answer to one command."""
        with self.client() as client:
            return client.execute_command(*words)

    def role(self) -> str:
        """ "master" or "slave", as the node itself sees it."""
        return str(self.command("ROLE")[0])

    def log(self) -> str:
        """Its log so far."""
        return self._log.read_text(errors="replace")

    def _signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)


def _free_port_with_bus() -> int:
    """A free port whose cluster bus port (10,000 above) is free as well."""
    while True:
        port = free_port()
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
        return port
