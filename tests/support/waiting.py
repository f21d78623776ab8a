"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 40.0
"""Generous: the machine may be busy."""
_PAUSE = 0.01


def wait_until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Return as soon as it holds. Raises AssertionError when it does not in so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not in {seconds:g} s"
        time.sleep(_PAUSE)


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
