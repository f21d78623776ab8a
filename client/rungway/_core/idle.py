"""The idle connections of a client over HTTP.

The pool of the HTTP library compares each of its connections with each for every call: with 100 of them a call costs 10
ms. So every connection has a transport of its own, and is found here.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from rungway._core.http import KEEP_SECONDS

T = TypeVar("T")


class IdleTransports(Generic[T]):
    """Transports that no call uses now. Any number of threads may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, T]] = deque()
        self._closed = False

    def take(self) -> T | None:
        """The transport that was used last; None = a new one is needed."""
        with self._lock:
            return self._idle.pop()[1] if self._idle else None

    def give_back(self, transport: T) -> list[T]:
        """A transport that is free again. Returns those to be closed: idle for too long, or given back late."""
        now = self._clock()
        with self._lock:
            self._idle.append((now, transport))
            return self._taken_out(now + 1 if self._closed else now - KEEP_SECONDS)

    def close(self) -> list[T]:
        """Keep no transports any more. Returns those that are to be closed."""
        with self._lock:
            self._closed = True
            return self._taken_out(self._clock() + 1)

    def _taken_out(self, before: float) -> list[T]:
        found = []
        while self._idle and self._idle[0][0] < before:
            found.append(self._idle.popleft()[1])
        return found
