"""What a mirror writes, as plain values, and what it asks of a target.

A mirror keeps no notes of its own: before it writes a trial it asks the target what is there. So it may be killed at
any moment and started anywhere, and neither repeats nor misses a point.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rungway._core.errors import FailedPrecondition
from rungway.models.experiments import Experiment
from rungway.models.work import Report, Trial


class TargetAway(Exception):
    """The target cannot be reached or cannot write now. It may have written a part: ask it again what it has."""


def refused(message: str) -> FailedPrecondition:
    """The error of a target that must not be written to, as it is."""
    return FailedPrecondition(message, reason="MIRROR_REFUSED")


@dataclass(frozen=True, slots=True)
class Search:
    """What a target has to know of the search."""

    name: str
    created: str
    """When it was created: another search under the same id has another time."""
    metric: str
    """The name of the searcher's metric."""
    unit: str
    """Of lengths."""

    @classmethod
    def of(cls, experiment: Experiment) -> "Search":
        """From what the service says of it."""
        metric = str(experiment.config.get("searcher", {}).get("metric", "metric"))
        unit = experiment.plan.unit if experiment.plan else ""
        return cls(experiment.experiment, experiment.create_time.isoformat(), metric, unit)


@dataclass(frozen=True, slots=True)
class Known:
    """What a target has of a trial."""

    points: int = 0
    """How many points of the curve, counted from its beginning."""
    state: str = ""
    """The last state; empty when it has no run for the trial."""
    marks: frozenset[str] = frozenset()
    """The names of its marks."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a target has to add to the run of a trial."""

    trial: Trial
    known: Known
    points: Sequence[Report]
    """Those that it does not have yet, oldest first."""
    marks: Mapping[str, str]
    """All marks by name, each with its reason in words: "promoted to rung 1", "cloned from trial 7"."""

    @property
    def new_marks(self) -> dict[str, str]:
        """Those that the target does not have."""
        return {name: text for name, text in self.marks.items() if name not in self.known.marks}

    @property
    def after(self) -> Known:
        """What the target has when all of it is written."""
        points = self.known.points + len(self.points)
        return Known(points, self.trial.state, self.known.marks | self.marks.keys())

    @property
    def is_empty(self) -> bool:
        """Whether the target has all of it."""
        return not (self.points or self.new_marks or self.trial.state != self.known.state)

    def numbers(self, report: Report, metric: str) -> dict[str, float]:
        """All numbers of one point by name, the searcher's metric last: what has that has the whole point."""
        cost = {} if report.cost is None else {"rungway/cost": report.cost}
        return {**report.metrics, **cost, metric: report.metric}


class Target(Protocol):
    """Where a search is shown. Its methods raise TargetAway; `refused` where going on would do harm."""

    def known(self, trial: int) -> Known:
        """What is there of this trial."""

    def write(self, change: Change) -> None:
        """Add this; when it returns, `known` has it, also in another process."""

    def beat(self) -> None:
        """Called once a round: says to other mirrors that this one is alive."""

    def forget(self) -> None:
        """Forget what was remembered of the target: after TargetAway it may have another part of what was written."""

    def close(self) -> None:
        """Finish what is open."""


def flat(hparams: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Hyperparameters by path, as `optimizer.lr`: numbers, truth values and texts as they are, others as JSON."""
    found: dict[str, Any] = {}
    for name, value in hparams.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            plain = isinstance(value, (bool, int, float, str))
            found[prefix + name] = value if plain else json.dumps(value, default=str)
    return found
