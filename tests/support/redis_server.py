"""Real Redis or Valkey processes for tests: on a unix socket, or on a free TCP port of the loopback interface.

Nothing is written to disk (no snapshots, no append-only file), and the data folder is temporary. The variable
REDIS_SERVER names the binary; by default it is the one that an embedded store would run.
"""

import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import redis

from rungway_server.store.redis.connection.preflight import OLDEST
from rungway_server.store.redis.embedded.binary import redis_servers, server_at
from tests.support.waiting import SECONDS, wait_while_it_runs

STORES = Path(sys.prefix) / "stores"
"""Where `make versions` puts further versions."""


@cache
def find_redis_server(*, tls: bool = False) -> str:
    """The path of the server that tests run on; with `tls`, of the first that supports TLS."""
    named = os.environ.get("REDIS_SERVER")
    fit = (str(server.path) for server in redis_servers() if server.version >= OLDEST)
    for path in [named] if named else fit:
        if not tls or speaks_tls(path):
            return path
    raise FileNotFoundError(f"no Redis or Valkey{' that was built with TLS' if tls else ''}: make setup fetches one")


@cache
def servers_at_hand() -> dict[str, str]:
    """The path of one server of each product and major version: "valkey 9", "redis 7", … .

    Looked for where an embedded store looks, and where `make versions` puts them.
    """
    extra = [*sorted(STORES.glob("*/*-server")), Path(find_redis_server())]
    found: dict[str, str] = {}
    for server in [*redis_servers(), *map(server_at, extra)]:
        if server.version >= OLDEST:
            found.setdefault(f"{server.product.lower()} {server.version[0]}", str(server.path))
    return found


def embedded_binary() -> dict[str, str]:
    """Environment variables that make a service with an embedded store run the same server."""
    named = os.environ.get("REDIS_SERVER")
    return {"RUNGWAY_REDIS_SERVER": named} if named else {}


@cache
def speaks_tls(path: str) -> bool:
    """Whether a server was built with TLS."""
    command = [path, "--port", "0", "--tls-port", "1", "--save", ""]  # with TLS: ends without a certificate
    said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    return "configure TLS" in said.stdout + said.stderr


@contextmanager
def redis_on_socket(*options: str) -> Iterator[str]:
    """A redis-server on a unix socket; gives its URL (`unix://…`). `options` are added to the command line."""
    with tempfile.TemporaryDirectory(prefix="rw-") as folder:  # short: a socket path holds about 100 bytes
        path = f"{folder}/redis.sock"
        with _running(["--port", "0", "--unixsocket", path, "--dir", folder, *options], f"unix://{path}") as url:
            yield url


@contextmanager
def redis_on_port(*options: str, port: int | None = None) -> Iterator[str]:
    """A redis-server on a loopback TCP port (a free one unless given); gives its URL (`redis://…`)."""
    with tempfile.TemporaryDirectory(prefix="rw-") as folder:
        number = free_port() if port is None else port
        arguments = ["--bind", "127.0.0.1", "--port", str(number), "--dir", folder, *options]
        with _running(arguments, f"redis://127.0.0.1:{number}") as url:
            yield url


_RETURNED: set[int] = set()
_PORTS = range(10_000, 20_000)
"""So the second port of a node of a Redis Cluster, 10,000 higher, is none of these, and not given to connections."""
_ANY = random.SystemRandom()
"""Whatever seed a test plays with."""


def free_port() -> int:
    """A TCP port of the loopback interface that was free a moment ago, and was not returned before.

    It is not one of those that systems give to connections: else another test's connection could take it while a server
    is started again.
    """
    while True:
        port = _ANY.choice(_PORTS)
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _RETURNED:
                _RETURNED.add(port)
                return port


def port_of(address: str) -> int:
    """The port that ends an address or a URL."""
    return int(address.rpartition(":")[2])


@contextmanager
def _running(arguments: list[str], url: str) -> Iterator[str]:
    command = [find_redis_server(), "--save", "", "--appendonly", "no", "--loglevel", "warning", *arguments]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            if not ready(process, url):
                log.seek(0)
                raise RuntimeError(f"redis-server did not start: {log.read().decode(errors='replace')}")
            yield url
        finally:
            process.kill()
            process.wait()


def ready(process: "subprocess.Popen[bytes]", url: str) -> bool:
    """Whether the server answered before it ended or the time was up."""
    with closing(redis.Redis.from_url(url)) as client:
        return wait_while_it_runs(process, lambda: answers(client))


def answers(client: redis.Redis) -> bool:
    """Whether the server answers a PING."""
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):  # also while it still loads
        return False
