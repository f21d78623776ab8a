"""Child processes of a search on this machine: none of them outlives its parent. `Service` is `rungway serve`."""

import fcntl
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rungway._core.environment import default_data_dir
from rungway._core.errors import FailedPrecondition, Unavailable

READY_SECONDS = 30.0
"""How long the service may take to start."""
STOP_SECONDS = 15.0
"""How long a process may take to end when asked, before it is killed."""
NEEDED = {
    "typer": "typer",
    "redis": "redis",
    "structlog": "structlog",
    "pydantic_settings": "pydantic-settings",
    "uvicorn": "uvicorn",
}
"""Modules that only the extra `server` brings, and their packages."""
_KEPT = ("RUNGWAY_REDIS_SERVER",)
"""Variables that the service inherits: which store it runs."""

# Runs first in each child and then becomes it: on Linux the kernel ends the child should its parent be killed
# (1 = PR_SET_PDEATHSIG). A session of its own keeps Ctrl-C in a terminal from it: its parent ends it in order.
_CHILD = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent ended")
os.execv(sys.argv[2], sys.argv[2:])
"""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")
"""Variables that say how many threads the libraries of numpy and others use in each process."""


class ServiceFailed(Unavailable):
    """The service of this machine did not start, or ended early; the message has the end of its log."""


def require_service() -> None:
    """Raises FailedPrecondition (NO_LOCAL_SERVICE) when the packages of a service are not installed here."""
    if missing := sorted(package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None):
        raise FailedPrecondition(
            f"no service is named, and none can be started here: {', '.join(missing)} not installed. "
            "pip install 'rungway[local]', or name a service: target, or RUNGWAY_TARGET",
            reason="NO_LOCAL_SERVICE",
        )


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
                errors="replace" if read else None,
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
    """`rungway serve` on free ports, with the embedded store in the folder `data`, by default that of `rungway serve`.
    Its log is in `folder`."""

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        self.data = data or Path(os.environ.get("RUNGWAY_DATA_DIR") or default_data_dir())
        command = "from rungway_server.cli import main; main()"
        flags = ["--listen", "127.0.0.1:0", "--data", str(self.data), "--log-format", "json"]
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        super().__init__(
            ["-c", command, "serve", *flags], folder / "service.log", environment={"PYTHONUNBUFFERED": "1"} | kept
        )

    def wait_ready(self) -> tuple[str, str]:
        """Its address, host:port, once it takes calls, and the URL of its page. Raises ServiceFailed."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.exit_code is not None:
                raise ServiceFailed(f"the service did not start (exit code {self.exit_code}):\n{self._problem()}")
            said = self._said()
            if "ready" in said and "page" in said:
                return str(said["ready"]["address"]), str(said["page"]["url"])
            time.sleep(0.05)
        raise ServiceFailed(f"the service was not ready after {READY_SECONDS:.0f} s:\n{self.log_tail()}")

    def _problem(self) -> str:
        """What its log names as the error, else the end of the log."""
        errors = [entry["error"] for entry in self._said().values() if "error" in entry]
        return str(errors[-1]) if errors else self.log_tail()

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
            raise ServiceFailed(f"the service ended (exit code {self.exit_code}):\n{self._problem()}")

    def stop(self) -> None:
        """Ask it to end, wait, and make sure that its Redis is gone too."""
        self.send(signal.SIGTERM)
        self.wait(STOP_SECONDS)
        self._end_redis()

    def _end_redis(self) -> None:
        """Both processes hold the lock of the data folder: when it is free, they are gone.

        Only a service that was killed leaves a Redis behind, which then ends by itself (Linux) or is ended here. Where
        another service holds the folder, so that this one could not start, nothing is touched.
        """
        lock = self.data / "lock"
        with suppress(FileNotFoundError, ProcessLookupError), lock.open("r+") as file:
            deadline = time.monotonic() + STOP_SECONDS
            owner = re.match(rf"process {self.pid} \(with \S+ (\d+)\)", lock.read_text())
            while owner and not _locked_by_us(file.fileno()):
                if time.monotonic() > deadline:
                    os.kill(int(owner[1]), signal.SIGKILL)
                    return
                time.sleep(0.05)


def _locked_by_us(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
