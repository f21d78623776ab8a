"""Several objectives of a search, and constraints on its outcomes, as its data says: where each trial stands."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rungway._data.search_data import SearchData, TrialData


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric that results rank by, and its direction."""

    name: str
    smaller_is_better: bool


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound of a metric: `at_most`, or else at least."""

    name: str
    at_most: bool
    bound: float

    def violation(self, value: float) -> float:
        """By how much a value is beyond it, in parts of the bound (of 1 where it is 0); 0 if it is not."""
        beyond = value - self.bound if self.at_most else self.bound - value
        return max(0.0, beyond) / (abs(self.bound) or 1.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """The last result of a trial by what the search ranks by."""

    values: Mapping[str, float]
    """Of the objectives that were told, by name."""
    violation: float | None
    """Of all constraints together, 0 where it meets them; None where it lacks one of their metrics."""
    on_front: bool
    """Whether it meets the constraints, and no other result at the top rung dominates it; before there is one there, no
    other of those that were trained the furthest."""


def objectives_of(searcher: Mapping[str, Any]) -> list[Objective]:
    """The objectives of a search, from its section `searcher`: one where there are not several."""
    several = searcher.get("metrics")
    if several:
        return [Objective(str(each["name"]), each.get("goal") != "maximize") for each in several]
    return [Objective(str(searcher.get("metric", "metric")), bool(searcher.get("smaller_is_better", True)))]


def constraints_of(searcher: Mapping[str, Any]) -> list[Constraint]:
    """The constraints of a search, from its section `searcher`."""
    found = []
    for text in searcher.get("outcome_constraints") or ():
        sign = " <= " if " <= " in text else " >= "
        name, _, bound = str(text).rpartition(sign)
        found.append(Constraint(name, sign == " <= ", float(bound)))
    return found


def standings(data: SearchData) -> dict[int, Standing] | None:
    """Where each valid trial stands that has a result, by its number; None in a search that ranks by a metric alone."""
    searcher = data.config.get("searcher", {})
    constraints = constraints_of(searcher)
    if not searcher.get("metrics") and not constraints:
        return None
    objectives = objectives_of(searcher)
    valid = (trial for trial in data.trials if trial.state != "invalid")
    told = {trial.number: _told(data, trial) for trial in valid if trial.metric is not None}
    violations = {number: _violation(constraints, metrics) for number, metrics in told.items()}
    names = [each.name for each in objectives]
    whole = {
        number: [(1 if o.smaller_is_better else -1) * metrics[o.name] for o in objectives]
        for number, metrics in told.items()
        if violations[number] == 0 and all(math.isfinite(metrics.get(name, math.nan)) for name in names)
    }
    front = set(_front({number: whole[number] for number in _furthest(data) if number in whole}))
    return {
        number: Standing({n: metrics[n] for n in names if n in metrics}, violations[number], number in front)
        for number, metrics in told.items()
    }


def _told(data: SearchData, trial: TrialData) -> dict[str, float]:
    assert trial.metric is not None
    return {data.metric: trial.metric, **trial.told}


def _violation(constraints: Iterable[Constraint], metrics: Mapping[str, float]) -> float | None:
    values = [(each, metrics.get(each.name)) for each in constraints]
    if any(value is None for _, value in values):
        return None
    found = [each.violation(value) for each, value in values if value is not None]
    return sum(found) if all(value is None or math.isfinite(value) for _, value in values) else math.inf


def _furthest(data: SearchData) -> list[int]:
    """The trials with a result at the top rung of their bracket; before there is one, those at the longest rung. Failed
    ones rank last there."""
    alive = (trial for trial in data.trials if trial.state not in ("failed", "invalid"))
    reached = {trial.number: max(trial.results) for trial in alive if trial.results}
    brackets = {trial.number: data.rungs[trial.bracket] for trial in data.trials if trial.number in reached}
    lengths = {number: brackets[number][rung] for number, rung in reached.items()}
    longest = max(lengths.values(), default=0)
    return [number for number, length in lengths.items() if length == longest]


def _front(rows: Mapping[int, Sequence[float]]) -> list[int]:
    """Those that no other one dominates: each need be compared only with the front of those before it in order."""
    front: list[int] = []
    for number in sorted(rows, key=lambda number: (rows[number], number)):
        row = rows[number]
        if not any(rows[o] != row and all(a <= b for a, b in zip(rows[o], row, strict=True)) for o in front):
            front.append(number)
    return front
