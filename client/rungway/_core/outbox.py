"""Reports on their way to the service: held back, then sent in order, each exactly once."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from rungway._core.errors import InvalidArgument, RungwayError
from rungway.models.work import Assignment, Report, Result

MOST_REPORTS = 1024
"""Most reports of one parcel. A service takes more, but smaller requests leave its store time for other calls."""


_FURTHER, _FURTHER_BYTES = 4, 512


def weight(report: Report) -> int:
    """How many reports it counts for: one, and more for every 4 and every 512 bytes of further metrics. So a parcel
    stays within the limits of a call."""
    if not report.metrics:
        return 1
    size = sum(len(name.encode()) + 14 for name in report.metrics)
    return 1 + (len(report.metrics) + 1) // _FURTHER + size // _FURTHER_BYTES


def first_wrong(error: RungwayError) -> int:
    """The place of the report for which a tell of one trial was refused; 0 where the refusal names none."""
    fields = [field for field, _ in error.violations] if isinstance(error, InvalidArgument) else []
    named = (re.match(r"results\[0\]\.reports\[(\d+)\]", field) for field in fields)
    return min((int(found[1]) for found in named if found), default=0)


def _fitting(reports: Sequence[Report]) -> int:
    """How many of these, from the first on, go into a parcel."""
    weights = accumulate(map(weight, reports))
    return sum(1 for _ in takewhile(lambda weighed: weighed <= MOST_REPORTS, weights))


@dataclass(slots=True)
class Parcel:
    """The reports of one trial that go in one call. They do not change until they are answered.

    The service recognises a repeat by the request id and the lease, so the same parcel may be sent again alone or with
    those of other trials.
    """

    result: Result
    request_id: str = ""
    """Request id of the call in which it was first sent; empty before that."""


class Outbox:
    """The reports of one assignment that the service has not answered yet.

    When the oldest reports are first sent, they become a parcel with a request id of its own. A repeat sends the same
    parcel, so nothing is told twice even when a reply is lost. `add` never waits for a call under way.
    """

    def __init__(self, assignment: Assignment, clock: Callable[[], float] = time.monotonic) -> None:
        self._assignment = assignment
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[Report] = []
        self._checkpoints: list[tuple[int, str]] = []  # with how many of the held reports each covers
        self._finished = False
        self._parcel: Parcel | None = None
        self._told: Report | None = None  # the last one that was answered
        self._since = 0.0

    def add(self, report: Report, checkpoint: str) -> None:
        """Hold a report back. A checkpoint is that of its state."""
        with self._lock:
            if not self._held:
                self._since = self._clock()
            self._held.append(report)
            self._save(checkpoint)

    def finish(self, checkpoint: str = "") -> None:
        """The training is over: say so with the last report, or alone when all are told. A checkpoint is that of the
        last report."""
        with self._lock:
            self._finished = True
            self._save(checkpoint)

    def head(self) -> Parcel | None:
        """The parcel to send next, the same one until `answered`; None when there is nothing to send."""
        with self._lock:
            if self._parcel is None and (self._held or self._finished):
                self._parcel = Parcel(self._next_result())
            return self._parcel

    def answered(self) -> None:
        """The service has answered the head."""
        with self._lock:
            if self._parcel is not None and self._parcel.result.reports:
                self._told = self._parcel.result.reports[-1]
            self._parcel = None

    def refused(self, wrong: int) -> Report | None:
        """The service has refused the head, and taken nothing of it: the reports before the wrong one are held back
        again. Returns the furthest report that was told or is held back."""
        with self._lock:
            again = [*self._parcel.result.reports[:wrong]] if self._parcel is not None else []
            self._held = again + self._held
            self._checkpoints = [(covered + len(again), each) for covered, each in self._checkpoints]
            self._parcel = None
            return self._held[-1] if self._held else self._told

    def clear(self) -> None:
        """Forget everything: the lease has ended."""
        with self._lock:
            self._parcel = None
            self._held, self._checkpoints, self._finished = [], [], False

    def is_overdue(self, seconds: float) -> bool:
        """Whether the oldest report has waited that long, or was sent and not answered."""
        with self._lock:
            return self._parcel is not None or bool(self._held and self._clock() - self._since >= seconds)

    def _save(self, checkpoint: str) -> None:
        end = len(self._held)
        if checkpoint:
            kept = [each for each in self._checkpoints if each[0] != end]
            self._checkpoints = [*kept, (end, checkpoint)]

    def _next_result(self) -> Result:
        # The checkpoint of a result is that of its last report, so a checkpoint ends a result: the service has to know
        # each, because its result may be the best one.
        covered, checkpoint = self._checkpoints[0] if self._checkpoints else (len(self._held), "")
        end = _fitting(self._held[:covered])
        if end == covered:
            self._checkpoints = self._checkpoints[1:]
        else:
            checkpoint = ""
        is_last = self._finished and end == len(self._held)
        result = Result(self._assignment, self._held[:end], checkpoint, finished=is_last)
        self._finished = self._finished and not is_last
        self._held = self._held[end:]
        self._checkpoints = [(covered - end, each) for covered, each in self._checkpoints]
        return result
