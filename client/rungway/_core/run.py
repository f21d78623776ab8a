"""One trial in the hands of a worker: what `TrialRun` and `AsyncTrialRun` share, free of waiting."""

import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from rungway._core.calls import REFUSALS, WorkerCalls, is_forgotten
from rungway._core.enums import Decision, Reason
from rungway._core.errors import FailedPrecondition, InvalidArgument, RungwayError, Unavailable
from rungway._core.flow import Acquire, Flow
from rungway._core.outbox import Outbox, Parcel
from rungway.models.work import Assignment, Lease, Report, TellReply

_log = logging.getLogger("rungway")
_T = TypeVar("_T")
_STARTS = (Reason.NEW_TRIAL, Reason.ENQUEUED, Reason.CLONED)
"""Why a trial is handed out that has told nothing yet."""
LOOP_OVER = "the loop over the trials that handed it out is over"


class Loop:
    """The generator that a loop runs over: known to be gone as soon as nobody holds it, before it hears of that."""

    def __init__(self) -> None:
        self._generator: Callable[[], object] = lambda: self

    def belongs_to(self, generator: _T) -> _T:
        """Which generator it is."""
        self._generator = weakref.ref(generator)
        return generator

    @property
    def is_gone(self) -> bool:
        """Whether nobody holds it any more."""
        return self._generator() is None


