"""Counting and timing calls, in a window that leaves the warm-up out."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

Answer = TypeVar("Answer")


class Meter:
    """Times calls by kind while `recording`; says when to stop, by `running` and by a number of calls."""

    def __init__(self, most_calls: int) -> None:
        """`most_calls`: stop after so many recorded calls."""
        self.latencies: defaultdict[str, list[float]] = defaultdict(list)
        self.recording = False
        self._left = most_calls
        self._stopped = asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether slots go on."""
        return not self._stopped.is_set()

    async def record(self, seconds: float) -> None:
        """Record for so long, or until the most calls were recorded; then stop the slots."""
        self.recording = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        self.stop()

    def stop(self) -> None:
        """Record no more and let the slots end."""
        self.recording = False
        self._stopped.set()

    async def timed(self, kind: str, call: Awaitable[Answer]) -> Answer:
        """The answer of the call; a failed call ends the test with its error."""
        began = time.perf_counter()
        answer = await call
        if self.recording:
            self.latencies[kind].append(time.perf_counter() - began)
            self._left -= 1
            if self._left <= 0:
                self.stop()
        return answer

    @property
    def calls(self) -> int:
        """Recorded so far, of all kinds."""
        return sum(map(len, self.latencies.values()))


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed; NaN when there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
