"""What the service says about experiments, as plain values. All lengths are absolute, in the experiment's unit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rungway import values
from rungway._core.enums import DecisionForm, ExperimentState, PromotionRule, Reason, moment, word
from rungway.models.work import Explanation, reason_of
from rungway.v1 import experiment_pb2


@dataclass(frozen=True, slots=True)
class Rung:
    """A length at which trials are compared."""

    length: int
    results: int
    """Results it holds now."""
    passed: int
    """Results whose trial went on."""
    size: int
    """Sync and population rules only: results it will hold."""
    passes: int
    """Sync and population rules only: results it passes on."""
    clones: int = 0
    """Population rule only: how many of its best are cloned."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Rung) -> "Rung":
        """Read it from its message."""
        return cls(message.length, message.results, message.passed, message.size, message.passes, message.clones)


@dataclass(frozen=True, slots=True)
class Bracket:
    """A ladder of rungs, lowest first, with a number of trials to start."""

    rungs: tuple[Rung, ...]
    max_trials: int
    max_concurrent_trials: int
    """Its share of the concurrent trials."""
    started: int
    """Trials started so far and valid."""
    running: int
    """Leases held now."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Bracket) -> "Bracket":
        """Read it from its message."""
        rungs = tuple(Rung.from_proto(rung) for rung in message.rungs)
        return cls(rungs, message.max_trials, message.max_concurrent_trials, message.started, message.running)


@dataclass(frozen=True, slots=True)
class Plan:
    """The brackets of a search, the one that stops most first."""

    brackets: tuple[Bracket, ...]
    rule: PromotionRule
    form: DecisionForm
    divisor: float
    max_concurrent_trials: int
    """Most leases at once over all brackets; 0 = no limit."""
    unit: str
    """Unit of all lengths, for people to read."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Plan) -> "Plan":
        """Read it from its message."""
        return cls(
            tuple(Bracket.from_proto(bracket) for bracket in message.brackets),
            word(experiment_pb2.PromotionRule, message.rule, "PROMOTION_RULE_", PromotionRule.UNKNOWN),
            word(experiment_pb2.DecisionForm, message.form, "DECISION_FORM_", DecisionForm.UNKNOWN),
            message.divisor,
            message.max_concurrent_trials,
            message.unit,
        )


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """Counts of trials by state; `started` counts the valid ones, `invalid` those that were replaced."""

    started: int = 0
    running: int = 0
    paused: int = 0
    queued: int = 0
    completed: int = 0
    stopped: int = 0
    failed: int = 0
    invalid: int = 0

    @classmethod
    def from_proto(cls, message: experiment_pb2.TrialCounts) -> "TrialCounts":
        """Read it from its message."""
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
    trials: TrialCounts
    progress: float
    """Part of the search that is done, 0 to 1."""
    trained_length: int
    """Total length trained and reported so far over all trials."""
    revision: int
    """Grows with every change."""
    notes: tuple[str, ...]
    """What the service changed in the configuration or ignores of it, in words."""
    summary: tuple[str, ...] = ()
    """The search as it was understood, in words: the metric and its direction, how many hyperparameters are searched,
    and a line for each (at most 200) with its kind and real range. Left out of lists."""
    reason: Reason | None = None
    """Why it stands there, where that is not plain from the state: FAILING when it has paused itself."""
    message: str = ""
    """With the reason FAILING: the error of the last trial that failed."""
    warnings: tuple[str, ...] = ()
    """What did not go well, in words: that it has paused itself, and why; once it is over, how many trials failed or
    were invalid, with the last error, and that no trial has a real result. Left out of lists."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Experiment) -> "Experiment":
        """Read it from its message."""
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
        )


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """How many trials train up to a length and no further."""

    trials: int
    length: int

    @classmethod
    def from_proto(cls, message: experiment_pb2.PreviewRow) -> "PreviewRow":
        """Read it from its message."""
        return cls(message.trials, message.length)


@dataclass(frozen=True, slots=True)
class BracketPreview:
    """What one bracket would do: its rows by growing length."""

    max_trials: int
    rows: tuple[PreviewRow, ...]

    @classmethod
    def from_proto(cls, message: experiment_pb2.BracketPreview) -> "BracketPreview":
        """Read it from its message."""
        return cls(message.max_trials, tuple(PreviewRow.from_proto(row) for row in message.rows))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a search would do, before running it."""

    plan: Plan
    brackets: tuple[BracketPreview, ...]
    total: tuple[PreviewRow, ...]
    """Over all brackets, by growing length."""
    total_length: int
    """Total length trained."""
    random_search_length: int
    """What the same number of trials costs by random search."""
    config: dict[str, Any]
    """The configuration with all defaults filled in."""
    notes: tuple[str, ...]
    """What the service changed in the configuration or ignores of it, in words."""
    summary: tuple[str, ...] = ()
    """The search as it was understood, in words, as in an Experiment."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Preview) -> "Preview":
        """Read it from its message."""
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
    """One line of the event log of an experiment."""

    event_id: str
    """Position in the log; grows."""
    time: datetime
    """When, by the service's clock."""
    kind: str
    """What happened: "assign", "continue", "pause", "stop", "finished", "release", "retry", "failed" or "invalid" of a
    trial; "paused", "running", "stopped", "changed", "done", "failing" or "too_many_invalid" of the experiment;
    "dropped" in the life of a trial."""
    trial: int | None
    """The trial; None when none took part."""
    explanation: Explanation | None
    """Why; None when no trial took part."""
    length: int
    """Length the trial had reported by then under its lease."""
    metric: float | None
    """Last metric of the trial by then; None before its first."""
    worker: str
    """Who held the trial's lease then."""
    dropped: int = 0
    """Of "dropped": how many events came here that are no longer kept. It has no id, and its time is about theirs."""
    message: str = ""
    """Of "failing", with which the search paused itself: the error of the last trial that failed."""

    @classmethod
    def from_proto(cls, message: experiment_pb2.Event) -> "Event":
        """Read it from its message."""
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
