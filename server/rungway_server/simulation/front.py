"""What a simulated search with several objectives has found: its front, and the hypervolume of that over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rungway_server.domain.engine import Further, Report
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.vectors import Vector, objectives_of, vector_of
from rungway_server.simulation.curves import Curves, Several

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARGIN = 0.1
"""How far beyond the worst of the best front the reference point is, in parts of the extent of that front. So the ends
of a front count, too."""


@dataclass(frozen=True, slots=True)
class Volume:
    """The hypervolume from this time on (simulated seconds), when a result of this trial was added.

    `hypervolume` is a part of the box between the best value of each objective and the reference point, `share` a part
    of what all curves together have. `size` counts the results on the front.
    """

    time: float
    trial: int
    hypervolume: float
    share: float
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """A result on the front at the end: its trial, and the value of each objective by its metric."""

    trial: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Front:
    """The results that were trained to the end and meet the constraints, by all objectives.

    `reference` and `ideal` are the ends of the box: the best value of each objective among the front of all curves, and
    a value that is MARGIN beyond the worst there (Ishibuchi, Imada, Setoguchi and Nojima 2018, "How to Specify a
    Reference Point in Hypervolume Calculation for Fair Performance Comparison"). `possible` is the hypervolume of all
    curves.
    """

    reference: Mapping[str, float]
    ideal: Mapping[str, float]
    possible: float
    hypervolume: tuple[Volume, ...]
    members: tuple[Member, ...]

    @property
    def share(self) -> float:
        """The hypervolume at the end, as a part of what all curves together have."""
        return self.hypervolume[-1].share if self.hypervolume else 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """A result at the full length, at a time (simulated seconds)."""

    time: float
    trial: int
    vector: Vector


def vector_at(curves: Curves, searcher: SearcherConfig, trial: int, length: int) -> Vector:
    """How the result of a trial at a length ranks, by all that the curves have."""
    further = curves.further(trial, length) if isinstance(curves, Several) else {}
    return _vector(searcher, length, curves.metric(trial, length), further)


def front_of(told: Sequence[Told], curves: Curves, searcher: SearcherConfig) -> Front | None:
    """What these results, by time, come to; None where one metric ranks, or where no curve meets the constraints."""
    import numpy as np

    from rungway_server.domain.search.fronts import nondominated
    from rungway_server.simulation.hypervolume import gained, hypervolume

    objectives = searcher.objectives
    if not objectives:
        return None
    every = _possible(curves, searcher)
    if not len(every):
        return None
    best = every[nondominated(every)]
    ideal, worst = best.min(axis=0), best.max(axis=0)
    extent = np.where(worst > ideal, worst - ideal, np.where(worst == 0, 1.0, np.abs(worst)))
    box = worst + MARGIN * extent - ideal
    possible = hypervolume(1 - (best - ideal) / box)
    volumes, found = list[Volume](), list[Told]()
    rows, total = np.empty((0, len(objectives))), 0.0
    for each in told:
        if each.vector.violation > 0:
            continue
        row = np.array(each.vector.values)
        added = gained(1 - (row - ideal) / box, 1 - (rows - ideal) / box)
        rows = np.vstack([rows, row])
        left = nondominated(rows)
        found, rows, total = [[*found, each][i] for i in left], rows[left], total + added
        if added:
            volumes.append(Volume(each.time, each.trial, total, total / possible, len(left)))
    signs = [1 if each.smaller_is_better else -1 for each in objectives]

    def named(values: Sequence[float]) -> dict[str, float]:
        return {o.name: float(s * x) + 0.0 for o, s, x in zip(objectives, signs, values, strict=True)}

    members = sorted(found, key=lambda each: (each.vector.values, each.trial))
    return Front(
        reference=named(ideal + box),
        ideal=named(ideal),
        possible=possible,
        hypervolume=tuple(volumes),
        members=tuple(Member(each.trial, named(each.vector.values)) for each in members),
    )


def _possible(curves: Curves, searcher: SearcherConfig) -> "NDArray[np.float64]":
    """The objectives of each curve at its end, of those that meet the constraints; smaller is better."""
    import numpy as np

    finals = curves.finals()
    further: Sequence[Mapping[str, float]] = [{}] * len(finals)
    if isinstance(curves, Several):
        further = curves.final_further()
    vectors = [_vector(searcher, curves.max_length, *each) for each in zip(finals, further, strict=True)]
    rows = [each.values for each in vectors if each.violation == 0]
    return np.array(rows).reshape(len(rows), len(objectives_of(searcher)))


def _vector(searcher: SearcherConfig, length: int, metric: float, further: Mapping[str, float]) -> Vector:
    return vector_of(searcher, Report(length, metric, Further(further)), final=True)
