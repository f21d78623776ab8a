"""Several objectives and constraints on outcomes, by their definitions: nothing here is fast.

A plan says how many objectives there are, and whether the last one counts at the top rung alone. What they are called,
which way they go and what is constrained follows from that, so that one number tells a game's whole configuration.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from rungway_server.domain.engine import Further, Objectives, Report
from rungway_server.domain.search.plan import Plan

NAMES = ("loss", "latency", "gain", "size")
LARGER = {"gain"}
"""Of the further ones."""
BOUNDS = {1: {"heat": 0.5}, 3: {"latency": 0.5, "heat": 0.25}, 2: {}, 4: {}}
"""By how many objectives there are: what is at most how much."""
VALUES = (0.0, 0.25, 0.5, 0.5, 0.75, 1.0, 2.0, -1.0, math.nan, math.inf)


class Window:
    """How many results of a rung are looked at."""

    most = 128
    """That are compared."""
    credit = 48
    """The most credit that entries have together."""
    looked_at = 128
    """The best that are credited to their entries: no more than are compared."""


def section(plan: Plan, smaller_is_better: bool) -> dict[str, object]:
    """The keys of a configuration with such a plan."""
    first = "minimize" if smaller_is_better else "maximize"
    found: dict[str, object] = {}
    if plan.objectives == 1:
        found = {"metric": NAMES[0], "smaller_is_better": smaller_is_better}
    else:
        goals = [first, *("maximize" if name in LARGER else "minimize" for name in NAMES[1 : plan.objectives])]
        metrics = [{"name": name, "goal": goal} for name, goal in zip(NAMES, goals, strict=False)]
        if plan.finals:
            metrics[-1]["at"] = "final"
        found = {"metrics": metrics}
    bounds = BOUNDS[plan.objectives]
    return found | ({"outcome_constraints": [f"{name} <= {most}" for name, most in bounds.items()]} if bounds else {})


def further(plan: Plan, seed: int) -> Further | None:
    """Further metrics of a report: any values, and sometimes one is missing; None where there is one metric."""
    if not plan.objectives:
        return None
    dice = random.Random(seed)
    names = {*NAMES[1 : plan.objectives], *BOUNDS[plan.objectives]}
    told = {name: dice.choice(VALUES) for name in sorted(names)}
    if told and dice.random() < 1 / 12:
        told.pop(dice.choice(sorted(told)))
    return Further(told) if told else None


@dataclass(frozen=True)
class Outcome:
    """A result as it ranks: by how much it violates the bounds, infinite for one that ranks last, and its scores."""

    violation: float
    scores: tuple[float, ...]

    def dominates(self, other: "Outcome") -> bool:
        """Pareto dominance among equal violations; a smaller violation is better than any score."""
        if self.violation != other.violation:
            return self.violation < other.violation
        pairs = [*zip(self.scores, other.scores, strict=True)]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def missing(plan: Plan, report: Report, *, top: bool) -> str | None:
    """The first metric that a decision about a report needs, and that it lacks."""
    told = {NAMES[0]: report.metric, **(report.further.metrics if report.further else {})}
    return next((name for name in _needed(plan, top) if name not in told), None)


def _needed(plan: Plan, top: bool) -> list[str]:
    final = NAMES[plan.objectives - 1] if plan.finals else None
    names = [*NAMES[: plan.objectives], *BOUNDS[plan.objectives]]
    return [name for name in names if top or name != final]


def outcome_of(plan: Plan, report: Report, smaller_is_better: bool, *, top: bool) -> Outcome:
    """How a report ranks."""
    told = {NAMES[0]: report.metric, **(report.further.metrics if report.further else {})}
    needed = _needed(plan, top)
    if not all(math.isfinite(told[name]) for name in needed):
        return last(plan)
    scores = []
    for name in NAMES[: plan.objectives]:
        up = name in LARGER or (name == NAMES[0] and not smaller_is_better)
        scores.append((-told[name] if up else told[name]) if name in needed else 0.0)
    bounds = [(told[name], most) for name, most in BOUNDS[plan.objectives].items() if name in needed]
    return Outcome(sum(max(0.0, value - most) / most for value, most in bounds), tuple(scores))


def fit(plan: Plan, report: Report, smaller_is_better: bool) -> bool:
    """Whether a report may be the best of its trial: it has what results rank by, and is within all bounds."""
    if missing(plan, report, top=False):
        return False
    top = not missing(plan, report, top=True)
    return outcome_of(plan, report, smaller_is_better, top=top).violation == 0


def last(plan: Plan) -> Outcome:
    """How a dead trial ranks."""
    return Outcome(math.inf, (0.0,) * plan.objectives)


def shown(plan: Plan, report: Report, smaller_is_better: bool) -> Objectives | None:
    """What a trial shows of its last report."""
    if missing(plan, report, top=False):
        return None
    top = not plan.finals or not missing(plan, report, top=True)
    found = outcome_of(plan, report, smaller_is_better, top=top)
    if found.violation == math.inf:
        return Objectives({}, math.inf)
    told = {NAMES[0]: report.metric, **(report.further.metrics if report.further else {})}
    counting = [name for name in NAMES[: plan.objectives] if name in _needed(plan, top)]
    return Objectives({name: told[name] for name in counting}, found.violation)


def ranked(outcomes: Sequence[Outcome], most: int) -> list[tuple[int, int]]:
    """Places and fronts in the order of the ranks: each front is what nothing that is left dominates; inside, the
    epsilon-net, as far as the first `most` go."""
    left = {*range(len(outcomes))}
    order: list[tuple[int, int]] = []
    front = 0
    while left:
        best = [i for i in left if not any(outcomes[j].dominates(outcomes[i]) for j in left)]
        # those of a larger violation follow in fronts of their own, though nothing left may dominate them
        best.sort(key=lambda i: (outcomes[i].violation, outcomes[i].scores, i))
        order += [(i, front) for i in _spread(outcomes, best, most - len(order))]
        left -= {*best}
        front += 1
    return order


def _spread(outcomes: Sequence[Outcome], front: list[int], most: int) -> list[int]:
    spread: list[int] = []
    while len(spread) < min(most, len(front)):
        rest = [i for i in front if i not in spread]
        far = [(_apart(outcomes, front, i, spread), -front.index(i), i) for i in rest if spread]
        spread.append(max(far)[2] if far else front[0])
    return spread + [i for i in front if i not in spread]


def _apart(outcomes: Sequence[Outcome], front: list[int], one: int, others: list[int]) -> float:
    """The squared distance to the nearest of others, with each score scaled to 0 to 1 over the front."""
    columns = [*zip(*(outcomes[i].scores for i in front), strict=True)]

    def at(i: int) -> list[float]:
        spans = [(min(column), max(column)) for column in columns]
        return [
            (score / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.0
            for score, (low, high) in zip(outcomes[i].scores, spans, strict=True)
        ]

    def square(i: int, j: int) -> float:
        total = 0.0
        for a, b in reversed([*zip(at(i), at(j), strict=True)]):
            total += (a - b) * (a - b)
        return total

    return min(square(one, other) for other in others)
