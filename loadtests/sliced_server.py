"""`rungway serve` on a loop that knows its longest slice: how long other calls had to wait for one to give way.

A slice is measured in processor time of its thread, so that whatever else the machine does adds nothing. On SIGUSR1 the
server logs the longest since the last time (event "slices"). It runs on asyncio's own loop, whose slices are those of
uvloop's.
"""

import asyncio
import json
import signal
import sys
import time
from typing import Any

from rungway_server import bootstrap
from rungway_server.cli.app import app

_run = asyncio.Handle._run


class _Longest:
    """The longest slice of a window, and whose it was."""

    def __init__(self) -> None:
        self.seconds, self.whose = 0.0, ""

    def measured(self, handle: asyncio.Handle) -> None:
        """In place of the handle's own way to run."""
        began = time.thread_time()
        _run(handle)
        took = time.thread_time() - began
        if took > self.seconds:
            self.seconds, self.whose = took, _whose(handle)

    def say(self, *_: object) -> None:
        """Log the longest slice and reset it."""
        line = {"event": "slices", "longest_ms": round(1000 * self.seconds, 3), "whose": self.whose}
        self.seconds, self.whose = 0.0, ""
        print(json.dumps(line), flush=True)


def _whose(handle: asyncio.Handle) -> str:
    """The coroutine that ran, where it was one."""
    task: Any = getattr(getattr(handle, "_callback", None), "__self__", None)
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    return getattr(coroutine, "__qualname__", "") or repr(handle)[:200]


def main() -> None:
    """Serve, with the flags of `rungway serve`."""
    longest = _Longest()
    slices: Any = asyncio.Handle
    slices._run = lambda handle: longest.measured(handle)  # what the loop calls for each slice
    signal.signal(signal.SIGUSR1, longest.say)
    bootstrap.loop_factory = lambda: None
    sys.argv = ["rungway", "serve", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
