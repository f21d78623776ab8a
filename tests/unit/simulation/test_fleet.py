"""The luck of jobs: its distributions, and that it depends on the seed and the job alone."""

import math
from statistics import mean

import pytest

from rungway_server.simulation.fleet import Fleet, Luck

JOBS = [(trial, 0, 9, 0) for trial in range(4000)]


def test_without_trouble_nothing_happens() -> None:
    assert Luck(Fleet(4), 1.0).draw(1, 0, 9, 0) == (1.0, math.inf)


@pytest.mark.parametrize("sd", [0.5, 2.0])
def test_stragglers_take_one_and_half_a_normal_times_as_long(sd: float) -> None:
    luck = Luck(Fleet(4, straggler_sd=sd), 1.0)
    factors = [luck.draw(*job)[0] for job in JOBS]
    assert min(factors) >= 1.0
    assert mean(factors) == pytest.approx(1 + sd * math.sqrt(2 / math.pi), rel=0.03)
    assert mean(factor < 1 + 0.6745 * sd for factor in factors) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("unit", [1.0, 60.0])
def test_a_job_survives_each_unit_of_time_with_one_minus_p(unit: float) -> None:
    luck = Luck(Fleet(4, drop_probability=0.1), unit)
    drops = [luck.draw(*job)[1] for job in JOBS]
    for units in (1, 5, 20):
        assert mean(drop > units * unit for drop in drops) == pytest.approx(0.9**units, abs=0.025)


def test_the_same_job_has_the_same_luck_whatever_else_is_drawn() -> None:
    fleet = Fleet(4, 1.0, 0.1, seed=7)
    forwards, backwards = Luck(fleet, 1.0), Luck(fleet, 1.0)
    there = [forwards.draw(*job) for job in JOBS[:100]]
    assert there == [backwards.draw(*job) for job in reversed(JOBS[:100])][::-1]
    assert there[0] != forwards.draw(0, 0, 9, 1)
    assert there[0] != Luck(Fleet(4, 1.0, 0.1, seed=8), 1.0).draw(*JOBS[0])
    assert there[0] == Luck(Fleet(500, 1.0, 0.1, seed=7), 1.0).draw(*JOBS[0])
