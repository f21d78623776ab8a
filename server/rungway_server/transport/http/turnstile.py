"""Fair shares of one event loop for gRPC and HTTP.

A turn of the loop runs everything that is ready. Any number of HTTP requests may be ready at once, but of gRPC only
what its poller thread has handed over, so that a busy HTTP port would leave gRPC a few calls in a hundred. While gRPC
is in use, two HTTP requests start for each of its calls, and further ones only when the loop has nothing else to do.
Measured in docs/adr/0011-http-port.md.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

_IN_USE_SECONDS = 0.1
"""How long after its last call gRPC counts as in use."""
_PER_GRPC_CALL = 2
"""How many HTTP requests start for a gRPC call: together they cost about as much."""
_EMPTY_TURN = 15e-6
"""A turn of the loop that takes fewer seconds had nothing else to run."""
_EMPTY_TURNS = 16
"""After as many empty turns one more starts. The more, the surer that gRPC has nothing to hand over, but the longer an
HTTP request waits: 16 are some 50 microseconds."""
_LONGEST_PAUSE = 0.001
"""Seconds after which one starts in any case."""


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
        self._grpc, self._seen = grpc, 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False
        self._turned = self._started = 0.0
        self._empty_turns = 0

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
        begun, now = self._grpc.begun, time.perf_counter()
        self._empty_turns = self._empty_turns + 1 if now - self._turned < _EMPTY_TURN else 0
        starts, self._seen = _PER_GRPC_CALL * (begun - self._seen), begun
        if not self._in_use():
            starts = len(self._waiting)
        elif not starts and (self._empty_turns >= _EMPTY_TURNS or now - self._started > _LONGEST_PAUSE):
            starts = 1
        if starts:
            self._started, self._empty_turns = now, 0
        while self._waiting and starts:
            turn = self._waiting.popleft()
            if not turn.done():  # otherwise its request was cancelled
                turn.set_result(None)
                starts -= 1
        self._turning = bool(self._waiting)
        if self._turning:
            self._turned = time.perf_counter()
            self._loop.call_soon(self._turn)
