"""What the engine is told and answers, as plain values. The words are those the Lua scripts return.

Those that every call makes are named tuples: made, hashed and compared in a third of a frozen dataclass's time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Decision(StrEnum):
    """What a worker does next."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"
    SUPERSEDED = "superseded"


class Reason(StrEnum):
    """Why something was decided."""

    NEW_TRIAL = "new_trial"
    REQUEUED = "requeued"
    PROMOTED = "promoted"
    BETWEEN_RUNGS = "between_rungs"
    NOT_PROMOTED = "not_promoted"
    STOPPED_AT_RUNG = "stopped_at_rung"
    COMPLETED = "completed"
    EXPERIMENT_PAUSED = "experiment_paused"
    EXPERIMENT_STOPPED = "experiment_stopped"
    LEASE_LOST = "lease_lost"
    CONCURRENCY_LIMIT = "concurrency_limit"
    WAITING_FOR_RESULTS = "waiting_for_results"
    SEARCH_DONE = "search_done"
    PREEMPTED = "preempted"
    RETRY = "retry"
    FAILED = "failed"
    INVALID = "invalid"
    TARGET_REACHED = "target_reached"
    ENQUEUED = "enqueued"
    CLONED = "cloned"
    FINISHED = "finished"
    FAILING = "failing"


class Outcome(StrEnum):
    """How a trial ended that did not end by itself."""

    PREEMPTED = "preempted"
    TRANSIENT = "transient"
    INVALID = "invalid"
    DIVERGED = "diverged"
    ERROR = "error"
    STOPPED = "stopped"
    FINISHED = "finished"
    """The training ended by itself, with a result: told with the result, never by a failure."""


class TrialState(StrEnum):
    """Where a trial stands."""

    RUNNING = "running"
    PAUSED = "paused"
    QUEUED = "queued"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INVALID = "invalid"


class ExperimentState(StrEnum):
    """Where an experiment stands."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"

    @property
    def is_over(self) -> bool:
        """Whether it has ended: nothing is handed out any more."""
        return self in (ExperimentState.STOPPED, ExperimentState.DONE)


class AskStatus(StrEnum):
    """What an ask came to."""

    ASSIGNED = "assigned"
    WAIT = "wait"
    DONE = "done"


class Lease(NamedTuple):
    """The right to report on a trial; `fence` grows with every lease of the experiment."""

    trial: int
    fencing_token: int

    @property
    def well_formed(self) -> bool:
        """Whether an assignment can have these numbers; fencing tokens are positive, so a missing lease is none."""
        return self.trial >= 0 and self.fencing_token > 0


class Explanation(NamedTuple):
    """Why, with the numbers of that moment; `rung` is -1 when no rung took part, `cutoff` None when the quota is 0.

    `parent` is the trial that a clone was made from; the numbers of a clone are those of its parent's result, and the
    quota is how many of the rung's best were cloned.
    """

    reason: Reason
    bracket: int = 0
    rung: int = -1
    rank: int = 0
    rung_size: int = 0
    quota: int = 0
    cutoff: float | None = None
    parent: int | None = None


class Assignment(NamedTuple):
    """One piece of work; lengths are absolute, `hparams` is the configuration, not to be changed."""

    lease: Lease
    hparams: Mapping[str, object]
    from_length: int
    to_length: int
    next_decision_length: int
    checkpoint: str
    bracket: int
    rung: int
    restarts: int
    deadline_ms: int
    explanation: Explanation


class AskAnswer(NamedTuple):
    """What an ask came to; `retry_after_ms` is set when waiting, `message` when the search has paused itself (the
    error of the last trial that failed) or is done and nothing came of it (that, in words)."""

    status: AskStatus
    assignments: Sequence[Assignment]
    reason: Reason | None
    retry_after_ms: int
    revision: int
    message: str = ""


class Report(NamedTuple):
    """One validation result at an absolute length."""

    length: int
    metric: float


class Result(NamedTuple):
    """What one worker tells about one lease; an empty checkpoint means no new one.

    `finished`: the training is over, and the last result stands; then there may be no report, if one was told before.
    """

    lease: Lease
    reports: Sequence[Report]
    checkpoint: str = ""
    finished: bool = False


class Release(NamedTuple):
    """One trial given back."""

    lease: Lease
    checkpoint: str = ""
    checkpoint_length: int = 0


class TellReply(NamedTuple):
    """The answer to one result; the lengths and the deadline are 0 unless the decision is CONTINUE."""

    lease: Lease
    decision: Decision
    explanation: Explanation
    to_length: int = 0
    next_decision_length: int = 0
    deadline_ms: int = 0


class TellAnswer(NamedTuple):
    """One reply per result, in the same order."""

    replies: Sequence[TellReply]
    revision: int


class LeaseStatus(NamedTuple):
    """How one lease stands after a heartbeat: CONTINUE, STOP or SUPERSEDED."""

    lease: Lease
    decision: Decision
    deadline_ms: int = 0


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial as stored; `parent` is the trial it is a clone of, `curve` is filled only where it was asked for."""

    trial: int
    state: TrialState
    hparams: Mapping[str, object]
    bracket: int
    rung: int
    length: int
    metric: float | None
    best_metric: float | None
    best_length: int
    restarts: int
    checkpoint: str
    checkpoint_length: int
    worker: str
    outcome: Outcome | None
    message: str
    created_ms: int
    curve: Sequence[Report] = ()
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of the event log; what belongs to a trial is unset (-1, None, 0, "") where none took part, and `message`
    but where the search has paused itself: the error of the last trial that failed.

    In the life of a trial the kind "dropped", without an id, stands for `dropped` lines that are no longer kept.
    """

    event_id: str
    time_ms: int
    kind: str
    trial: int = -1
    explanation: Explanation | None = None
    length: int = 0
    metric: float | None = None
    worker: str = ""
    dropped: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an experiment is; what is counted by rung is indexed by bracket, then rung."""

    state: ExperimentState
    revision: int
    trials_created: int
    trained_length: int
    started: Sequence[int]
    running: Sequence[int]
    rung_results: Sequence[Sequence[int]]
    rung_passed: Sequence[Sequence[int]]
    rung_ready: Sequence[Sequence[int]]
    """Trials that may go up and wait for a worker."""
    trial_states: Mapping[TrialState, int] = field(default_factory=dict)
    failing: str | None = None
    """The error after which the search has paused itself; None when it has not."""
    lost: int = 0
    """Trials of the plan that a grid will not have, because their points are invalid."""
