"""One trial under one lease: what `TrialRun` and `AsyncTrialRun` share. Nothing here waits; see `flow`."""

import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from rungway._core.calls import REFUSALS, WorkerCalls, is_rollback
from rungway._core.enums import Decision, Outcome, Reason
from rungway._core.errors import FailedPrecondition, InvalidArgument, RungwayError, Unavailable
from rungway._core.exit import RELEASED, Exit
from rungway._core.flow import Acquire, Flow
from rungway._core.outbox import Outbox, Parcel, first_wrong
from rungway.models.shown import run_text
from rungway.models.work import Assignment, Lease, Report, TellReply

_log = logging.getLogger("rungway")
_T = TypeVar("_T")
_FRESH = (Reason.NEW_TRIAL, Reason.ENQUEUED, Reason.CLONED)
"""Reasons of an assignment whose trial has told nothing yet."""
LOOP_OVER = "the loop over the trials that handed it out is over"


class Loop:
    """A weak reference to the generator of a loop over trials: it tells that the loop was left before the generator
    itself is closed."""

    def __init__(self) -> None:
        self._generator: Callable[[], object] = lambda: self

    def track(self, generator: _T) -> _T:
        """Refer to this generator, and return it."""
        self._generator = weakref.ref(generator)
        return generator

    @property
    def is_gone(self) -> bool:
        """Whether nothing refers to the generator any more."""
        return self._generator() is None


def unused(trial: int) -> FailedPrecondition:
    """The error of a loop that went on without using a trial."""
    problem = f"trial {trial} was not used and is released; write `with trial:` inside the loop"
    return FailedPrecondition(problem, reason="TRIAL_UNUSED")


