"""The hypervolume is what counting cells says, for 1 to 4 objectives; and the front of a run, by hand."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rungway_server.domain.experiment import parse
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.fronts import nondominated
from rungway_server.simulation.front import Front, Member, Told, front_of, vector_at
from rungway_server.simulation.hypervolume import gained, hypervolume
from tests.support.curves import SteadyCurves

GAINS = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 7.0])


@st.composite
def points(draw: st.DrawFn) -> list[list[float]]:
    objectives, most = draw(st.sampled_from([(1, 6), (2, 6), (3, 6), (4, 5)]))
    row = st.lists(GAINS, min_size=objectives, max_size=objectives)
    return draw(st.lists(row, min_size=1, max_size=most))


def counted(gains: Sequence[Sequence[float]]) -> float:
    """The cells between all coordinates that some point covers, one by one."""
    gains = [point for point in gains if min(point) > 0]
    edges = [sorted({0.0, *column}) for column in zip(*gains, strict=True)]
    cells = product(*(pairwise(edge) for edge in edges)) if gains else ()
    covered = (
        cell for cell in cells if any(all(high <= g for (_, high), g in zip(cell, p, strict=True)) for p in gains)
    )
    return math.fsum(math.prod(high - low for low, high in cell) for cell in covered)


@settings(max_examples=400, deadline=None)
@given(points())
def test_the_hypervolume_is_that_of_the_cells_which_are_covered(gains: list[list[float]]) -> None:
    rows = np.array(gains)
    assert hypervolume(rows) == pytest.approx(counted(gains), abs=1e-12)
    assert gained(rows[0], rows[1:]) == pytest.approx(counted(gains) - counted(gains[1:]), abs=1e-12)
    assert hypervolume(rows[::-1]) == pytest.approx(hypervolume(rows), abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(points())
def test_what_is_not_dominated_is_found_in_any_order(rows: list[list[float]]) -> None:
    def dominates(one: list[float], other: list[float]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    wanted = [i for i, row in enumerate(rows) if not any(dominates(other, row) for other in rows)]
    assert nondominated(np.array(rows)).tolist() == wanted


def test_many_points_of_four_objectives_are_summed() -> None:
    """Points on a sphere, of which none dominates another; half of them have less than all, and both parts overlap."""
    rows = np.abs(np.random.default_rng(3).normal(size=(60, 4)))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    whole, half = hypervolume(rows), hypervolume(rows[:30])
    added = sum(gained(rows[i], rows[:i]) for i in range(60))
    assert 0 < half < whole < 1
    assert added == pytest.approx(whole)


class Recorded(SteadyCurves):
    """Four curves of an error to be small and a gain to be large, of which one is too hot."""

    name, max_length = "recorded", 1
    rows = ((0.5, 1.0, 0.0), (0.25, 0.5, 0.0), (0.0, 9.0, 2.0), (0.75, 0.75, 0.0))

    def metric(self, trial: int, length: int) -> float:
        return self.rows[trial][0]

    def finals(self) -> list[float]:
        return [error for error, _, _ in self.rows]

    def further(self, trial: int, length: int) -> Mapping[str, float]:
        return dict(zip(("gain", "heat"), self.rows[trial][1:], strict=True))

    def final_further(self) -> list[Mapping[str, float]]:
        return [self.further(trial, 1) for trial in range(len(self.rows))]


def searcher(**more: object) -> SearcherConfig:
    metrics = [{"name": "error", "goal": "minimize"}, {"name": "gain", "goal": "maximize"}]
    section = {"name": "random", "metrics": metrics, "max_trials": 4, "max_length": 1, **more}
    return parse({"hyperparameters": {"x": {"type": "double", "minval": 0, "maxval": 1}}, "searcher": section})[
        0
    ].searcher


def front(told: Sequence[tuple[float, int]], config: SearcherConfig) -> Front | None:
    curves = Recorded()
    return front_of([Told(time, trial, vector_at(curves, config, trial, 1)) for time, trial in told], curves, config)


def test_the_front_of_a_run_by_hand() -> None:
    """The best front is (0.25, 0.5) and (0.5, 1); a tenth beyond its worst is (0.525, 0.45). So its ends have 10 of the
    11 x 11 parts of the box each, and one of these in common."""
    config = searcher(outcome_constraints=["heat <= 1"])
    found = front([(1.0, 3), (2.0, 0), (3.0, 2), (4.0, 1), (5.0, 0)], config)
    assert found is not None
    assert found.reference == pytest.approx({"error": 0.525, "gain": 0.45})
    assert found.ideal == {"error": 0.25, "gain": 1.0}
    assert found.possible == pytest.approx((11 + 10) / 121)
    assert [(each.time, each.trial, each.size) for each in found.hypervolume] == [(2.0, 0, 1), (4.0, 1, 2)]
    assert [each.share for each in found.hypervolume] == pytest.approx([11 / 21, 1])
    assert found.hypervolume[0].hypervolume == pytest.approx(11 / 121)
    assert found.members[0] == Member(1, {"error": 0.25, "gain": 0.5})
    assert {each.trial for each in found.members} == {0, 1}


def test_there_is_no_front_without_objectives_or_without_a_curve_that_meets_the_constraints() -> None:
    single = searcher(metrics=None, metric="error", outcome_constraints=["heat <= 1"])
    assert front([(1.0, 0)], single) is None
    assert front([(1.0, 0)], searcher(outcome_constraints=["heat >= 9"])) is None
    empty = front([], searcher())
    assert empty is not None
    assert (empty.hypervolume, empty.members, empty.share) == ((), (), 0.0)
