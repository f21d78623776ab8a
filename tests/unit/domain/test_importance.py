"""Importance on searches whose truth is known, because the test makes them."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from rungway_server.domain.importance import FEWEST, Axis, importances

TRUTH = (0.904, 0.084, 0.010, 0.0, 0.0, 0.0)
"""PED-ANOVA of a random search of 10,000 trials at full length, for the function below."""
MS = 1000


@dataclass
class Asha:
    """A search by asynchronous halving with a divisor of 4: values, highest rungs, metrics there."""

    values: NDArray[np.float64]
    rungs: NDArray[np.int64]
    metrics: NDArray[np.float64]


def asha(trials: int, seed: int = 1) -> Asha:
    """The first parameter decides, the second matters a little, the third hardly, the others not at all. Metrics of low
    rungs are noisy."""
    rng = np.random.default_rng(seed)
    values = rng.random((trials, len(TRUTH)))
    final = 3 * np.abs(values[:, 0] - 0.5) + 0.6 * np.abs(values[:, 1] - 0.3) + 0.2 * np.abs(values[:, 2] - 0.7)
    rungs, metrics, alive = np.zeros(trials, np.int64), np.empty(trials), np.arange(trials)
    for rung, noise in enumerate((0.15, 0.08, 0.04, 0.0)):
        metrics[alive] = final[alive] + rng.normal(0, noise, len(alive))
        rungs[alive] = rung
        alive = alive[np.argsort(metrics[alive])[: len(alive) // 4]]
    return Asha(values, rungs, metrics)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("trials", [2_000, 10_000])
def test_importance_is_near_the_truth_although_few_trials_reach_the_top(trials: int, seed: int) -> None:
    search = asha(trials, seed)
    found = importances([Axis(column) for column in search.values.T], search.rungs, search.metrics)
    assert found is not None
    assert np.abs(found - TRUTH).max() < 0.1
    assert found.sum() == pytest.approx(1)


def test_of_the_completed_alone_it_would_be_far_from_it() -> None:
    search = asha(10_000)
    top = search.rungs == 3
    found = importances([Axis(column[top]) for column in search.values.T], search.rungs[top], search.metrics[top])
    assert found is not None
    assert found[0] < 0.5


def test_ten_thousand_trials_take_less_than_100_ms() -> None:
    search = asha(10_000)
    axes = [Axis(column) for column in np.hstack((search.values, search.values[:, :2])).T]
    took = []
    for _ in range(5):
        began = time.thread_time()
        importances(axes, search.rungs, search.metrics)
        took.append(time.thread_time() - began)
    assert min(took) * MS < 100


def test_the_logarithm_counts_where_the_range_is_logarithmic() -> None:
    """A rate drawn by its logarithm: on a plain scale nearly all of them would be one point of the grid."""
    rng = np.random.default_rng(4)
    exponents, other = rng.uniform(-6, 0, 3_000), rng.random(3_000)
    metrics = np.abs(exponents + 4) + 0.1 * other
    axes = [Axis(10**exponents, log=True), Axis(other)]
    found = importances(axes, np.zeros(3_000, np.int64), metrics)
    assert found is not None
    assert found[0] > 0.9


def test_choices_and_conditions() -> None:
    """An optimizer decides; the momentum that only half of the trials have matters among these alone."""
    rng = np.random.default_rng(5)
    optimizer, momentum, noise = rng.integers(0, 2, 4_000), rng.random(4_000), rng.random(4_000)
    names = rng.integers(0, 500, 4_000)
    metrics = optimizer + np.where(optimizer == 0, np.abs(momentum - 0.9), 0) + 0.05 * noise
    axes = [
        Axis(optimizer.astype(float), categorical=True),
        Axis(np.where(optimizer == 0, momentum, np.nan)),
        Axis(noise),
        Axis(names.astype(float), categorical=True),
        Axis(np.zeros(4_000), categorical=True),
        Axis(np.full(4_000, -1.0), categorical=True),
        Axis(np.full(4_000, np.nan)),
    ]
    found = importances(axes, np.zeros(4_000, np.int64), metrics)
    assert found is not None
    assert found[0] > 0.2
    assert found[1] > 0.2
    assert found[2] < 0.05
    assert found[3] < 0.05, "many choices that mean nothing are no importance"
    assert list(found[4:]) == [0, 0, 0]


def test_too_few_results_say_nothing() -> None:
    rungs = np.array([0] * (FEWEST - 1) + [-1] * 500)
    assert importances([Axis(np.arange(len(rungs), dtype=float))], rungs, np.arange(len(rungs), dtype=float)) is None


def test_results_without_a_metric_come_last_and_nothing_shows_where_nothing_differs() -> None:
    rungs = np.zeros(200, np.int64)
    values = np.linspace(0, 1, 200)
    scores = np.where(values < 0.5, np.nan, 1.0)
    found = importances([Axis(values), Axis(np.ones(200))], rungs, scores)
    assert found is not None
    assert list(found) == [1.0, 0.0]
    nothing = importances([Axis(np.ones(200))], rungs, scores)
    assert nothing is not None
    assert list(nothing) == [0.0]
