"""Fair shares of one event loop for gRPC and HTTP.

A turn of the loop runs everything that is ready. Many HTTP requests may be ready at once, but of gRPC only what its
poller thread has handed over, so that a busy HTTP port would leave gRPC a few calls in a hundred. While gRPC is in use,
two HTTP requests start for each of its calls, and one at least per millisecond. Measured in docs/adr/0011-http-port.md.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

_IN_USE_SECONDS = 0.1
"""How long after its last call gRPC counts as in use."""


_PER_GRPC_CALL = 2
"""How many HTTP requests start for a gRPC call: together they cost about as much."""
_LONGEST_PAUSE = 0.001
"""Seconds after which one starts although no gRPC call has begun."""


class GrpcCalls(Protocol):
    """What the gRPC server counts."""

    begun: int
    """Calls so far."""
    last_begun: float
    """When the last one began, on the clock of the event loop."""


class Turnstile:
    """Where HTTP requests wait for their turn to start; what they wait for later is not counted."""

    def __init__(self, grpc: GrpcCalls, waited: Callable[[float], None] | None = None) -> None:
        """`grpc`: the calls of the other port. `waited` is told the seconds of each wait. Needs a running event
        loop."""
        self._waited = waited
        self._loop = asyncio.get_running_loop()
        self._grpc, self._seen, self._last = grpc, 0, 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def enter(self) -> None:
        """Returns when a request may start."""
        if not self._waiting and not self._in_use():
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(turn)
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)
        if self._waited is None:
            await turn
            return
        began = self._loop.time()
        await turn
        self._waited(self._loop.time() - began)

    def _in_use(self) -> bool:
        """Whether there was a gRPC call lately."""
        return self._loop.time() - self._grpc.last_begun <= _IN_USE_SECONDS

    def _turn(self) -> None:
        begun, now = self._grpc.begun, self._loop.time()
        starts, self._seen = _PER_GRPC_CALL * (begun - self._seen), begun
        if not self._in_use():
            starts = len(self._waiting)
        elif not starts and now - self._last >= _LONGEST_PAUSE:
            starts = 1
        if starts:
            self._last = now
        while self._waiting and starts:
            turn = self._waiting.popleft()
            if not turn.done():  # otherwise its request was cancelled
                turn.set_result(None)
                starts -= 1
        self._turning = bool(self._waiting)
        if self._turning:
            self._loop.call_soon(self._turn)
