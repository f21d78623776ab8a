"""The engine's arguments and answers as plain values. The enumerations have the words that the Lua scripts return.

Values that every call makes are named tuples: they take a third of the time of frozen dataclasses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

MOST_BEST = 1_000
"""How many of the best trials the engine keeps ranked by their best metric."""
MOST_FURTHER_NAMES = 256
"""Names that the further metrics of a search may have, all reports together."""

SAMPLER, USER, ELSEWHERE = "sampler", "user", "elsewhere"
"""Sources of configurations: drawn by seed and number alone, and enqueued by a user."""


class Decision(StrEnum):
    """What a worker does next."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"
    SUPERSEDED = "superseded"


class Reason(StrEnum):
    """Why the engine decided as it did; `explain.py` has the sentence of each."""

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
    GOING_ON = "going_on"
    BLIND = "blind"
    BUDGET_SPENT = "budget_spent"
    PROMOTED_AMONG_OWN = "promoted_among_own"
    RUNG_FULL = "rung_full"
    OUTRANKED = "outranked"


class Entry(NamedTuple):
    """An entry of a ladder: the share of the training that new trials there get, from 0 to 1, the training that was
    handed out to its trials (in the plan's unit), its credit for the best results, that training weighed by cost."""

    share: float
    spent: int
    credit: float = 0.0
    used: float | None = None


class SourceShare(NamedTuple):
    """A source of configurations: its share, from 0 to 1, what was spent on it (training in the plan's unit where the
    shares are learned, else new trials), its credit for the best results, and that training weighed by cost."""

    source: str
    share: float
    spent: int
    credit: float = 0.0
    used: float | None = None


class Proposal(NamedTuple):
    """Where the configuration of a new trial comes from: its `source`, and the one whose `turn` it was, which had none
    ready if it is another. `revision`: that of the results that it was proposed from, 0 for a draw. `sources`: what was
    known of each before this trial."""

    source: str
    turn: str
    revision: int = 0
    sources: tuple[SourceShare, ...] = ()


class Objectives(NamedTuple):
    """What a result ranks by: values by metric, the violation of constraints (infinite: last), and a front."""

    values: Mapping[str, float]
    violation: float = 0.0
    front: int | None = None


class Stock(NamedTuple):
    """Proposals of another program that wait: how many, the number of the next to come, the search's revision."""

    waiting: int
    next_number: int
    revision: int


class Outcome(StrEnum):
    """How a trial ended when it was not by a decision of the search."""

    PREEMPTED = "preempted"
    TRANSIENT = "transient"
    INVALID = "invalid"
    DIVERGED = "diverged"
    ERROR = "error"
    STOPPED = "stopped"
    FINISHED = "finished"
    """The training ended by itself: told with its last result, never as a failure."""


class TrialState(StrEnum):
    """The state of a trial. QUEUED: requeued after a release, an expired lease or a transient failure."""

    RUNNING = "running"
    PAUSED = "paused"
    QUEUED = "queued"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INVALID = "invalid"


