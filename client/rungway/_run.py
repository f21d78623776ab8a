"""One trial in the hands of a worker: what `TrialRun` and `AsyncTrialRun` share, free of waiting."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rungway import _rpcs
from rungway._calls import WorkerCalls, is_forgotten
from rungway._errors import Diverged, InvalidArgument, InvalidConfiguration, NotFound, Preempted, RungwayError
from rungway._flow import Flow
from rungway._models import Assignment, Lease, Report, Verdict
from rungway._outbox import Outbox
from rungway._words import Decision, Outcome

_log = logging.getLogger("rungway")
_REFUSALS = (InvalidArgument, NotFound)


@dataclass(frozen=True, slots=True)
class Departure:
    """How a worker leaves a trial: with a failure, or giving it back (no outcome)."""

    outcome: Outcome | None
    message: str = ""
    checkpoint: str = ""
    stays: bool = False
    """Whether the worker goes on afterwards, so that it can wait for the service to hear of it."""


GIVEN_BACK = Departure(None)
LEFT_BEHIND = Departure(Outcome.TRANSIENT, "the loop over the trials was left while this one was under way")


def departure(raised: BaseException, *, stays: bool) -> Departure:
    """What an exception out of a training loop means for its trial.

    An error of the service itself, and everything that ends the process or task, costs the trial nothing.
    """
    message = f"{type(raised).__name__}: {raised}"
    match raised:
        case InvalidConfiguration():
            return Departure(Outcome.INVALID, message, stays=True)
        case Diverged() | FloatingPointError() | OverflowError():
            return Departure(Outcome.DIVERGED, message, stays=True)
        case Preempted():
            return Departure(None, message, raised.checkpoint)
        case Exception() if not isinstance(raised, RungwayError):
            return Departure(Outcome.TRANSIENT, message, stays=stays)
    return Departure(None, message)


def is_cured(raised: BaseException | None) -> bool:
    """Whether a worker may go on with the next trial after this: the trial was at fault, and the service is told."""
    return isinstance(raised, Exception) and not isinstance(raised, Preempted | RungwayError)


def log_cured(trial: int, raised: BaseException | None) -> None:
    """Say why a trial is over; where it was not on purpose, with the place."""
    on_purpose = isinstance(raised, InvalidConfiguration | Diverged)
    level = logging.INFO if on_purpose else logging.WARNING
    name = type(raised).__name__
    _log.log(level, "trial %d ended by %s: %s", trial, name, raised, exc_info=None if on_purpose else raised)


class Run:
    """The state of one trial under one lease, and the flows that report on it."""

    def __init__(self, calls: WorkerCalls, assignment: Assignment) -> None:
        self.assignment = assignment
        """What was handed out; it does not change, the run's own lengths do."""
        self._calls = calls
        self._outbox = Outbox(calls.experiment, assignment)
        self._to_length = assignment.last_length
        self._next_decision = assignment.to_length
        self._reported = assignment.from_length
        self._notice: Decision | None = None
        self._verdict: Verdict | None = None
        self._refusal: RungwayError | None = None
        self._ended = False
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
    def verdict(self) -> Verdict | None:
        """The service's last answer, None before the first."""
        return self._verdict

    @property
    def should_stop(self) -> bool:
        """Whether training on is of no use: the trial is over, or its lease is lost. May become true at any moment."""
        return self._ended or self._notice is not None

    def lengths(self) -> Iterator[int]:
        """The lengths to train up to and report, one by one, as long as the service says to go on."""
        length = self.from_length
        while length < self._to_length and not self.should_stop:
            length += 1
            yield length

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
        self._reported = report.length
        self._outbox.add(report, checkpoint)
        if self._notice is Decision.SUPERSEDED:
            self._end()
            return False
        return self._decides(report.length) or self._refusal is not None

    def _tell(self, limit: float | None = None) -> Flow[None]:
        """Tell what is held back, in order, until the trial ends or nothing is left."""
        self._raise_refusal()
        while not self._ended and (request := self._outbox.head()) is not None:
            try:
                reply = yield from self._calls.call(_rpcs.TELL, request, limit)
            except _REFUSALS as error:
                self._outbox.answered()
                if not is_forgotten(error, self._to_length, request):
                    raise
                self._take((yield from self._calls.forgotten(self.lease)))
            else:
                self._outbox.answered()
                self._take(Verdict.from_proto(reply.verdicts[0]))

    def _take(self, verdict: Verdict) -> None:
        self._verdict = verdict
        if verdict:
            self._to_length, self._next_decision = verdict.last_length, verdict.to_length
        else:
            self._end()

    def _raise_refusal(self) -> None:
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def _tell_overdue(self) -> Flow[None]:
        """Tell in the background what was held back for long; what the service refuses, the next report raises."""
        try:
            yield from self._tell(self._calls.config.attempt_timeout)
        except _REFUSALS as error:
            self._refusal = error
        except RungwayError as error:
            _log.info("reports of trial %d are held back: %s", self.number, error)

    def _overdue(self) -> bool:
        return not self._ended and self._outbox.overdue(self._calls.config.report_interval)

    def _leave(self, departure: Departure) -> Flow[None]:
        """Tell what is held back, then give the trial back or say how it failed. Raises nothing: a lease lapses."""
        if self._ended:
            return
        limit = None if departure.stays else self._calls.config.farewell_timeout
        try:
            if departure.outcome is not Outcome.INVALID:
                yield from self._tell_rest(limit)
            if not self._ended:
                yield from self._say(departure, limit)
        except RungwayError as error:
            _log.warning("trial %d could not be given back, its lease will lapse: %s", self.number, error)
        finally:
            self._end()

    def _tell_rest(self, limit: float | None) -> Flow[None]:
        try:
            yield from self._tell(limit)
        except _REFUSALS as error:
            _log.warning("reports of trial %d were refused: %s", self.number, error)

    def _say(self, departure: Departure, limit: float | None) -> Flow[None]:
        if departure.outcome is not None:
            fail = self._calls.fail(self.lease, departure.outcome, departure.message, limit=limit)
            self._verdict = yield from fail
            return
        length = self._reported if departure.checkpoint else None
        self._verdict = yield from self._calls.release(self.lease, departure.checkpoint, length, limit=limit)
        _log.log(
            logging.WARNING if departure is GIVEN_BACK else logging.INFO,
            "trial %d was left at length %d before its next decision at %d and is given back",
            self.number,
            self._reported,
            self._next_decision,
        )

    def _end(self) -> None:
        self._ended = True
        self._outbox.clear()
        self._calls.leases.end(self.lease)