class Run:
    """The state of one trial under one lease, and the flows that report on it."""

    def __init__(self, calls: WorkerCalls, assignment: Assignment, sending: Any, loop: Loop | None) -> None:
        """`sending` is the lock held while something is told of it, `loop` the loop that hands it out."""
        self.assignment = assignment
        """What was handed out; it does not change, the run's own lengths do."""
        self._calls = calls
        self._sending = sending
        self._loop = loop
        self._outbox = Outbox(assignment)
        self._to_length = assignment.to_length
        self._next_decision = assignment.next_decision
        self._reported = assignment.from_length
        self._notice: Decision | None = None
        self._reply: TellReply | None = None
        self._refusal: RungwayError | None = None
        self._ended = False
        self._used = False
        self._entered = False
        self._gone = ""
        self._last: Report | None = None
        self._settled = False
        self._ran_out = False
        self._counts = False
        self._decided_at = -1
        calls.leases.watch(assignment, self)

    @property
    def number(self) -> int:
        """Trial number, counted from 0 in its experiment."""
        return self.assignment.trial

    @property
    def lease(self) -> Lease:
        """The lease it is held under."""
        return self.assignment.lease

    @property
    def hparams(self) -> dict[str, Any]:
        """The configuration."""
        return self.assignment.hparams

    @property
    def checkpoint(self) -> str:
        """Where to resume from; empty when there is none."""
        return self.assignment.checkpoint

    @property
    def from_length(self) -> int:
        """Length of that checkpoint; 0 = start afresh."""
        return self.assignment.from_length

    @property
    def to_length(self) -> int:
        """Furthest length to train to as things stand; grows when the trial goes up."""
        return self._to_length

    @property
    def next_decision(self) -> int:
        """The next length at which something is decided: a report is wanted there."""
        return self._next_decision

    @property
    def reply(self) -> TellReply | None:
        """The service's last answer, None before the first."""
        return self._reply

    @property
    def should_stop(self) -> bool:
        """Whether training on is of no use: the trial is over, or its lease is lost. May become true at any moment."""
        return self._ended or self._notice is not None or self._calls.closed

    def _use(self) -> None:
        """Raises FailedPrecondition when the loop, block or client that this run belongs to is gone."""
        if self._left_alone():
            self._gone = self._gone or LOOP_OVER
        if self._gone:
            raise FailedPrecondition(f"trial {self.number}: {self._gone}", reason="TRIAL_RUN_OVER")
        if self._calls.closed:
            raise FailedPrecondition(f"trial {self.number}: the client was closed", reason="CLIENT_CLOSED")
        self._used = True

    def _left_alone(self) -> bool:
        """Whether the loop that handed it out is gone, and no block holds it."""
        return not self._entered and self._loop is not None and self._loop.is_gone

    def _enter(self) -> None:
        self._use()
        self._entered = True

    def _check_used(self) -> None:
        if not self._used:
            problem = f"trial {self.number} was left unused and is given back; write `with trial:` inside the loop"
            raise FailedPrecondition(problem, reason="TRIAL_UNUSED")

    def _close(self, why: str) -> None:
        """Nothing can be done with this run any more."""
        self._ended, self._gone = True, why

    def _steps(self) -> Iterator[int]:
        """The lengths up to the end of what is handed out so far, which may grow meanwhile."""
        self._ran_out, self._counts = False, True
        length = max(self.from_length, self._reported)
        while length < self._to_length and not self.should_stop:
            length += 1
            yield length
        self._ran_out = length >= self._to_length

    def _due(self) -> bool:
        """Whether the training came to its decision with no report there, but with one before, as it seems."""
        missing = self._ran_out and self._reported < self._to_length and not self.should_stop
        return missing and self._has_told()

    def _has_told(self) -> bool:
        """Whether it has a result, of this lease or, as it seems, of an earlier one."""
        return self._last is not None or self.assignment.explanation.reason not in _STARTS

    def _settle(self, checkpoint: str) -> Flow[bool]:
        """Tell the last report, maybe of an earlier lease, as the result of the decision's length; False = there is
        none."""
        last = self._last or (yield from self._calls.last_report(self.lease))
        if last is None:
            return False
        if not self._settled:
            self._settled = True
            _log.warning(
                "trial %d was trained to its decision at %d with nothing reported there: its result of length %d "
                "counts; report at trial.next_decision",
                self.number,
                self._to_length,
                last.length,
            )
        self._add(replace(last, length=self._to_length), checkpoint)
        yield from self._tell()
        return True

    def notice(self, decision: Decision) -> None:
        """Hear from the background that the lease was not renewed."""
        if not self._ended:
            self._notice = decision

    def _decides(self, length: int) -> bool:
        """Whether a report of this length is worth a call now, and so a checkpoint."""
        return length >= self._next_decision or self._notice is Decision.STOP

    def _check(self, report: Report) -> None:
        if not self._reported < report.length <= self._to_length:
            wanted = f"more than {self._reported} and at most {self._to_length}"
            raise InvalidArgument.one("length", f"{wanted} is wanted, got {report.length}")

    def _add(self, report: Report, checkpoint: str) -> bool:
        """Hold a report back; whether everything held must be told now."""
        self._reported, self._last = report.length, report
        self._outbox.add(report, checkpoint)
        if self._notice is Decision.SUPERSEDED:
            self._end()
            return False
        return self._decides(report.length) or self._refusal is not None

    def _tell(self, limit: float | None = None) -> Flow[None]:
        """Tell what is held back, in order, until the trial ends or nothing is left."""
        self._raise_refusal()
        while not self._ended and (parcel := self._outbox.head()) is not None:
            try:
                [reply] = yield from self._calls.send([parcel], limit)
            except REFUSALS as error:
                if (yield from self._refused(error, parcel)):
                    raise
            else:
                self._answered(reply)

    def _refused(self, error: RungwayError, parcel: Parcel) -> Flow[bool]:
        """Whether the head was refused for what it says, and not because the service was set back."""
        self._outbox.answered()
        if not is_forgotten(error, self._to_length, parcel.result.reports):
            return True
        self._take((yield from self._calls.forgotten(self.lease)))
        return False

    def _refused_in_background(self, error: RungwayError, parcel: Parcel) -> Flow[None]:
        """The head was refused; the next report raises it."""
        if (yield from self._refused(error, parcel)):
            self._refusal = error

    def _answered(self, reply: TellReply) -> None:
        """The head was told, and this is the answer."""
        self._outbox.answered()
        self._take(reply)

    def _take(self, reply: TellReply) -> None:
        self._reply = reply
        if reply:
            if self._reported >= self._next_decision:
                self._decided_at = self._reported
            self._to_length, self._next_decision = reply.to_length, reply.next_decision
        else:
            self._end()

    def _raise_refusal(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _overdue(self, seconds: float) -> bool:
        return not self._ended and self._refusal is None and self._outbox.overdue(seconds)

    def _alone(self, flow: Flow[_T], limit: float | None = None) -> Flow[_T]:
        """Run a flow while nobody else tells anything of this trial; waits `limit` seconds for that."""
        if not (yield Acquire(self._sending, limit)):
            raise Unavailable("another call about this trial is under way")
        try:
            return (yield from flow)
        finally:
            self._sending.release()

    def _end(self) -> None:
        self._ended = True
        self._outbox.clear()
        self._calls.leases.end(self.lease)
