"""Calls written once for both clients: a flow is a generator that yields what must be waited for.

A flow yields an `Attempt` and is sent its reply, a `Sleep` and is sent None, or an `Acquire` and is sent whether it has
the lock; what goes wrong meanwhile is thrown into it. It touches no network and no clock of its own, so `Client` and
`AsyncClient` differ only in how they drive it, and tests drive it by hand.
"""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from rungway._core.rpcs import Rpc


@dataclass(frozen=True, slots=True)
class Attempt:
    """Send a request once."""

    rpc: Rpc[Any]
    request: Message
    timeout: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take a lock, which the flow then releases."""

    lock: Any
    """A threading.Lock or an asyncio.Lock, as the driver wants."""
    seconds: float | None = None
    """Longest to wait for it: None = as long as it takes, 0 = not at all."""


Effect = Attempt | Sleep | Acquire
_T = TypeVar("_T")
Flow = Generator[Effect, Any, _T]


def drive(flow: Flow[_T], perform: Callable[[Effect], Any]) -> _T:
    """Run a flow to its end; `perform` waits for one effect."""
    try:
        effect = next(flow)
        while True:
            try:
                answer = perform(effect)
            except Exception as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as done:
        result: _T = done.value
        return result
    finally:
        flow.close()


async def drive_async(flow: Flow[_T], perform: Callable[[Effect], Awaitable[Any]]) -> _T:
    """Run a flow to its end; `perform` awaits one effect."""
    try:
        effect = next(flow)
        while True:
            try:
                answer = await perform(effect)
            except Exception as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as done:
        result: _T = done.value
        return result
    finally:
        flow.close()
