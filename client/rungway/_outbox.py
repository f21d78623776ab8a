"""Reports on their way to the service: held back, then sent in order, each exactly once."""

import threading
import time
from collections.abc import Callable

from rungway import _requests
from rungway._models import Assignment, Report
from rungway._requests import Result
from rungway.v1 import search_service_pb2


class Outbox:
    """The reports of one assignment that the service has not answered yet.

    The oldest ones become a request with an id of its own when they are first sent, and stay exactly that until they
    are answered: so nothing is told twice, whatever is lost on the way. `add` never waits for a call under way.
    """

    def __init__(self, experiment: str, assignment: Assignment, clock: Callable[[], float] = time.monotonic) -> None:
        self._experiment = experiment
        self._assignment = assignment
        self._clock = clock
        self._lock = threading.Lock()
        self._held: list[Report] = []
        self._checkpoint = ""
        self._saved = 0
        self._finished = False
        self._request: search_service_pb2.TellRequest | None = None
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

    def head(self) -> search_service_pb2.TellRequest | None:
        """The request to send next, the same until `answered`; None when there is nothing to send."""
        with self._lock:
            if self._request is None and (self._held or self._finished):
                self._request = self._next_request()
            return self._request

    def answered(self) -> None:
        """The service has answered the request at the head."""
        with self._lock:
            self._request = None

    def clear(self) -> None:
        """Forget everything: the lease has ended."""
        with self._lock:
            self._request = None
            self._held, self._finished = [], False

    def overdue(self, seconds: float) -> bool:
        """Whether the oldest report has been waiting that long, or is in doubt."""
        with self._lock:
            return self._request is not None or bool(self._held and self._clock() - self._since >= seconds)

    def _next_request(self) -> search_service_pb2.TellRequest:
        # A request's checkpoint is that of its last report, so a checkpoint ends a request.
        end = self._saved or len(self._held)
        last = self._finished and end == len(self._held)
        result = Result(self._assignment, self._held[:end], self._checkpoint, finished=last)
        self._finished = self._finished and not last
        self._held, self._checkpoint, self._saved = self._held[end:], "", 0
        return _requests.tell(self._experiment, _requests.new_request_id(), [result])
