"""Experiments as plain values. All lengths are absolute, in the experiment's unit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rungway import values
from rungway._core.enums import DecisionForm, ExperimentState, PromotionRule, Reason, moment, seconds, word
from rungway.models import shown
from rungway.models.explanation import Entry, Explanation, SourceShare, reason_of
from rungway.v1 import experiment_pb2, view_service_pb2


@dataclass(frozen=True, slots=True)
class Rung:
    """A length of a bracket at which trials are compared."""

    length: int
    results: int
    """How many results it holds now."""
    promoted: int
    """How many of them were promoted (`passed` on the wire)."""
    size: int
    """Sync and population rules only: how many results it will hold."""
    slots: int
    """Sync and population rules only: how many of those results will be promoted (`passes` on the wire)."""
    clones: int = 0
    """Population rule only: how many of its best are cloned."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Rung) -> "Rung":
        """From its message on the wire."""
        return cls(message.length, message.results, message.passed, message.size, message.passes, message.clones)


@dataclass(frozen=True, slots=True)
class Bracket:
    """A ladder of rungs with a number of trials to start."""

    rungs: tuple[Rung, ...]
    """Lowest first."""
    max_trials: int
    """Valid trials to start in this bracket."""
    max_concurrent_trials: int
    """Its share of the concurrent trials: most leases at once."""
    started: int
    """Trials started so far and valid."""
    running: int
    """Leases held now."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Bracket) -> "Bracket":
        """From its message on the wire."""
        rungs = tuple(Rung.from_proto(rung) for rung in message.rungs)
        return cls(rungs, message.max_trials, message.max_concurrent_trials, message.started, message.running)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search compares its trials, worked out once when it is created."""

    brackets: tuple[Bracket, ...]
    """The one that stops most trials first."""
    rule: PromotionRule
    form: DecisionForm
    divisor: float
    """Async rule only: one of so many results of a rung is promoted."""
    max_concurrent_trials: int
    """Most leases at once over all brackets; 0 = no limit."""
    unit: str
    """Unit of all lengths, for people to read ("epochs", "batches", …)."""
    entries: tuple[Entry, ...] = ()
    """By rung, in a search whose new trials may enter at any: as they are now, in a preview as at first."""
    go_on: bool = False
    """Whether the best trials that wait go on after the last new one."""
    budget: int = 0
    """The training (in the unit) after which nothing more is handed out; 0 = none."""
    time_budget: float = 0.0
    """Seconds from the creation after which nothing more is handed out; 0 = none."""
    sources: tuple[SourceShare, ...] = ()
    """In a search with several sources of configurations: as they are now, in a preview as at first."""
    cost_aware: bool = False
    """Whether shares of the training that are learned are weighed by the cost of reports."""
    __repr__ = shown.plan_text

    @property
    def max_length(self) -> int:
        """The length of the highest rung: no trial trains further, and schedules are built for it."""
        return max(rung.length for bracket in self.brackets for rung in bracket.rungs)

    @classmethod
    def from_proto(cls, message: experiment_pb2.Plan) -> "Plan":
        """From its message on the wire."""
        return cls(
            tuple(Bracket.from_proto(bracket) for bracket in message.brackets),
            word(experiment_pb2.PromotionRule, message.rule, "PROMOTION_RULE_", PromotionRule.UNKNOWN),
            word(experiment_pb2.DecisionForm, message.form, "DECISION_FORM_", DecisionForm.UNKNOWN),
            message.divisor,
            message.max_concurrent_trials,
            message.unit,
            tuple(map(Entry.from_proto, message.entries)),
            message.go_on,
            message.budget,
            seconds(message.time_budget),
            tuple(map(SourceShare.from_proto, message.sources)),
            message.cost_aware,
        )


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """Counts of trials by state."""

    started: int = 0
    """Valid trials started so far, in any state."""
    running: int = 0
    paused: int = 0
    queued: int = 0
    """Requeued trials: released, expired or failed, and waiting for a worker."""
    completed: int = 0
    stopped: int = 0
    failed: int = 0
    invalid: int = 0
    """Trials that were replaced; not counted in `started`."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.TrialCounts) -> "TrialCounts":
        """From its message on the wire."""
        return cls(
            message.started,
            message.running,
            message.paused,
            message.queued,
            message.completed,
            message.stopped,
            message.failed,
            message.invalid,
        )


@dataclass(frozen=True, slots=True)
class Experiment:
    """One search."""

    experiment: str
    """Its id."""
    config: dict[str, Any]
    """The configuration with all defaults filled in."""
    plan: Plan | None
    """The brackets and how far each is; None in lists."""
    state: ExperimentState
    create_time: datetime
    """When it was created (UTC, the service's clock)."""
    trials: TrialCounts
    progress: float
    """Share of the search that is done, 0 to 1."""
    trained_length: int
    """Total length trained and reported so far over all trials."""
    revision: int
    """Grows with every change."""
    notes: tuple[str, ...]
    """What the service changed or ignores in the configuration, in words."""
    summary: tuple[str, ...] = ()
    """How the service reads the configuration, in words: the metric and its direction, how many hyperparameters are
    searched, and a line for each (at most 200) with its kind and range. Left out of lists."""
    reason: Reason | None = None
    """Why it is in this state, where the state does not say it: FAILING when it has paused itself; else None."""
    message: str = ""
    """With the reason FAILING: the error of the last trial that failed."""
    warnings: tuple[str, ...] = ()
    """What went wrong, in words: that it has paused itself, and why; after its end, how many trials failed or were
    invalid, with the last error, and whether no trial has a real result. Left out of lists."""
    labels: dict[str, str] = field(default_factory=dict)
    """Its labels, by name."""
    owner: str = ""
    """Whose it is, as its users say; "" = they do not."""
    comment: str = ""
    """What its users wrote about it. Left out of lists."""
    existed: bool = False
    """Of `create_experiment` with `exist_ok`: whether it was there before the call."""
    __repr__ = shown.experiment_text
    _repr_html_ = shown.experiment_html

    @classmethod
    def from_proto(cls, message: experiment_pb2.Experiment) -> "Experiment":
        """From its message on the wire."""
        return cls(
            experiment=message.experiment,
            config=values.from_map(message.config),
            plan=Plan.from_proto(message.plan) if message.HasField("plan") else None,
            state=word(experiment_pb2.ExperimentState, message.state, "EXPERIMENT_STATE_", ExperimentState.UNKNOWN),
            create_time=moment(message.create_time),
            trials=TrialCounts.from_proto(message.trials),
            progress=message.progress,
            trained_length=message.trained_length,
            revision=message.revision,
            notes=tuple(message.notes),
            summary=tuple(message.summary),
            reason=reason_of(message.reason) if message.reason else None,
            message=message.message,
            warnings=tuple(message.warnings),
            labels=dict(message.labels),
            owner=message.owner,
            comment=message.comment,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes the calls of a client, for the service."""

    namespace: str
    """Where its calls act."""
    role: str
    """"read", "work" or "admin"; "admin" where calls need no token."""
    every_namespace: bool
    """Whether the token is for every namespace."""
    tokens: bool
    """Whether calls need a token."""
    version: str
    """Of the service."""

    @classmethod
    def from_proto(cls, message: view_service_pb2.GetCallerResponse) -> "Caller":
        """From its message on the wire."""
        return cls(message.namespace, message.role, message.every_namespace, message.tokens, message.version)


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """How many trials train up to a length and no further."""

    trials: int
    length: int

    @classmethod
    def from_proto(cls, message: experiment_pb2.PreviewRow) -> "PreviewRow":
        """From its message on the wire."""
        return cls(message.trials, message.length)


@dataclass(frozen=True, slots=True)
class BracketPreview:
    """What one bracket would do."""

    max_trials: int
    """Trials it starts, clones included."""
    rows: tuple[PreviewRow, ...]
    """By growing length."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.BracketPreview) -> "BracketPreview":
        """From its message on the wire."""
        return cls(message.max_trials, tuple(PreviewRow.from_proto(row) for row in message.rows))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a search would do, before running it."""

    plan: Plan
    brackets: tuple[BracketPreview, ...]
    total: tuple[PreviewRow, ...]
    """Over all brackets, by growing length."""
    total_length: int
    """Total length that all trials train together."""
    random_search_length: int
    """Total length of a random search with as many trials, each trained to `max_length`."""
    config: dict[str, Any]
    """The configuration with all defaults filled in."""
    notes: tuple[str, ...]
    """What the service changed or ignores in the configuration, in words."""
    summary: tuple[str, ...] = ()
    """How the service reads the configuration, in words, as in an Experiment."""
    __repr__ = shown.preview_text
    _repr_html_ = shown.preview_html

    @classmethod
    def from_proto(cls, message: experiment_pb2.Preview) -> "Preview":
        """From its message on the wire."""
        return cls(
            Plan.from_proto(message.plan),
            tuple(BracketPreview.from_proto(bracket) for bracket in message.brackets),
            tuple(PreviewRow.from_proto(row) for row in message.total),
            message.total_length,
            message.random_search_length,
            values.from_map(message.config),
            tuple(message.notes),
            tuple(message.summary),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One event in the log of an experiment."""

    event_id: str
    """Position in the log; each event has a larger one than those before."""
    time: datetime
    """When it happened (UTC, the service's clock)."""
    kind: str
    """What happened: "assign", "continue", "pause", "stop", "finished", "release", "retry", "failed" or "invalid" of a
    trial; "paused", "running", "stopped", "changed", "done", "failing" or "too_many_invalid" of the experiment;
    "dropped" among the events of one trial."""
    trial: int | None
    """Trial number; None for an event of the experiment."""
    explanation: Explanation | None
    """Why; None for an event of the experiment."""
    length: int
    """Length the trial had reported by then under its lease."""
    metric: float | None
    """Last metric of the trial by then; None before its first report."""
    worker: str
    """Who held the lease of the trial then."""
    dropped: int = 0
    """Only of "dropped", which has no id and whose time is approximate: how many events are no longer kept here."""
    message: str = ""
    """Only of "failing", when the search paused itself: the error of the last trial that failed."""
    __repr__ = shown.event_text

    @classmethod
    def from_proto(cls, message: experiment_pb2.Event) -> "Event":
        """From its message on the wire."""
        return cls(
            message.event_id,
            moment(message.time),
            message.kind,
            message.trial if message.trial >= 0 else None,
            Explanation.from_proto(message.explanation) if message.HasField("explanation") else None,
            message.length,
            message.metric if message.HasField("metric") else None,
            message.worker,
            message.dropped,
            message.message,
        )
