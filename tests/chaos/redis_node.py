"""A redis-server that is killed and comes back with what its append-only file holds."""

import subprocess
import threading
import time
from collections import deque
from pathlib import Path

from tests.support.redis_server import find_redis_server, free_port, ready

UNSYNCED_SECONDS = 1.0
"""What `everysec` may lose in a power cut."""


class RedisNode:
    """One redis-server on a port and a folder of its own, which it keeps over its lives."""

    def __init__(self, folder: Path, fsync: str) -> None:
        self._folder = folder
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self._sizes: deque[tuple[float, Path, int]] = deque(maxlen=1000)
        self._watching = threading.Event()
        self.port = free_port()

    def start(self) -> None:
        """Start it; returns when it has loaded its data and answers."""
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "auto-aof-rewrite-percentage": "0",
            "loglevel": "warning",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen([find_redis_server(), *arguments], stdout=log, stderr=subprocess.STDOUT)
        if not ready(self._process, f"redis://127.0.0.1:{self.port}"):
            raise RuntimeError(f"redis-server did not start: {(self._folder / 'redis.log').read_text()}")
        self._sizes.clear()
        self._watching.clear()
        threading.Thread(target=self._watch, daemon=True).start()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. What it wrote to its file stays, synced or not."""
        self._watching.set()
        if self._process:
            self._process.kill()
            self._process.wait()

    def cut_power(self) -> None:
        """SIGKILL, and what the last second wrote is gone from the file: the worst that `everysec` allows."""
        self.kill()
        lost_since = time.monotonic() - UNSYNCED_SECONDS
        kept = [sample for sample in self._sizes if sample[0] <= lost_since] or list(self._sizes)[:1]
        if kept:
            _, path, size = kept[-1]
            with path.open("rb+") as file:
                file.truncate(size)

    def _watch(self) -> None:
        """Note how long the file is."""
        while not self._watching.wait(0.02):
            files = [*self._folder.glob("appendonlydir/*.incr.aof"), *self._folder.glob("appendonly.aof")]
            if files:
                self._sizes.append((time.monotonic(), files[-1], files[-1].stat().st_size))
