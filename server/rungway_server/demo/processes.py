"""The workers of the demo: child processes that tell what they do. The service is that of `rungway.minimize`."""

import json
import signal
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from rungway._local.processes import STOP_SECONDS, THREADS, Child

_ONE_THREAD = dict.fromkeys(THREADS, "1")


class Worker(Child):
    """One worker; what it prints, one JSON object per line, goes to `events` as (number, object)."""

    def __init__(self, number: int, target: str, folder: Path, events: SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        self.number = number
        self.name = f"worker-{number}"
        arguments = ["-m", "rungway_server.demo.worker", str(folder / "work"), self.name]
        environment = _ONE_THREAD | {
            "PYTHONUNBUFFERED": "1",
            "RUNGWAY_TARGET": target,
            "RUNGWAY_EXPERIMENT": "digits",
        }
        super().__init__(arguments, folder / f"{self.name}.log", environment=environment, read=True)
        self._reader = Thread(target=self._read, args=(events,), daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Kill it: a worker has nothing to save."""
        with suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self.wait(STOP_SECONDS)
        self._reader.join(1)

    def _read(self, events: SimpleQueue[tuple[int, dict[str, Any]]]) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with suppress(ValueError):  # half a line from a worker that was killed
                events.put((self.number, json.loads(line)))
