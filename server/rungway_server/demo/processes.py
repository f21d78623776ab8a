"""The processes of the demo: the service and its workers. None of them outlives the demo."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

READY_SECONDS = 30.0
"""How long the service may take to start."""
STOP_SECONDS = 15.0
"""How long a process may take to end when asked, before it is killed."""

# Runs first in each child and then becomes it: on Linux the kernel ends the child should the demo be killed itself
# (1 = PR_SET_PDEATHSIG). A session of its own keeps Ctrl-C in a terminal from it: the demo ends its children in order.
_CHILD = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the demo ended")
os.execv(sys.argv[2], sys.argv[2:])
"""
_ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "BLIS_NUM_THREADS",
    )
}


class ServiceFailed(Exception):
    """The service did not start, or ended early; the message has the end of its log."""


class Child:
    """One child process, started at once. `environment` is added to ours, from which RUNGWAY_* is removed."""

    def __init__(self, arguments: list[str], log: Path, *, environment: dict[str, str], read: bool = False) -> None:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        launch = [sys.executable, "-I", "-S", "-c", _CHILD, str(os.getpid()), sys.executable]
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
                [*launch, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if read else file,
                stderr=file,
                env=ours | environment,
                start_new_session=True,
                text=read,
            )

    @property
    def pid(self) -> int:
        """Its process number."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs, -9 when SIGKILL ended it."""
        return self.process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; to a process that has ended, nothing happens."""
        self.process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for its end, and kill it after a time limit."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log_tail(self, lines: int = 12) -> str:
        """The end of what it wrote."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""


class Service(Child):
    """`rungway serve` on a free port, with the embedded store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        command = "from rungway_server.cli import main; main()"
        flags = ["--listen", "127.0.0.1:0", "--data", str(self.data), "--log-format", "json"]
        super().__init__(
            ["-c", command, "serve", *flags], folder / "service.log", environment={"PYTHONUNBUFFERED": "1"}
        )

    def wait_ready(self) -> tuple[str, str]:
        """Its address, host:port, once it takes calls, and the URL of its page. Raises ServiceFailed."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.exit_code is not None:
                raise ServiceFailed(f"the service did not start (exit code {self.exit_code}):\n{self.log_tail()}")
            said = self._said()
            if "ready" in said and "page" in said:
                return str(said["ready"]["address"]), str(said["page"]["url"])
            time.sleep(0.05)
        raise ServiceFailed(f"the service was not ready after {READY_SECONDS:.0f} s:\n{self.log_tail()}")

    def _said(self) -> dict[str, dict[str, Any]]:
        """Its log lines by event."""
        found = {}
        for line in self.log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                found[entry.get("event", "")] = entry
        return found

    def check(self) -> None:
        """Raises ServiceFailed when it has ended."""
        if self.exit_code is not None:
            raise ServiceFailed(f"the service ended (exit code {self.exit_code}):\n{self.log_tail()}")

    def stop(self) -> None:
        """Ask it to end, wait, and make sure that its Redis is gone too."""
        self.send(signal.SIGTERM)
        self.wait(STOP_SECONDS)
        self._end_redis()

    def _end_redis(self) -> None:
        """Both processes hold the lock of the data folder: when it is free, they are gone.

        Only a service that was killed leaves a Redis behind, which then ends by itself (Linux) or is ended here.
        """
        lock = self.data / "lock"
        with suppress(FileNotFoundError, ProcessLookupError), lock.open("r+") as file:
            deadline = time.monotonic() + STOP_SECONDS
            owner = re.search(r"\(with \S+ (\d+)\)", lock.read_text())
            while not _locked_by_us(file.fileno()):
                if time.monotonic() > deadline:
                    if owner:
                        os.kill(int(owner[1]), signal.SIGKILL)
                    return
                time.sleep(0.05)


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


def _locked_by_us(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
