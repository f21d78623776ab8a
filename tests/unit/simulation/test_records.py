"""From the jobs of a run to its figures, by hand; leases; plans under the other rule."""

import math

import pytest

from rungway_server.domain.engine import Lease
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.preview import preview
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.leases import Leases
from rungway_server.simulation.records import Job, Run
from rungway_server.simulation.summary import LengthRow, Point, Target, summarise
from rungway_server.simulation.twin import asynchronous, synchronous
from tests.support.curves import SteadyCurves

METRICS = {(0, 1): 0.5, (1, 1): 0.4, (1, 3): 0.3, (2, 1): 0.6, (0, 3): 0.2}


class HandMade(SteadyCurves):
    """Curves that know the results of METRICS."""

    name, max_length = "hand-made", 3

    def metric(self, trial: int, length: int) -> float:
        return METRICS[trial, length]

    def finals(self) -> list[float]:
        return [0.2, 0.3, 0.5]


def ladder(*lengths: int, trials: int = 3, rule: PromotionRule = PromotionRule.ASYNC, divisor: float = 3.0) -> Plan:
    bracket = Bracket(tuple(Rung(length) for length in lengths), trials, trials)
    return Plan((bracket,), rule, DecisionForm.PROMOTE, divisor, 0, "epochs")


def test_the_figures_of_a_run() -> None:
    jobs = [
        Job(0, 0, 0, 0, 1, 1, 0.0, 1.0, True),
        Job(1, 1, 0, 0, 1, 1, 0.0, 2.0, True),
        Job(0, 2, 0, 0, 1, 1, 1.0, 3.0, True),
        Job(1, 1, 0, 1, 3, 3, 2.0, 4.0, False),
        Job(0, 1, 0, 1, 3, 3, 4.0, 6.0, True),
        Job(1, 0, 0, 1, 3, 3, 6.0, 8.0, True),
    ]
    run = Run(ladder(1, 3), Fleet(2), jobs=jobs, end=8.0, done=True, drops=1)
    summary = summarise(run, HandMade(), [0.45, 0.3, 0.1])
    assert (summary.trials, summary.trained_length, summary.drops) == (3, 7, 1)
    assert summary.lengths == (LengthRow(1, 1), LengthRow(3, 2))
    assert (summary.first_full, summary.full, summary.full_times) == (6.0, 2, (6.0, 8.0))
    assert (summary.busy, summary.lost, summary.waiting) == pytest.approx((9 / 16, 2 / 16, 5 / 16))
    assert summary.best == (Point(1.0, 0.5, 0, 1), Point(2.0, 0.4, 1, 1), Point(6.0, 0.3, 1, 3), Point(8.0, 0.2, 0, 3))
    assert summary.best_full == (Point(6.0, 0.3, 1, 3), Point(8.0, 0.2, 0, 3))
    assert summary.targets == (
        Target("0.45", 0.45, 2.0, 6.0),
        Target("0.3", 0.3, 6.0, 6.0),
        Target("0.1", 0.1, None, None),
    )


def test_a_run_that_trained_nothing() -> None:
    summary = summarise(Run(ladder(1, 3), Fleet(2)), HandMade())
    assert (summary.trials, summary.first_full, summary.best, summary.busy) == (0, None, (), 0.0)
    assert all(target.any_length is None for target in summary.targets)


def test_only_leases_of_the_living_fall_due() -> None:
    leases, a, b, c = Leases(), Lease(1, 10), Lease(2, 11), Lease(3, 12)
    for lease in (a, b, c):
        leases.renewed(lease, 1000)
    leases.renewed(b, 2000)
    leases.ended(c)
    assert leases.due(999) == []
    assert leases.due(1000) == [a]
    assert leases.due(1000) == []
    leases.renewed(a, 3000)
    assert leases.due(5000) == [b, a]


def test_the_synchronous_twin_has_the_same_ladder_and_costs_what_the_preview_says() -> None:
    plan = ladder(1, 3, 9, 27, trials=243)
    twin = synchronous(plan)
    assert [(r.length, r.size, r.slots) for r in twin.brackets[0].rungs] == [
        (1, 243, 81),
        (3, 81, 27),
        (9, 27, 9),
        (27, 9, 0),
    ]
    assert twin.rule is PromotionRule.SYNC
    assert preview(twin).total == preview(plan).total
    assert asynchronous(twin).rule is PromotionRule.ASYNC


def test_at_least_one_is_promoted_in_the_synchronous_twin() -> None:
    rungs = synchronous(ladder(1, 4, 16, trials=5, divisor=4.0)).brackets[0].rungs
    assert [(rung.size, rung.slots) for rung in rungs] == [(5, 1), (1, 1), (1, 0)]


def test_the_horizon_is_endless_unless_set() -> None:
    assert Fleet(1).horizon == math.inf
