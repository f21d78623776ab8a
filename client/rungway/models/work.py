"""Work as plain values: what is handed out, told and answered. All lengths are absolute, in the experiment's unit."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from rungway import values
from rungway._core.compat import WeaklyHeld
from rungway._core.enums import AskStatus, Decision, Outcome, Reason, TrialState, moment, seconds, word
from rungway.models import shown
from rungway.models.explanation import Explanation, reason_of
from rungway.v1 import search_service_pb2, trial_pb2

Checkpoint = str | os.PathLike[str] | None
"""Where a state was saved: any text of up to 4,096 bytes, or a path; None = no new checkpoint."""


@lru_cache(maxsize=64)  # a few words, one or two of them in each reply
def _decision(number: int) -> Decision:
    return word(trial_pb2.Decision, number, "DECISION_", Decision.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to report on a trial until a deadline."""

    trial: int
    """Trial number, counted from 0 in its experiment."""
    fencing_token: int
    """Grows with every lease of the experiment; a report under an older one is refused (`fence` on the wire)."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Lease) -> "Lease":
        """From its message on the wire."""
        return cls(message.trial, message.fence)


@dataclass(frozen=True, slots=True)
class Report:
    """One validation result at an absolute length; NaN and infinities are allowed."""

    length: int
    metric: float
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Up to 32 further metrics by name (1 to 128 bytes): stored and shown beside the curve, never ranked."""
    cost: float | None = None
    """What the training since the report before took (seconds); None where it was not said. A cost-aware search weighs
    its shares of the training by it."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Report) -> "Report":
        """From its message on the wire."""
        cost = message.cost if message.HasField("cost") else None
        return cls(message.length, message.metric, dict(message.metrics), cost)


@dataclass(frozen=True, slots=True, eq=False)
class Assignment(WeaklyHeld):
    """One piece of work: train `hparams` from `from_length` to `next_decision`. Always truthy."""

    lease: Lease
    hparams: dict[str, Any]
    """The configuration: values by hyperparameter name, groups as nested dictionaries."""
    from_length: int
    """Length of the checkpoint; 0 = start afresh."""
    next_decision: int
    """Train up to here and tell: the next length at which something is decided."""
    to_length: int
    """Furthest length that may be told under this lease: beyond `next_decision` where rungs stop trials."""
    checkpoint: str
    """The checkpoint to resume from (for a new clone, that of its parent); empty when there is none."""
    bracket: int
    """Index of the bracket, counted from 0."""
    rung: int
    """Index of the rung the trial trains towards, counted from 0."""
    restarts: int
    """How often the trial was restarted after a failure or an expired lease since it last made progress."""
    deadline: datetime
    """When the lease expires unless renewed (the service's clock)."""
    lease_duration: float
    """Seconds a lease lasts from each renewal."""
    explanation: Explanation
    """Why this trial was handed out."""
    told_length: int = 0
    """Furthest length told under this lease."""

    __repr__ = shown.assignment_text

    @property
    def trial(self) -> int:
        """Trial number, counted from 0 in its experiment."""
        return self.lease.trial

    @classmethod
    def from_proto(cls, message: trial_pb2.Assignment) -> "Assignment":
        """From its message on the wire."""
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
class Result:
    """What is told about one assignment."""

    assignment: Assignment
    reports: Sequence[Report]
    """By growing length; may be empty only with `finished`, when something was told before."""
    checkpoint: Checkpoint = None
    """Where the state after the last report was saved."""
    finished: bool = False
    """The training is over before its assignment: the last result stands, and the trial is never handed out again."""


@dataclass(frozen=True, slots=True)
class TellReply:
    """The service's reply to one result: its decision, and why. Truthy when the decision is CONTINUE, so that
    `if not client.tell(...)` reads well."""

    lease: Lease
    decision: Decision
    explanation: Explanation
    next_decision: int = 0
    """CONTINUE only: train up to here and tell: the next length at which something is decided."""
    to_length: int = 0
    """CONTINUE only: furthest length that may be told under this lease."""
    deadline: datetime | None = None
    """CONTINUE only: when the lease expires unless renewed (the service's clock)."""
    next: Assignment | None = field(default=None, compare=False)
    """CONTINUE only: the assignment to go on with, the same trial under the same lease; the next `ask` of this thread
    returns it, too."""

    __repr__ = shown.tell_text

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
        """From its message on the wire."""
        return cls(
            Lease.from_proto(message.lease),
            _decision(message.decision),
            Explanation.from_proto(message.explanation),
            message.next_decision_length,
            message.to_length,
            moment(message.lease_deadline) if message.HasField("lease_deadline") else None,
        )


def continued(assignment: Assignment, reply: TellReply, length: int, checkpoint: str) -> Assignment:
    """The assignment after a CONTINUE, told up to `length`, with the checkpoint told there (empty = none).

    Without a new checkpoint, `checkpoint` and `from_length` stay those of the old one: a model that is rebuilt from
    `checkpoint` must train on from its length, not from the length last told.
    """
    is_promoted = reply.reason is Reason.PROMOTED
    return dataclasses.replace(
        assignment,
        from_length=length if checkpoint else assignment.from_length,
        next_decision=reply.next_decision,
        to_length=reply.to_length,
        checkpoint=checkpoint or assignment.checkpoint,
        rung=reply.explanation.rung + 1 if is_promoted else assignment.rung,
        deadline=reply.deadline or assignment.deadline,
        explanation=reply.explanation,
        told_length=length,
    )


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """A lease after a heartbeat."""

    lease: Lease
    decision: Decision
    """CONTINUE (renewed), STOP (the experiment was stopped) or SUPERSEDED (the lease is lost)."""
    deadline: datetime | None = None
    """CONTINUE only: when the lease expires unless renewed (the service's clock)."""

    @classmethod
    def from_proto(cls, message: search_service_pb2.LeaseStatus) -> "LeaseStatus":
        """From its message on the wire."""
        deadline = moment(message.lease_deadline) if message.HasField("lease_deadline") else None
        return cls(Lease.from_proto(message.lease), _decision(message.decision), deadline)


@dataclass(frozen=True, slots=True)
class Objectives:
    """What a result ranks by, in a search with several objectives or constraints on outcomes."""

    values: dict[str, float]
    """The value of each objective by its metric; those that count at the top rung alone are left out below it. Empty
    where the result ranks last."""
    violation: float = 0.0
    """By how much it violates the constraints, in parts of their bounds, all together: 0 where it meets them, infinite
    where a value that counts is NaN or infinite."""
    front: int | None = None
    """Of `best` only: the front of its result, 0 = no other one dominates it."""

    @classmethod
    def from_proto(cls, message: trial_pb2.Objectives) -> "Objectives":
        """From its message on the wire."""
        front = message.front if message.HasField("front") else None
        return cls(dict(sorted(message.values.items())), message.violation, front)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial as the service knows it."""

    trial: int
    """Trial number, counted from 0 in its experiment."""
    state: TrialState
    hparams: dict[str, Any]
    """The configuration."""
    bracket: int
    """Index of the bracket, counted from 0."""
    rung: int
    """Index of the rung it trains towards, waits at or ended at, counted from 0."""
    length: int
    """Furthest length it reported."""
    metric: float | None
    """Last metric it reported; None before the first report."""
    best_metric: float | None
    """Best metric it reported, never NaN; None before the first real one."""
    best_length: int
    """Length at which the best metric was reported."""
    restarts: int
    """How often it was restarted after a failure or an expired lease since it last made progress."""
    checkpoint: str
    """Its last checkpoint; empty when there is none."""
    checkpoint_length: int
    """Length of that checkpoint."""
    worker: str
    """Who holds or last held its lease."""
    outcome: Outcome | None
    """How its worker or its user ended it; None while it may go on, and when a rung ended it."""
    message: str
    """What its worker said of the failure; empty when there is none."""
    create_time: datetime
    """When it was first handed out (UTC, the service's clock)."""
    curve: tuple[Report, ...] | None = None
    """Every report in the order of telling; only `get_trial` reads it, None elsewhere."""
    parent: int | None = None
    """The trial it is a clone of; None for any other trial."""
    best_checkpoint: str = ""
    """The checkpoint that was told together with its best result, at `best_length`; empty when none was."""
    source: str = ""
    """Where its configuration comes from, in a search with several sources; else empty."""
    objectives: Objectives | None = None
    """What its last report ranks by, in a search with several objectives or constraints on outcomes; None in others,
    before the first report, and where that lacks an objective."""

    __repr__ = shown.trial_text
    _repr_html_ = shown.trial_html

    @classmethod
    def from_proto(cls, message: trial_pb2.Trial, *, curve: bool = False) -> "Trial":
        """From its message on the wire."""
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
            best_checkpoint=message.best_checkpoint,
            source=message.source,
            objectives=Objectives.from_proto(message.objectives) if message.HasField("objectives") else None,
        )


@dataclass(frozen=True, slots=True)
class AskReply:
    """The service's reply to an ask: work, or why there is none."""

    status: AskStatus
    assignments: tuple[Assignment, ...]
    """The work, when ASSIGNED."""
    reason: Reason
    """Why there is none, when WAIT or DONE."""
    retry_after: float
    """When WAIT: seconds to wait before asking again."""
    best: Trial | None
    """When DONE: the best trial, None when no trial has a real result."""
    message: str = ""
    """With the reason FAILING: the error of the last trial that failed. When DONE: a warning that no trial has a real
    result or that all have failed, with the last error. Else empty."""
    __repr__ = shown.ask_text

    @classmethod
    def from_proto(cls, message: search_service_pb2.AskResponse) -> "AskReply":
        """From its message on the wire."""
        return cls(
            word(search_service_pb2.AskStatus, message.status, "ASK_STATUS_", AskStatus.UNKNOWN),
            tuple(Assignment.from_proto(assignment) for assignment in message.assignments),
            reason_of(message.reason),
            seconds(message.retry_after),
            Trial.from_proto(message.best_trial) if message.HasField("best_trial") else None,
            message.message,
        )
