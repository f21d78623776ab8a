"""An engine as `rungway.ray` and `rungway.dask` use one, with processes of this machine as its workers."""

import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from rungway._engines.crew import Died
from rungway._engines.loop import Ended, Loop, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection


def _run(work: Work, name: str, pipe: "Connection") -> None:
    loop = Loop(work, name)
    signal.signal(signal.SIGTERM, loop.on_signal)
    pipe.send(loop.run())


class Processes:
    """Each worker is a process; `places` are how many may run at once."""

    kind = "process"

    def __init__(self, places: int) -> None:
        self._places = places
        self._context = multiprocessing.get_context("spawn")
        self.processes: dict[str, Any] = {}
        self._pipes: dict[str, Any] = {}
        self._queue: dict[str, Callable[[], None]] = {}

    def start(self, name: str, work: Work) -> str:
        self._pipes[name], other = self._context.Pipe(duplex=False)
        self.processes[name] = self._context.Process(target=_run, args=(work, name, other))
        self._queue[name] = self.processes[name].start
        return name

    def wait(self, handles: list[str], seconds: float) -> list[str]:
        running = [name for name in handles if name not in self._queue]
        ended = [name for name in running if not self.processes[name].is_alive() or self._pipes[name].poll()]
        for name in [*self._queue][: self._places - len(running) + len(ended)]:
            self._queue.pop(name)()
        if not ended:
            time.sleep(0.01)
        return ended

    def ended(self, handle: str) -> Ended:
        process, pipe = self.processes[handle], self._pipes[handle]
        try:
            ended: Ended | None = pipe.recv() if pipe.poll() else None
        except EOFError:
            ended = None
        process.join()
        if ended is None:
            raise Died(f"exit code {process.exitcode}")
        return ended

    def waiting(self, handles: list[str]) -> list[str]:
        return [name for name in handles if name in self._queue]

    def leave(self, handles: list[str], seconds: float) -> None:
        for name in handles:
            if name not in self._queue:
                os.kill(self.processes[name].pid, signal.SIGTERM)
                self.processes[name].join()

    def drop(self, handle: str) -> None:
        del self._queue[handle]
