"""`rungway serve` on an event loop that notes its longest slice: how long other calls had to wait for a callback.

A slice is measured in processor time of its thread, so that other load on the machine adds nothing. On SIGUSR1 the
server logs the longest slice since the last signal (event "slices"). It runs on the loop of asyncio, which has the same
slices as uvloop.
"""

import asyncio
import json
import signal
import sys
import time
from typing import Any

from rungway_server import event_loop
from rungway_server.cli.app import app

_run = asyncio.Handle._run


class _Longest:
    """The longest slice since the last signal, and its coroutine."""

    def __init__(self) -> None:
        self.seconds, self.whose = 0.0, ""

    def measured(self, handle: asyncio.Handle) -> None:
        """Runs a handle of the loop and measures it."""
        began = time.thread_time()
        _run(handle)
        took = time.thread_time() - began
        if took > self.seconds:
            self.seconds, self.whose = took, _whose(handle)

    def say(self, *_: object) -> None:
        """Log the longest slice and start again."""
        line = {"event": "slices", "longest_ms": round(1000 * self.seconds, 3), "whose": self.whose}
        self.seconds, self.whose = 0.0, ""
        print(json.dumps(line), flush=True)


def _whose(handle: asyncio.Handle) -> str:
    """The name of the coroutine that ran, if it was one."""
    task: Any = getattr(getattr(handle, "_callback", None), "__self__", None)
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
    return getattr(coroutine, "__qualname__", "") or repr(handle)[:200]


def main() -> None:
    """Run `rungway serve` with the flags of the command line."""
    longest = _Longest()
    slices: Any = asyncio.Handle
    slices._run = lambda handle: longest.measured(handle)  # the loop calls this for each slice
    signal.signal(signal.SIGUSR1, longest.say)
    event_loop.loop_factory = lambda: None
    sys.argv = ["rungway", "serve", *sys.argv[1:]]
    app()


if __name__ == "__main__":
    main()
