"""Counts and times calls after the warm-up."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from statistics import median
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Row = TypeVar("Row", bound=Any)
_CATCH_UP = 0.05


class Meter:
    """Times calls by kind while `recording`, and ends the slots after a time or a number of calls."""

    def __init__(self, most_calls: int, rate: float | None = None) -> None:
        """`most_calls`: stop after this number of recorded calls. `rate`: calls per second of all slots together, None
        = as many as they can."""
        self.latencies: defaultdict[str, list[float]] = defaultdict(list)
        self.recording = False
        self._left = most_calls
        self._rate, self._due = rate, 0.0
        self._stopped = asyncio.Event()
        self._seen, self._warm, self._warmed_up = 0, 0, asyncio.Event()

    @property
    def running(self) -> bool:
        """Whether slots should continue."""
        return not self._stopped.is_set()

    async def warmed_up(self, calls: int) -> None:
        """Wait until so many calls were answered."""
        self._warm = self._seen + calls
        await self._warmed_up.wait()

    async def record(self, seconds: float) -> None:
        """Record for `seconds` or until `most_calls` are recorded; then stop the slots."""
        self.recording = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        self.stop()

    def stop(self) -> None:
        """Stop recording and let the slots end."""
        self.recording = False
        self._stopped.set()

    async def timed(self, kind: str, call: Awaitable[Answer]) -> Answer:
        """Await the call and return its result; a failed call ends the test with its error."""
        if self._rate:
            await self._turn(1 / self._rate)
        began = time.perf_counter()
        answer = await call
        self._seen += 1
        if self._seen == self._warm:
            self._warmed_up.set()
        if self.recording:
            self.latencies[kind].append(time.perf_counter() - began)
            self._left -= 1
            if self._left <= 0:
                self.stop()
        return answer

    async def _turn(self, pause: float) -> None:
        """Wait until the next call is due. What was missed for longer than a moment is not caught up with."""
        now = time.perf_counter()
        self._due = max(self._due + pause, now - _CATCH_UP)
        if self._due > now:
            await asyncio.sleep(self._due - now)

    @property
    def calls(self) -> int:
        """Number of calls recorded so far, of all kinds."""
        return sum(map(len, self.latencies.values()))


def median_rows(found: list[Row], keys: Sequence[str]) -> list[Row]:
    """One row for each combination of these fields of a dataclass: medians of all others."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for one in found:
        groups.setdefault(tuple(getattr(one, key) for key in keys), []).append(one)
    figures = [each.name for each in fields(found[0]) if each.name not in keys]
    return [
        replace(group[0], **{name: median(getattr(each, name) for each in group) for name in figures})
        for group in groups.values()
    ]


def lower_quartile(values: Sequence[float]) -> float:
    """The figure of a measurement that little else disturbed: other load on a machine can only add to a cost."""
    return sorted(values)[(len(values) - 1) // 4]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed; NaN if there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
