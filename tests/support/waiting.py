"""Waits for other threads and processes."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 280.0
"""The longest wait: the timeout of a test (pyproject.toml) less the time to report what was wrong.

A long wait on a busy machine is not a failure, and the end of a process is noticed at once."""
_PAUSE = 0.01


def wait_until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Return as soon as `holds` is true. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not in {seconds:g} s"
        time.sleep(_PAUSE)


async def happens(holds: Callable[[], object]) -> None:
    """`wait_until` for coroutines: other tasks go on."""
    await asyncio.to_thread(wait_until, holds)


def wait_while_it_runs(process: subprocess.Popen[Any], holds: Callable[[], object]) -> bool:
    """Whether `holds` became true before the process ended or the time was up."""
    deadline = time.monotonic() + SECONDS
    while not (found := holds()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    return bool(found or holds())


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended (zombies have)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
