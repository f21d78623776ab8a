"""The client of the commands, with shorter timeouts than a worker's. Token and TLS come from the environment, because
other users of the host can read command lines."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from rungway import AsyncClient, Client, ClientConfig, InvalidArgument
from rungway_server.cli.options import NAMESPACE, Exit
from rungway_server.cli.output import errors, fail

ATTEMPT_SECONDS = 3.0
TOTAL_SECONDS = 4.0
OUTAGE_SECONDS = 60.0
"""How long a command that follows a search waits for a service that is away; the same as in the SDK."""

_Client = TypeVar("_Client", Client, AsyncClient)


@contextmanager
def service(target: str, experiment: str = "") -> Iterator[Client]:
    """A client for one command; an error inside ends the command with one message and an exit code."""
    client = make(Client, target, experiment)
    with errors(target), client:
        yield client


def follow(target: str, experiment: str, work: Callable[[AsyncClient], Awaitable[None]]) -> None:
    """Run what follows a search, with a client that waits for a service that is away; errors as in `service`. Raises
    KeyboardInterrupt."""
    client = make(AsyncClient, target, experiment, total_timeout=OUTAGE_SECONDS)

    async def run() -> None:
        _cancel_on_interrupt()
        async with client:
            await work(client)

    try:
        with errors(target):
            asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _cancel_on_interrupt() -> None:
    """Make the first Ctrl-C cancel this task; the next one interrupts as usual.

    Raised wherever the program is, as it is without this, a KeyboardInterrupt now and then comes in the middle of gRPC
    and is lost, or leaves one of its locks held.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task

    def cancel() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        task.cancel()

    with suppress(NotImplementedError):  # on Windows asyncio itself cancels
        loop.add_signal_handler(signal.SIGINT, cancel)


def make(kind: type[_Client], target: str, experiment: str, *, total_timeout: float = TOTAL_SECONDS) -> _Client:
    """A client of this class. Wrong settings in the environment end the command."""
    try:
        config = ClientConfig(
            target=target, experiment=experiment, attempt_timeout=ATTEMPT_SECONDS, total_timeout=total_timeout
        )
        return kind(config=replace(config, namespace=NAMESPACE.get() or config.namespace))
    except InvalidArgument as error:
        raise fail(Exit.USAGE, str(error)) from None
