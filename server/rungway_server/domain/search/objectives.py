"""Several objectives of a search, and constraints on its outcomes, as values.

The first objective is the metric of each report, the others are among its further metrics, and so is what constraints
name.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

LEAST_OBJECTIVES, MOST_OBJECTIVES = 2, 4
MOST_CONSTRAINTS = 8
COMPARED = 128
"""Most results of a rung that are compared, the newest: ranking them takes most of what a script may take. `auto` gives
credit to no more (48)."""
LONGEST_NAME = 128
"""Longest name of a further metric, in bytes."""


class Goal(StrEnum):
    """The direction of an objective."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class At(StrEnum):
    """Where an objective is compared."""

    ANY = "any"
    """At every rung."""
    FINAL = "final"
    """At the top rung alone; it is not needed below."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective: a metric, its direction, and whether it counts at the top rung alone."""

    name: str
    goal: Goal = Goal.MINIMIZE
    at: At = At.ANY

    @property
    def smaller_is_better(self) -> bool:
        """Whether it is minimised."""
        return self.goal is Goal.MINIMIZE


@dataclass(frozen=True, slots=True)
class OutcomeConstraint:
    """A bound of a metric: `at_most`, or else at least."""

    name: str
    at_most: bool
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {'<=' if self.at_most else '>='} {self.bound!r}"

    def violation(self, value: float) -> float:
        """By how much a value is beyond the bound, in parts of it (of 1 where it is 0); 0 if it is not."""
        beyond = value - self.bound if self.at_most else self.bound - value
        if not beyond > 0:
            return 0.0
        part = beyond / (abs(self.bound) or 1.0)
        return min(max(part, sys.float_info.min), sys.float_info.max / (2 * MOST_CONSTRAINTS))


def objectives_document(
    document: Mapping[str, object], objectives: Sequence[Objective], constraints: Sequence[OutcomeConstraint]
) -> dict[str, object]:
    """The section with `metrics` beside the metric, which is the first of them, and with the constraints."""
    found = dict(document)
    if objectives:
        found["metrics"] = [
            {"name": each.name, "goal": str(each.goal), **({"at": str(each.at)} if each.at is At.FINAL else {})}
            for each in objectives
        ]
    return found | ({"outcome_constraints": [str(each) for each in constraints]} if constraints else {})
