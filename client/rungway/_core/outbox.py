"""Reports on their way to the service: held back, then sent in order, each exactly once."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rungway._core.requests import Result
from rungway.models.work import Assignment, Report

MOST_REPORTS = 1024
"""Of one parcel. A service takes more, and its store has time for others in between when it gets less."""


@dataclass(slots=True)
class Parcel:
    """What is told of a trial in one call, alone or with those of others: it stays exactly that until it is answered.

    The service knows it again by its request id and its lease, whatever else came in the same call.
    """

    result: Result
    request_id: str = ""
    """That of the call in which it was first sent; empty = it never was."""


class Outbox:
    """The reports of one assignment that the service has not answered yet.

    The oldest ones become a parcel with an id of its own when they are first sent: so nothing is told twice, whatever
    is lost on the way. `add` never waits for a call under way.
    """

    def __init__(self, assignment: Assignment, clock: Callable[[], float] = time.monotonic) -> None:
        self._assignment = assignment
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[Report] = []
        self._checkpoint = ""
        self._saved = 0
        self._finished = False
        self._parcel: Parcel | None = None
        self._since = 0.0

    def add(self, report: Report, checkpoint: str) -> None:
        """Hold a report back. A checkpoint is one of its state and replaces an earlier one not yet sent."""
        with self._lock:
            if not self._held:
                self._since = self._clock()
            self._held.append(report)
            if checkpoint:
                self._checkpoint = checkpoint
                self._saved = len(self._held)

    def finish(self, checkpoint: str = "") -> None:
        """The training is over: say so with the last report, or alone where all are told. A checkpoint is of that."""
        with self._lock:
            self._finished = True
            if checkpoint:
                self._checkpoint, self._saved = checkpoint, len(self._held)

    def head(self) -> Parcel | None:
        """What to send next, the same until `answered`; None when there is nothing to send."""
        with self._lock:
            if self._parcel is None and (self._held or self._finished):
                self._parcel = Parcel(self._next_result())
            return self._parcel

    def answered(self) -> None:
        """The service has answered what was at the head."""
        with self._lock:
            self._parcel = None

    def clear(self) -> None:
        """Forget everything: the lease has ended."""
        with self._lock:
            self._parcel = None
            self._held, self._finished = [], False

    def overdue(self, seconds: float) -> bool:
        """Whether the oldest report has been waiting that long, or is in doubt."""
        with self._lock:
            return self._parcel is not None or bool(self._held and self._clock() - self._since >= seconds)

    def _next_result(self) -> Result:
        # A result's checkpoint is that of its last report, so a checkpoint ends a result.
        end = min(self._saved or len(self._held), MOST_REPORTS)
        checkpoint = ""
        if end == self._saved or not self._held:
            checkpoint, self._checkpoint = self._checkpoint, ""
        last = self._finished and end == len(self._held)
        result = Result(self._assignment, self._held[:end], checkpoint, finished=last)
        self._finished = self._finished and not last
        self._held, self._saved = self._held[end:], max(self._saved - end, 0)
        return result