class ExperimentState(StrEnum):
    """The state of an experiment."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"

    @property
    def is_over(self) -> bool:
        """Whether it has ended: no more work is handed out."""
        return self in (ExperimentState.STOPPED, ExperimentState.DONE)


class AskStatus(StrEnum):
    """The kind of answer to an ask."""

    ASSIGNED = "assigned"
    WAIT = "wait"
    DONE = "done"


class BestBy(StrEnum):
    """Which result of a trial counts when the best are looked for."""

    BEST = "best"
    LAST = "last"
    FINAL = "final"
    """The last one, of completed trials alone."""


class Standing(NamedTuple):
    """The last result of a trial: the key by which it ranks, b"" where there is none."""

    trial: int
    state: TrialState
    key: bytes


class Lease(NamedTuple):
    """The right to report on a trial. `fencing_token` grows with every lease of the experiment."""

    trial: int
    fencing_token: int

    @property
    def well_formed(self) -> bool:
        """Whether an assignment can have these numbers. Fencing tokens are positive, so a missing lease is not."""
        return self.trial >= 0 and self.fencing_token > 0


class Explanation(NamedTuple):
    """The reason of a decision, with the numbers at that moment.

    `rung` is -1 if no rung was involved. `rank` counts from 0, `quota` is the k of the rung's top-k, and `cutoff` the
    metric of its last result, None when the quota is 0. `parent` is the trial that a clone was made from; the other
    numbers of a clone are those of its parent's result, and the quota is how many of the rung's best were cloned.
    `entries`, of a new trial that could enter at any rung: what was known of each when it entered at `rung`.
    `proposal`, of a new trial of a search with several sources of configurations. `front`, of a result that ranks by
    fronts: its own, from 0; `rung_size` counts what was compared.
    """

    reason: Reason
    bracket: int = 0
    rung: int = -1
    rank: int = 0
    rung_size: int = 0
    quota: int = 0
    cutoff: float | None = None
    parent: int | None = None
    entries: tuple[Entry, ...] = ()
    proposal: Proposal | None = None
    front: int | None = None


class Assignment(NamedTuple):
    """A trial to train from one length to another. Lengths are absolute; `hparams` must not be changed."""

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


class ExpiredLease(NamedTuple):
    """A lease that an ask took back: its trial, whose it was, and whether the trial waits for another worker or, with
    its restarts used up, has failed."""

    trial: int
    worker: str
    requeued: bool
    restarts: int


class AskAnswer(NamedTuple):
    """The answer to an ask. `retry_after_ms` is set for WAIT; `expired` are the leases that it took back.

    `message` is set when the search has paused itself (the error of the last trial that failed), or is done without any
    real result (that, in words).
    """

    status: AskStatus
    assignments: Sequence[Assignment]
    reason: Reason | None
    retry_after_ms: int
    revision: int
    message: str = ""
    expired: Sequence[ExpiredLease] = ()


class Available(NamedTuple):
    """Whether an ask would find something, as of a moment.

    `answer` is what it is answered if there is no work, `work` how many assignments can be handed out, and `expired`
    how many leases are to be taken back, each of which may give one more. `over`: nothing is handed out any more.
    `known` are the request ids that were answered before.
    """

    answer: AskAnswer
    work: int = 0
    expired: int = 0
    over: bool = False
    known: Sequence[str] = ()


class Further(NamedTuple):
    """What a report has beside the searcher's metric: it is stored and shown, and never ranked. `cost` in seconds."""

    metrics: Mapping[str, float]
    cost: float | None = None


class Report(NamedTuple):
    """One validation result at an absolute length."""

    length: int
    metric: float
    further: Further | None = None


class Result(NamedTuple):
    """The reports of one lease; an empty checkpoint means no new one.

    `finished`: the training is over, and its last result counts. There may then be no report, if one was told before.
    """

    lease: Lease
    reports: Sequence[Report]
    checkpoint: str = ""
    finished: bool = False


class Release(NamedTuple):
    """One lease released before its assignment is complete, with the last checkpoint ("" = no new one)."""

    lease: Lease
    checkpoint: str = ""
    checkpoint_length: int = 0


class TellReply(NamedTuple):
    """The decision on one result. The lengths and the deadline are 0 unless it is CONTINUE."""

    lease: Lease
    decision: Decision
    explanation: Explanation
    to_length: int = 0
    next_decision_length: int = 0
    deadline_ms: int = 0


class TellAnswer(NamedTuple):
    """One reply per result, in the order of the results."""

    replies: Sequence[TellReply]
    revision: int


class LeaseStatus(NamedTuple):
    """The decision on one lease after a heartbeat: CONTINUE, STOP or SUPERSEDED."""

    lease: Lease
    decision: Decision
    deadline_ms: int = 0


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial as stored. `parent`: the trial it was cloned from; `curve`: filled only where it was asked for;
    `best_checkpoint`: the one told together with the best metric, "" where there is none. `objectives`: what the last
    report ranks by, where there are several or constraints."""

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
    best_checkpoint: str = ""
    source: str = ""
    """Of its configuration, in a search with several sources."""
    objectives: Objectives | None = None


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of the event log. Fields of a trial are unset (-1, None, 0, "") in events without one. `message` is set
    where the search has paused itself: the error of the last trial that failed. In the events of one trial, the kind
    "dropped" without an id stands for `dropped` events that are no longer stored."""

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
    """The counts of an experiment. Counts per rung are indexed by bracket, then rung, lowest first."""

    state: ExperimentState
    revision: int
    trials_created: int
    trained_length: int
    started: Sequence[int]
    running: Sequence[int]
    rung_results: Sequence[Sequence[int]]
    rung_promoted: Sequence[Sequence[int]]
    rung_promotable: Sequence[Sequence[int]]
    """Trials in the top-k of the rung that are not promoted yet: they wait for a worker."""
    trial_states: Mapping[TrialState, int] = field(default_factory=dict)
    failing: str | None = None
    """The error after which the search has paused itself; None when it has not."""
    lost: int = 0
    """Trials of the plan that a grid will not start, because their points are invalid."""
    entries: Sequence[Entry] = ()
    """By rung, in a search whose new trials may enter at any."""
    sources: Sequence[SourceShare] = ()
    """In a search with several sources of configurations."""
    budget_spent: bool = False
    """Whether it is done because its budget was spent."""
