"""A redis-server that is killed, or loses its power, and restarts with its append-only file."""

import threading
import time
from collections import deque
from pathlib import Path

from tests.support.redis_node import Node

UNSYNCED_SECONDS = 1.0
"""What `everysec` may lose in a power cut."""


class RedisNode(Node):
    """One redis-server with an append-only file."""

    def __init__(self, folder: Path, fsync: str) -> None:
        super().__init__(folder, {"appendonly": "yes", "appendfsync": fsync, "auto-aof-rewrite-percentage": "0"})
        self._sizes: deque[tuple[float, Path, int]] = deque(maxlen=1000)
        self._dead = threading.Event()

    def start(self) -> None:
        """See Node."""
        super().start()
        self._sizes.clear()
        self._dead.clear()
        threading.Thread(target=self._watch, daemon=True).start()

    def kill(self) -> None:
        """SIGKILL; returns when it is gone. What it wrote to its file stays, synced or not."""
        self._dead.set()
        super().kill()

    def cut_power(self) -> None:
        """SIGKILL, and cut off what the last second wrote to the file: the worst that `everysec` allows."""
        self.kill()
        lost_since = time.monotonic() - UNSYNCED_SECONDS
        kept = [sample for sample in self._sizes if sample[0] <= lost_since] or list(self._sizes)[:1]
        if kept:
            _, path, size = kept[-1]
            with path.open("rb+") as file:
                file.truncate(size)

    def _watch(self) -> None:
        """Note how long the file is."""
        while not self._dead.wait(0.02):
            files = [*self.folder.glob("appendonlydir/*.incr.aof"), *self.folder.glob("appendonly.aof")]
            if files:
                self._sizes.append((time.monotonic(), files[-1], files[-1].stat().st_size))