class Run:
    """The state of one trial under one lease, and the flows that report on it and end it."""

    def __init__(self, calls: WorkerCalls, assignment: Assignment, send_lock: Any, loop: Loop | None) -> None:
        """`send_lock` must be held to tell something of this trial. `loop` is the loop that hands it out; in a loop,
        errors of the trial itself are swallowed, so that the worker goes on with the next trial."""
        self.assignment = assignment
        """What was handed out. It does not change; the run's own lengths do."""
        self._calls = calls
        self._send_lock = send_lock
        self._loop = loop
        self._outbox = Outbox(assignment)
        self._to_length = assignment.to_length
        self._next_decision = assignment.next_decision
        self._reported = assignment.from_length  # furthest length reported, told or held back
        self._decided_at = -1  # length of the last report that was decided
        self._last_report: Report | None = None
        self._last_reply: TellReply | None = None
        self._notice: Decision | None = None  # why the lease is no longer renewed
        self._refusal: RungwayError | None = None  # met in the background; the next report raises it
        self._ended = False
        self._used = False
        self._entered = False
        self._gone = ""  # why this run cannot be used any more
        self._uses_lengths = False
        self._ran_out = False  # `lengths` came to its end
        self._missing_logged = False
        calls.leases.watch(assignment, self)

    # What it is.

    __repr__ = run_text

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            f"trial {self.assignment.trial} belongs to the client that renews its lease: hand on `trial.hparams`,"
            " `trial.checkpoint` or `trial.assignment`, or make a Client in the other process"
        )

    @property
    def number(self) -> int:
        """Trial number, counted from 0 in its experiment."""
        return self.assignment.trial

    @property
    def experiment(self) -> str:
        """The id of its experiment."""
        return self._calls.experiment

    @property
    def lease(self) -> Lease:
        """The lease of this run."""
        return self.assignment.lease

    @property
    def hparams(self) -> dict[str, Any]:
        """The configuration: values by hyperparameter name, groups as nested dictionaries."""
        return self.assignment.hparams

    @property
    def checkpoint(self) -> str:
        """The checkpoint to resume from; empty when there is none."""
        return self.assignment.checkpoint

    @property
    def from_length(self) -> int:
        """Length of that checkpoint (the experiment's unit); 0 = start afresh."""
        return self.assignment.from_length

    @property
    def to_length(self) -> int:
        """Furthest length that may be reported for now; it grows when the trial is promoted."""
        return self._to_length

    @property
    def next_decision(self) -> int:
        """The next length at which the service decides: report a result there."""
        return self._next_decision

    @property
    def last_reply(self) -> TellReply | None:
        """The service's last reply about this trial, with its decision and the reason; None before the first."""
        return self._last_reply

    @property
    def should_stop(self) -> bool:
        """Whether further training is useless: the trial has ended, its lease is lost, or the client was closed. It may
        become true at any moment, and may be read from any thread."""
        return self._ended or self._notice is not None or self._calls.closed

    # Who uses it.

    def _use(self) -> None:
        """Raises FailedPrecondition when the loop, block or client of this run is gone."""
        if self._is_orphaned():
            self._gone = self._gone or LOOP_OVER
        if self._gone:
            raise FailedPrecondition(f"trial {self.number}: {self._gone}", reason="TRIAL_RUN_OVER")
        if self._calls.closed:
            raise FailedPrecondition(f"trial {self.number}: the client was closed", reason="CLIENT_CLOSED")
        self._used = True

    def _is_orphaned(self) -> bool:
        """Whether the loop that handed it out is gone, and no `with` block uses it."""
        return not self._entered and self._loop is not None and self._loop.is_gone

    def _enter(self) -> None:
        self._use()
        self._entered = True

    def _check_used(self) -> None:
        """Raises FailedPrecondition when the loop went on without using this run."""
        if not self._used:
            raise unused(self.number)

    def _close(self, why: str) -> None:
        """From now on every use raises FailedPrecondition with this text."""
        self._ended, self._gone = True, why

    def notice(self, decision: Decision) -> None:
        """The lease was not renewed: STOP or SUPERSEDED. Called from the background."""
        if not self._ended:
            self._notice = decision

    # Lengths.

    def _steps(self) -> Iterator[int]:
        """The lengths up to `to_length`, which may grow meanwhile."""
        self._ran_out, self._uses_lengths = False, True
        length = max(self.from_length, self._reported)
        while length < self._to_length and not self.should_stop:
            length += 1
            yield length
        self._ran_out = length >= self._to_length

    def _is_report_missing(self) -> bool:
        """Whether `lengths` came to a decision where nothing was reported, although something was told before."""
        missing = self._ran_out and self._reported < self._to_length and not self.should_stop
        return missing and self._has_told()

    def _has_told(self) -> bool:
        """Whether it has a result: of this lease or, as the reason of its assignment suggests, of an earlier one."""
        return self._last_report is not None or self.assignment.explanation.reason not in _FRESH

    def _is_decision(self, length: int) -> bool:
        """Whether a report of this length is told at once, with a checkpoint."""
        return length >= self._next_decision or self._notice is Decision.STOP

    # Reports.

    def _check(self, report: Report) -> None:
        """Raises InvalidArgument when the length does not grow or is too large."""
        if not self._reported < report.length <= self._to_length:
            wanted = f"more than {self._reported} and at most {self._to_length}"
            raise InvalidArgument.one("length", f"got {report.length}, wanted {wanted}")

    def _add(self, report: Report, checkpoint: str) -> bool:
        """Hold a report back; True when all that is held back must be told now."""
        self._outbox.add(report, checkpoint)
        self._reported, self._last_report = report.length, report
        if self._notice is Decision.SUPERSEDED:
            self._end()
            return False
        return self._is_decision(report.length) or self._refusal is not None

    def _tell(self, limit: float | None = None) -> Flow[None]:
        """Tell what is held back, in order, until the trial ends or nothing is left; `limit` in seconds for each call.

        Raises what the service refused, here or in the background."""
        self._raise_refusal()
        while not self._ended and (parcel := self._outbox.head()) is not None:
            try:
                [reply] = yield from self._calls.send([parcel], limit)
            except REFUSALS as error:
                if (yield from self._refused(error, parcel)):
                    raise
            else:
                self._answered(reply)

    def _tell_missing(self, checkpoint: str) -> Flow[bool]:
        """Tell the last report, maybe of an earlier lease, as the result at `to_length`; False when there is none."""
        last = self._last_report or (yield from self._calls.last_report(self.lease))
        if last is None:
            return False
        if not self._missing_logged:
            self._missing_logged = True
            _log.warning(
                "trial %d reported nothing at its decision (length %d): its result of length %d counts there; "
                "report at trial.next_decision",
                self.number,
                self._to_length,
                last.length,
            )
        # Its cost is not repeated: nothing was trained for it.
        self._add(Report(self._to_length, last.metric, last.metrics), checkpoint)
        yield from self._tell()
        return True

    def _answered(self, reply: TellReply) -> None:
        """The service answered the parcel at the head of the outbox."""
        self._outbox.answered()
        self._apply(reply)

    def _refused(self, error: RungwayError, parcel: Parcel) -> Flow[bool]:
        """The service refused the parcel at the head. True when the parcel is wrong; False when the service lost what
        it had said before, and then the lease is lost."""
        if not is_rollback(error, self._to_length, parcel.result.reports):
            # Nothing of it was taken, so it may be reported again, as it should be.
            last, reports = self._outbox.refused(first_wrong(error)), parcel.result.reports
            if not reports or self._reported <= reports[-1].length:  # else there is a later one
                self._last_report, self._reported = last, last.length if last else self.assignment.from_length
            return True
        self._outbox.answered()
        self._apply((yield from self._calls.release_after_rollback(self.lease)))
        return False

    def _refused_in_background(self, error: RungwayError, parcel: Parcel) -> Flow[None]:
        """As `_refused`; the next report raises the error."""
        if (yield from self._refused(error, parcel)):
            self._refusal = error

    def _raise_refusal(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _apply(self, reply: TellReply) -> None:
        """Go on to the lengths of the reply, or end with it."""
        self._last_reply = reply
        if reply:
            if self._reported >= self._next_decision:
                self._decided_at = self._reported
            self._to_length, self._next_decision = reply.to_length, reply.next_decision
        else:
            self._end()

    def _is_overdue(self, seconds: float) -> bool:
        """Whether a report has been held back for so long."""
        return not self._ended and self._refusal is None and self._outbox.is_overdue(seconds)

    def _locked(self, flow: Flow[_T], limit: float | None = None) -> Flow[_T]:
        """Run a flow while nothing else tells anything of this trial. Raises Unavailable when another call about it
        takes longer than `limit` seconds."""
        if not (yield Acquire(self._send_lock, limit)):
            raise Unavailable("another call about this trial is under way")
        try:
            return (yield from flow)
        finally:
            self._send_lock.release()

    # The end.

    def _end(self) -> None:
        self._ended = True
        self._outbox.clear()
        self._calls.leases.end(self.lease)

    def _finish(self, checkpoint: str = "") -> Flow[None]:
        """Tell what is held back, and that the training is over."""
        self._raise_refusal()
        if not self._ended:
            self._outbox.finish(checkpoint)
            yield from self._tell()

    def _leave(self, how: Exit) -> Flow[None]:
        """Tell what is held back, then release the trial or say how it failed. Raises nothing: where the service does
        not answer, the lease expires."""
        if self._ended:
            return
        limit = None if how.worker_goes_on else self._calls.config.shutdown_timeout
        try:
            yield from self._locked(self._leave_now(how, limit), limit)
        except RungwayError as error:
            _log.warning("trial %d could not be released, its lease will expire: %s", self.number, error)
        finally:
            self._end()

    def _leave_now(self, how: Exit, limit: float | None) -> Flow[None]:
        if self._ended:
            return
        if how.is_normal:
            how = yield from self._end_normally(how)
        elif how.outcome is not Outcome.INVALID:
            yield from self._tell_rest(limit)
        if not self._ended:
            yield from self._release_or_fail(how, limit)

    def _end_normally(self, how: Exit) -> Flow[Exit]:
        """Say that the training is over with what was told; returns how to leave a trial that has not ended by that."""
        try:
            if self._is_report_missing():
                yield from self._tell_missing("")
            if self._last_report is None and self._ran_out:
                problem = f"the training reached its decision at length {self._next_decision} without any report"
                return replace(how, outcome=Outcome.TRANSIENT, message=problem)
            # A block that trained all it was given has not finished early: if promoted, it is handed out again.
            is_decided = self._decided_at == self._reported or self._reported >= self._next_decision
            if self._ran_out or (is_decided and not self._uses_lengths):
                yield from self._tell()
            elif self._has_told():
                yield from self._finish()
        except InvalidArgument as error:
            if error.reason != "OBJECTIVE_MISSING" and any(f == "results[0].finished" for f, _ in error.violations):
                return RELEASED
            _log.warning("reports of trial %d were refused: %s", self.number, error)
            return replace(how, outcome=Outcome.TRANSIENT, message=f"{type(error).__name__}: {error}")
        return RELEASED

    def _tell_rest(self, limit: float | None) -> Flow[None]:
        try:
            yield from self._tell(limit)
        except REFUSALS as error:
            _log.warning("reports of trial %d were refused: %s", self.number, error)

    def _release_or_fail(self, how: Exit, limit: float | None) -> Flow[None]:
        if how.outcome is None:
            try:
                yield from self._release(how, limit)
                return
            except InvalidArgument as error:
                _log.warning("trial %d could not be released with its checkpoint, and fails: %s", self.number, error)
                message = f"{type(error).__name__}: {error}"
                how = replace(how, outcome=Outcome.TRANSIENT, message=message)
        assert how.outcome is not None
        self._last_reply = yield from self._calls.fail(self.lease, how.outcome, how.message, limit=limit)

    def _release(self, how: Exit, limit: float | None) -> Flow[None]:
        checkpoint = how.checkpoint if self._reported else ""  # before the first report there is no length to resume at
        length = self._reported if checkpoint else None
        self._last_reply = yield from self._calls.release(self.lease, checkpoint, length, limit=limit)
        _log.log(
            logging.WARNING if how is RELEASED else logging.INFO,
            "trial %d was left at length %d before its next decision at %d and is released",
            self.number,
            self._reported,
            self._next_decision,
        )
