"""Runs `rungway serve` processes for tests, any number on one Redis, each on a free port."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from tests.support.forked import RUNGWAY, start
from tests.support.redis_server import embedded_binary
from tests.support.waiting import SECONDS, wait_while_it_runs

TRANSPORTS = ("grpc", "http")
"""How clients reach a service."""
COMMAND = (RUNGWAY, "serve")
"""As installed: for tests of its start and its end, where a fork would not do."""


class Service:
    """One running `rungway serve`; its log is read when needed.

    Another `verb` of `rungway` may be meant, or another `command`. Without one it is a fork, if one will do.
    """

    def __init__(
        self,
        folder: Path,
        flags: tuple[str, ...],
        *,
        verb: str = "serve",
        command: Sequence[str | Path] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._log = folder / "log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        given = inherited | embedded_binary() | dict(environment)
        flags = ("--log-format", "json", *flags)
        if "--workers" in flags:  # which are started as this process was
            command = command or COMMAND
        with self._log.open("wb") as log:
            if command:
                self.process = subprocess.Popen([*command, *flags], stdout=log, stderr=subprocess.STDOUT, env=given)
            else:
                self.process = start(verb, *flags, out=log, err=log, environment=given)

    @property
    def address(self) -> str:
        """Its host:port; waits until it listens."""
        return str(self._line("ready")["address"])

    @property
    def http(self) -> str:
        """Its host:port for HTTP; waits until it listens."""
        return str(self._line("ready")["http"])

    @property
    def probes(self) -> str:
        """Its host:port for probes of health; waits until it listens."""
        return str(self._line("health_listener")["address"])

    @property
    def metrics(self) -> str:
        """Its host:port for metrics; waits until it listens."""
        return str(self._line("metrics_listener")["address"])

    def target(self, transport: str) -> str:
        """Where clients reach it over "grpc" or "http"."""
        return self.address if transport == "grpc" else f"http://{self.http}"

    def log(self) -> str:
        """Its log so far."""
        return self._log.read_text(errors="replace")

    def lines(self, event: str) -> list[dict[str, object]]:
        """The log lines of one event."""
        complete = [line for line in self.log().splitlines(keepends=True) if line[0] == "{" and line.endswith("}\n")]
        return [line for line in map(json.loads, complete) if line["event"] == event]

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns its exit code when it has drained."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def _line(self, event: str) -> dict[str, object]:
        if not wait_while_it_runs(self.process, lambda: self.lines(event)):
            raise RuntimeError(f"`rungway serve` did not say {event!r}:\n{self.log()}")
        return self.lines(event)[0]


@contextmanager
def service_by(
    command: Sequence[str | Path], folder: Path, redis_url: str, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Service]:
    """One service that another program than `rungway` runs, ready; killed at the end."""
    flags = ("--listen", "127.0.0.1:0", "--redis", redis_url)
    service = Service(folder, flags, command=command, environment=environment)
    try:
        assert service.address
        yield service
    finally:
        service.kill()


@contextmanager
def services(
    redis_url: str, count: int = 1, *flags: str, environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[Service]]:
    """`count` services on one Redis, all ready; killed at the end. `flags` are added to each command line."""
    with tempfile.TemporaryDirectory(prefix="rw-") as folder, ExitStack() as stack:
        running = []
        for number in range(count):
            own = Path(folder, str(number))
            own.mkdir()
            given = ("--listen", "127.0.0.1:0", "--redis", redis_url, *flags)
            running.append(Service(own, given, environment=environment))
            stack.callback(running[-1].kill)
        for service in running:
            assert service.address
        yield running
