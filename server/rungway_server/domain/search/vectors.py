"""The vectors by which results rank in a search with several objectives, or with constraints on its outcomes.

A result that meets the constraints ranks before any that does not, and of those that do not the one with the smaller
violation (Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II", section VI).
"""

import math
import struct
from dataclasses import dataclass

from rungway_server.domain.engine import Report
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.objectives import At, Goal, Objective


@dataclass(frozen=True, slots=True)
class Vector:
    """How a result ranks: its violation of the constraints (0 = none, infinite = after every other result) and the
    value of each objective, of which smaller is better."""

    violation: float
    values: tuple[float, ...]

    def packed(self) -> bytes:
        """8 bytes each (IEEE 754, the most significant byte first)."""
        return struct.pack(f">{1 + len(self.values)}d", self.violation, *self.values)

    @classmethod
    def unpacked(cls, packed: bytes) -> "Vector":
        """The inverse of `packed`."""
        violation, *values = struct.unpack(f">{len(packed) // 8}d", packed)
        return cls(violation, tuple(values))


class Missing(ValueError):
    """A report lacks a metric that results rank by."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def objectives_of(searcher: SearcherConfig) -> tuple[Objective, ...]:
    """The objectives of a search: one where there are not several; () where results rank by their metric alone."""
    if searcher.objectives or not searcher.outcome_constraints:
        return searcher.objectives
    return (Objective(searcher.metric, Goal.MINIMIZE if searcher.smaller_is_better else Goal.MAXIMIZE),)


def has_final(searcher: SearcherConfig) -> bool:
    """Whether results of the top rung have other vectors than those below."""
    return any(each.at is At.FINAL for each in searcher.objectives)


def vector_of(searcher: SearcherConfig, report: Report, *, final: bool) -> Vector:
    """How a report ranks at the top rung (`final`), or below. Raises Missing.

    Where a value that counts is NaN or infinite, the result ranks last. An objective that does not count is 0.
    """
    told = {searcher.metric: report.metric, **(report.further.metrics if report.further else {})}
    only_final = {each.name for each in searcher.objectives if each.at is At.FINAL}

    def value(name: str) -> float | None:
        if name in only_final and not final:
            return None
        if name not in told:
            raise Missing(name)
        return told[name]

    found = [(each, value(each.name)) for each in objectives_of(searcher)]
    bounds = [(each, value(each.name)) for each in searcher.outcome_constraints]
    values = tuple(0.0 if x is None else (x if each.smaller_is_better else -x) + 0.0 for each, x in found)
    if not all(x is None or math.isfinite(x) for _, x in (*found, *bounds)):
        return Vector(math.inf, (0.0,) * len(values))
    return Vector(sum(each.violation(x) for each, x in bounds if x is not None), values)
