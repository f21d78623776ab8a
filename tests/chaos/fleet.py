"""The worker processes of a run. One that is killed is replaced, as a cluster would do."""

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from tests.chaos.worker import END
from tests.support.forked import start

STYLES = ("loop", "plain")


class Fleet:
    """`count` workers on one agenda; `targets` are the addresses of the service, used in turn."""

    def __init__(self, folder: Path, targets: list[str], count: int, *, step: float, mishaps: float) -> None:
        self._folder = folder
        self._targets = targets
        self._options = (str(step), str(mishaps))
        self._agenda = folder / "agenda"
        self._agenda.touch()
        self._started = 0
        self._replacing = threading.Lock()
        self.workers: list[subprocess.Popen[bytes]] = []
        for index in range(count):
            self.workers.append(self._start(index))

    @property
    def histories(self) -> list[Path]:
        """The history files of all workers, dead ones included."""
        return sorted(self._folder.glob("history *"))

    def work_on(self, experiment: str) -> None:
        """Send all workers to another experiment when they are done with this one."""
        with self._agenda.open("a") as agenda:
            agenda.write(f"{experiment}\n")

    def kill(self, index: int) -> None:
        """SIGKILL one, and start another in its place."""
        with self._replacing:
            self.workers[index].kill()
            self.workers[index].wait()
            self.workers[index] = self._start(index)

    def pause(self, index: int) -> None:
        """SIGSTOP one."""
        self.workers[index].send_signal(signal.SIGSTOP)

    def resume(self, index: int) -> None:
        """SIGCONT one."""
        self.workers[index].send_signal(signal.SIGCONT)

    def check_alive(self) -> None:
        """Raises RuntimeError when one ended by itself."""
        with self._replacing:
            ended = [worker for worker in self.workers if worker.poll() is not None]
        for worker in ended:
            raise RuntimeError(f"a worker ended by itself with {worker.returncode}; see {self._folder}/*.log")

    def end(self) -> None:
        """Let them exit; those that do not are killed."""
        self.work_on(END)
        for worker in self.workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(10)
        self.kill_all()

    def kill_all(self) -> None:
        """SIGKILL to each."""
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def _start(self, index: int) -> "subprocess.Popen[bytes]":
        number, self._started = self._started, self._started + 1
        history = self._folder / f"history {number:04}.jsonl"
        style = STYLES[index % len(STYLES)]
        target = self._targets[index // len(STYLES) % len(self._targets)]  # every style over every way
        command = [target, str(self._agenda), str(history), style, *self._options]
        with (self._folder / f"worker {number:04}.log").open("wb") as log:
            environment = os.environ | {"GRPC_VERBOSITY": "NONE"}
            return start(*command, module="tests.chaos.worker", err=log, environment=environment)
