"""Made-up curves: their range, their shapes, their seed."""

import pytest

from rungway_server.simulation.synthetic import SHAPES, SyntheticCurves

LENGTH, TRIALS = 100, 60


def curve(shape: str, trial: int, seed: int = 1) -> list[float]:
    curves = SyntheticCurves(shape, seed, LENGTH, TRIALS)
    return [curves.metric(trial, length) for length in range(1, LENGTH + 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_errors_lie_between_0_and_1_and_depend_on_the_seed(shape: str) -> None:
    every = [curve(shape, trial) for trial in range(TRIALS)]
    assert all(0 <= value <= 1 for values in every for value in values)
    assert len({values[-1] for values in every}) == TRIALS
    assert every[5] == curve(shape, 5)
    assert every[5] != curve(shape, 5, seed=2)
    assert list(SyntheticCurves(shape, 1, LENGTH, TRIALS).finals()) == [values[-1] for values in every]


@pytest.mark.parametrize("shape", ["power", "crossing"])
def test_training_helps(shape: str) -> None:
    for trial in range(TRIALS):
        values = curve(shape, trial)
        assert values == sorted(values, reverse=True)


def test_early_results_tell_in_power_and_mislead_in_crossing() -> None:
    assert agreement("power") > 0.75
    assert agreement("crossing") < 0.25


def agreement(shape: str) -> float:
    """The share of pairs whose order at a tenth of the length is that of the end."""
    every = [curve(shape, trial) for trial in range(TRIALS)]
    pairs = [(a, b) for a in every for b in every if a[-1] < b[-1]]
    return sum(a[LENGTH // 10] < b[LENGTH // 10] for a, b in pairs) / len(pairs)


def test_time_is_proportional_to_length() -> None:
    assert SyntheticCurves("power", 1, LENGTH, 1).seconds(0, 10, 40) == 30.0
    assert SyntheticCurves("power", 1, LENGTH, 1, seconds_per_unit=2.5).seconds(0, 10, 40) == 75.0
