"""The worker processes of `rungway.minimize`: dead ones are replaced, and what the function prints is passed on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from rungway._core.errors import FailedPrecondition
from rungway._local.processes import STOP_SECONDS, THREADS, Child
from rungway._local.worker import UNREADABLE

MOST_DEATHS = 8
"""Workers that may die one after the other, per place, while no result is told: more than a trial that kills its
workers is restarted."""
_SLOWEST = 2.0
"""Longest wait before a dead worker is replaced, in seconds."""


class _Worker(Child):
    """One worker process; each line that it prints goes to `say`."""

    def __init__(
        self, arguments: list[str], log: Path, environment: dict[str, str], say: Callable[[str], None]
    ) -> None:
        super().__init__(arguments, log, environment=environment | {"PYTHONUNBUFFERED": "1"}, read=True)
        self._reader = Thread(target=self._read, args=(say,), daemon=True)
        self._reader.start()

    def finish(self) -> None:
        """Wait for its end, and pass on the last it printed."""
        self.wait(STOP_SECONDS)
        self._reader.join(1)
        if self.process.stdout:
            self.process.stdout.close()

    def _read(self, say: Callable[[str], None]) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            say(line.rstrip("\n"))


class Crew:
    """`count` workers that run one function."""

    def __init__(
        self,
        function: Path,
        form: str,
        count: int,
        *,
        folder: Path,
        environment: dict[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._function, self._form, self._folder, self._say = function, form, folder, say
        share = str(max(1, (os.cpu_count() or 1) // count))  # else each process would use threads for all cores
        self._environment = {name: os.environ.get(name, share) for name in THREADS} | environment
        self._deaths = 0
        self._progress: object = None
        self._after = 0.0
        self.workers = {number: self._start(number) for number in range(1, count + 1)}
        """The processes by the number of their place."""

    def tend(self, progress: object) -> None:
        """Replace workers that have died; `progress` is another one whenever a trial has come further or ended.

        Raises FailedPrecondition (WORKERS_DIED) when the workers die one after the other without any.
        """
        if progress != self._progress:
            self._progress, self._deaths = progress, 0
        for number, worker in list(self.workers.items()):
            if worker.exit_code and time.monotonic() >= self._after:
                self._replace(number, worker)

    def stop(self) -> None:
        """Let each give its trial back, and wait for its end."""
        for worker in self.workers.values():
            worker.send(signal.SIGTERM)
        try:
            for worker in self.workers.values():
                worker.finish()
        except BaseException:  # a second Ctrl-C
            for worker in self.workers.values():
                worker.send(signal.SIGKILL)
            raise

    def _replace(self, number: int, worker: _Worker) -> None:
        worker.finish()
        self._deaths += 1
        ended = f"worker {number} ended with exit code {worker.exit_code}"
        if worker.exit_code == UNREADABLE or self._deaths > MOST_DEATHS * len(self.workers):
            what = "fn cannot be read in a new process" if worker.exit_code == UNREADABLE else "the workers die"
            raise FailedPrecondition(f"{what}: {ended}:\n{worker.log_tail()}", reason="WORKERS_DIED")
        self._say(f"{ended} and is replaced")
        self._after = time.monotonic() + min(_SLOWEST, 0.1 * 2**self._deaths)
        self.workers[number] = self._start(number)

    def _start(self, number: int) -> _Worker:
        name = f"worker-{number}@{os.getpid()}"
        arguments = ["-m", "rungway._local.worker", str(self._function), name, self._form]
        return _Worker(arguments, self._folder / f"worker-{number}.log", self._environment, self._say)
