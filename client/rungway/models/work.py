"""What the service says about work, as plain values. All lengths are absolute, in the experiment's unit."""

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from rungway import values
from rungway._core.compat import WeaklyHeld
from rungway._core.enums import AskStatus, Decision, Outcome, Reason, TrialState, moment, seconds, word
from rungway.v1 import search_service_pb2, trial_pb2


@lru_cache(maxsize=64)  # a few words, one or two of them in each reply
def _decision(number: int) -> Decision:
    return word(trial_pb2.Decision, number, "DECISION_", Decision.SUPERSEDED)


@lru_cache(maxsize=64)
def reason_of(number: int) -> Reason:
    """The word for a number of the protocol."""
    return word(trial_pb2.Reason, number, "REASON_", Reason.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to report on a trial; `fence` grows with every lease of the experiment."""

    trial: int
    fencing_token: int

    @classmethod
    def from_proto(cls, message: trial_pb2.Lease) -> "Lease":
        """Read it from its message."""
        return cls(message.trial, message.fence)


@dataclass(frozen=True, slots=True)
class Report:
    """One validation result at an absolute length; NaN and infinities are allowed."""

    length: int
    metric: float

    @classmethod
    def from_proto(cls, message: trial_pb2.Report) -> "Report":
        """Read it from its message."""
        return cls(message.length, message.metric)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, with the numbers of that moment; `rung` is -1 when no rung took part, `cutoff` None when the quota is 0."""

    reason: Reason
    bracket: int = 0
    rung: int = -1
    rank: int = 0
    rung_size: int = 0
    quota: int = 0
    cutoff: float | None = None
    text: str = ""
    parent: int | None = None
    """CLONED only: the trial it was cloned from; rank and rung_size are those of that trial's result."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Explanation) -> "Explanation":
        """Read it from its message."""
        return cls(
            reason_of(message.reason),
            message.bracket,
            message.rung,
            message.rank,
            message.rung_size,
            message.quota,
            message.cutoff if message.HasField("cutoff") else None,
            message.text,
            message.parent if message.HasField("parent") else None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Assignment(WeaklyHeld):
    """One piece of work: train `hparams` from `from_length` to `next_decision`. Always truthy."""

    lease: Lease
    hparams: dict[str, Any]
    from_length: int
    """Length of the checkpoint; 0 = start afresh."""
    next_decision: int
    """Train up to here and tell: the next length at which something is decided."""
    to_length: int
    """Furthest length that may be told under this lease: beyond `next_decision` where rungs stop trials."""
    checkpoint: str
    """Where to resume from, in a new clone that of the trial it was cloned from; empty when there is none."""
    bracket: int
    rung: int
    """Index of the rung the trial trains towards, counted from 0."""
    restarts: int
    deadline: datetime
    """When the lease expires unless renewed (the service's clock)."""
    lease_duration: float
    """Seconds a lease lasts from each renewal."""
    explanation: Explanation
    told_length: int = 0
    """Furthest length told under this lease."""

    @property
    def trial(self) -> int:
        """Trial number, counted from 0 in its experiment."""
        return self.lease.trial

    @classmethod
    def from_proto(cls, message: trial_pb2.Assignment) -> "Assignment":
        """Read it from its message."""
        return cls(
            Lease.from_proto(message.lease),
            values.from_map(message.hparams),
            message.from_length,
            message.next_decision_length,
            message.to_length,
            message.checkpoint,
            message.bracket,
            message.rung,
            message.restarts,
            moment(message.lease_deadline),
            seconds(message.lease_duration),
            Explanation.from_proto(message.explanation),
            message.from_length,
        )


@dataclass(frozen=True, slots=True)
class TellReply:
    """The service's answer to results. Truthy when it says CONTINUE, so `if not client.tell(...)` reads well."""

    lease: Lease
    decision: Decision
    explanation: Explanation
    next_decision: int = 0
    """CONTINUE only: train up to this length and tell: the next at which something is decided."""
    to_length: int = 0
    """CONTINUE only: furthest length that may be told under this lease."""
    deadline: datetime | None = None
    """CONTINUE only: when the lease expires unless renewed (the service's clock)."""
    next: Assignment | None = field(default=None, compare=False)
    """CONTINUE only: the same trial under the same lease as a new assignment, for those who go on by themselves."""

    def __bool__(self) -> bool:
        return self.decision is Decision.CONTINUE

    @property
    def reason(self) -> Reason:
        """Why, as one word."""
        return self.explanation.reason

    @property
    def text(self) -> str:
        """Why, in words."""
        return self.explanation.text

    @classmethod
    def from_proto(cls, message: trial_pb2.Verdict) -> "TellReply":
        """Read it from its message."""
        return cls(
            Lease.from_proto(message.lease),
            _decision(message.decision),
            Explanation.from_proto(message.explanation),
            message.next_decision_length,
            message.to_length,
            moment(message.lease_deadline) if message.HasField("lease_deadline") else None,
        )


def continued(assignment: Assignment, reply: TellReply, length: int, checkpoint: str) -> Assignment:
    """The assignment that a CONTINUE makes of one told up to `length`, with the checkpoint told there, if any.

    Without a new checkpoint the old one stays the place to resume from, and so does its length: whoever rebuilds the
    model from `checkpoint` must train on from there, not from the length last told.
    """
    climbed = reply.reason is Reason.PROMOTED
    return dataclasses.replace(
        assignment,
        from_length=length if checkpoint else assignment.from_length,
        next_decision=reply.next_decision,
        to_length=reply.to_length,
        checkpoint=checkpoint or assignment.checkpoint,
        rung=reply.explanation.rung + 1 if climbed else assignment.rung,
        deadline=reply.deadline or assignment.deadline,
        explanation=reply.explanation,
        told_length=length,
    )


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """How a lease stands after a heartbeat: CONTINUE (renewed), STOP (the experiment was stopped) or SUPERSEDED."""

    lease: Lease
    decision: Decision
    deadline: datetime | None = None
    """CONTINUE only: when the lease expires unless renewed (the service's clock)."""

    @classmethod
    def from_proto(cls, message: search_service_pb2.LeaseStatus) -> "LeaseStatus":
        """Read it from its message."""
        deadline = moment(message.lease_deadline) if message.HasField("lease_deadline") else None
        return cls(Lease.from_proto(message.lease), _decision(message.decision), deadline)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial as the service knows it."""

    trial: int
    """Trial number, counted from 0 in its experiment."""
    state: TrialState
    hparams: dict[str, Any]
    bracket: int
    rung: int
    length: int
    """Furthest length it reported."""
    metric: float | None
    """Last metric it reported; None before the first report."""
    best_metric: float | None
    """Best metric it reported, never NaN; None before the first real one."""
    best_length: int
    restarts: int
    checkpoint: str
    checkpoint_length: int
    worker: str
    outcome: Outcome | None
    """How it ended, when it did not end by itself."""
    message: str
    create_time: datetime
    curve: tuple[Report, ...] | None = None
    """Every report by time of telling; read by `get_trial` only, None elsewhere."""
    parent: int | None = None
    """The trial it is a clone of; None for any other trial."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Trial, *, curve: bool = False) -> "Trial":
        """Read it from its message."""
        return cls(
            trial=message.trial,
            state=word(trial_pb2.TrialState, message.state, "TRIAL_STATE_", TrialState.UNKNOWN),
            hparams=values.from_map(message.hparams),
            bracket=message.bracket,
            rung=message.rung,
            length=message.length,
            metric=message.metric if message.HasField("metric") else None,
            best_metric=message.best_metric if message.HasField("best_metric") else None,
            best_length=message.best_length,
            restarts=message.restarts,
            checkpoint=message.checkpoint,
            checkpoint_length=message.checkpoint_length,
            worker=message.worker,
            outcome=word(trial_pb2.Outcome, message.outcome, "OUTCOME_", Outcome.UNKNOWN) if message.outcome else None,
            message=message.message,
            create_time=moment(message.create_time),
            curve=tuple(Report.from_proto(report) for report in message.curve) if curve else None,
            parent=message.parent if message.HasField("parent") else None,
        )


@dataclass(frozen=True, slots=True)
class AskReply:
    """What one ask came to: work, or why there is none."""

    status: AskStatus
    assignments: tuple[Assignment, ...]
    reason: Reason
    retry_after: float
    """When WAIT: seconds to wait before asking again."""
    best: Trial | None
    """When DONE: the best trial, None when no trial has a real result."""
    message: str = ""
    """With the reason FAILING: the error of the last trial that failed. When DONE: that no trial has a real result
    or that all have failed, with the last error; else empty."""

    @classmethod
    def from_proto(cls, message: search_service_pb2.AskResponse) -> "AskReply":
        """Read it from its message."""
        return cls(
            word(search_service_pb2.AskStatus, message.status, "ASK_STATUS_", AskStatus.UNKNOWN),
            tuple(Assignment.from_proto(assignment) for assignment in message.assignments),
            reason_of(message.reason),
            seconds(message.retry_after),
            Trial.from_proto(message.best_trial) if message.HasField("best_trial") else None,
            message.message,
        )
