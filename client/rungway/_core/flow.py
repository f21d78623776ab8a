"""Calls written once for both clients: a flow is a generator that yields what must be waited for.

A flow yields an `Attempt` and is sent the reply, yields a `Sleep` and is sent None, or yields an `Acquire` and is sent
whether it got the lock. Errors are thrown into it. It does not touch the network, so `Client` and `AsyncClient` differ
only in the driver that performs these effects, and tests perform them by hand.
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
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Acquire:
    """Take a lock; the flow releases it."""

    lock: Any
    """A threading.Lock or an asyncio.Lock, as the driver needs."""
    seconds: float | None = None
    """Longest wait: None = no limit, 0 = do not wait."""


Effect = Attempt | Sleep | Acquire
T = TypeVar("T")
Flow = Generator[Effect, Any, T]


def drive(flow: Flow[T], perform: Callable[[Effect], Any]) -> T:
    """Run a flow to its end; `perform` carries out one effect. Returns the flow's result, raises its errors."""
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
        result: T = done.value
        return result
    finally:
        flow.close()


async def drive_async(flow: Flow[T], perform: Callable[[Effect], Awaitable[Any]]) -> T:
    """As `drive`, with a `perform` that is awaited."""
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
        result: T = done.value
        return result
    finally:
        flow.close()
