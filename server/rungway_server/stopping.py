"""Stops that come at any moment: a service that is still starting obeys at once, one that serves may drain.

As process 1 of a container a process gets no signal that it does not handle, so a handler is there from the first line
of the command line (cli/__init__.py) to the end of the process.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from types import FrameType
from typing import Any, TypeVar

import structlog

Result = TypeVar("Result")
_log = structlog.get_logger()


class Stopped(Exception):
    """A stop was asked for before the service was up."""


def stop_signal(stack: AsyncExitStack) -> asyncio.Future[Any]:
    """Done after the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    received = asyncio.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def unhook() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGTERM, _end_at_once)

    def first(number: signal.Signals) -> None:
        unhook()
        _log.info("stopping", signal=number.name)
        received.set()

    with suppress(ValueError, RuntimeError):  # outside of the main thread: serve until cancelled
        for number in numbers:
            loop.add_signal_handler(number, first, number)
        stack.callback(unhook)
    stopped = asyncio.ensure_future(received.wait())
    stack.callback(stopped.cancel)
    return stopped


def _end_at_once(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)


async def unless(stopped: asyncio.Future[Any], start: Coroutine[Any, Any, Result]) -> Result:
    """The result of `start`. Raises Stopped when the stop comes first: then `start` has been cancelled, and has ended
    what it began."""
    starting = asyncio.ensure_future(start)
    try:
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            return starting.result()
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    raise Stopped
