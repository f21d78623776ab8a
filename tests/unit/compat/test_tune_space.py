"""The space functions of Ray Tune: what they mean, and that `rungway convert` reads the same in files."""

import itertools
from typing import Any

import numpy
import pytest

from rungway import InvalidArgument
from rungway.compat import tune
from rungway.compat.tune._space import hyperparameters
from rungway_server.convert.convert import convert

CALLS = {
    "uniform(0.1, 0.9)": {"type": "double", "minval": 0.1, "maxval": 0.9},
    "quniform(0.1, 0.9, 0.1)": {"type": "double", "minval": 0.1, "maxval": 0.9, "step": 0.1},
    "quniform(0.25, 0.99, 0.1)": {"type": "double", "minval": 0.3, "maxval": 0.9, "step": 0.1},
    "loguniform(1e-4, 1e-1)": {"type": "log_uniform", "minval": 1e-4, "maxval": 1e-1},
    "loguniform(1e-4, 1e-1, 10)": {"type": "log_uniform", "minval": 1e-4, "maxval": 1e-1},
    "qloguniform(0.1, 10, 0.1)": {"type": "log_uniform", "minval": 0.1, "maxval": 10, "step": 0.1},
    "randint(1, 9)": {"type": "int", "minval": 1, "maxval": 8},
    "qrandint(1, 9, 4)": {"type": "int", "minval": 4, "maxval": 8, "step": 4},
    "qrandint(0, 8, 4)": {"type": "int", "minval": 0, "maxval": 8, "step": 4},
    "qrandint(0, 8, 1)": {"type": "int", "minval": 0, "maxval": 7},
    "qrandint(0, 8)": {"type": "int", "minval": 0, "maxval": 7},
    "lograndint(1, 9)": {"type": "log_int", "minval": 1, "maxval": 8},
    "qlograndint(1, 64, 16)": {"type": "log_int", "minval": 16, "maxval": 64, "step": 16},
    "qlograndint(1, 64, 1)": {"type": "log_int", "minval": 1, "maxval": 63},
    "randn(0.5, 2)": {"type": "normal", "mu": 0.5, "sigma": 2},
    "randn()": {"type": "normal", "mu": 0.0, "sigma": 1.0},
    "qrandn(10, 5, 2)": {"type": "normal", "mu": 10, "sigma": 5, "step": 2},
    "choice(['adam', 'sgd'])": {"type": "categorical", "vals": ["adam", "sgd"]},
    "grid_search([1, 2, 4])": {"type": "categorical", "vals": [1, 2, 4]},
}
"""What each means here; bounds are those of the documentation of Ray Tune 2.60."""


@pytest.mark.parametrize("call", CALLS)
def test_a_function_means_what_it_means_in_tune(call: str) -> None:
    domain: Any = eval(f"tune.{call}", {"tune": tune})
    assert domain.document == CALLS[call]


@pytest.mark.parametrize("call", CALLS)
def test_a_file_with_it_is_converted_to_the_same(call: str) -> None:
    source = f"from ray import tune\ntune.run(train, metric='loss', mode='min', config={{'x': tune.{call}}})\n"
    found: Any = convert(source, "search.py", str).config["hyperparameters"]
    assert found["x"] == CALLS[call]


def test_a_space_has_groups_and_constants() -> None:
    space = {
        "lr": tune.uniform(0, 1),
        "model": {"depth": tune.choice([1, 2]), "sizes": [8, 8]},
        "seed": 3,
        "none": None,
    }
    document, points = hyperparameters(space)
    assert points == 0
    assert document == {
        "lr": {"type": "double", "minval": 0, "maxval": 1},
        "model": {"depth": {"type": "categorical", "vals": [1, 2]}, "sizes": {"type": "const", "val": [8, 8]}},
        "seed": {"type": "const", "val": 3},
        "none": {"type": "const", "val": None},
    }
    grid = {"a": tune.grid_search([1, 2]), "b": {"c": tune.grid_search([1, 2, 3])}, "d": 4}
    assert hyperparameters(grid)[1] == 6


@pytest.mark.parametrize(
    ("space", "field"),
    [
        ([], "param_space"),
        ({1: 2}, "param_space"),
        ({"a": {"f": print}}, "param_space.a.f"),
        ({"a": tune.grid_search([1]), "b": tune.uniform(0, 1)}, "param_space"),
    ],
)
def test_what_is_no_space_is_refused(space: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        hyperparameters(space)
    assert refused.value.violations[0][0] == field


WRONG = (
    *("choice('abc')", "choice([])", "choice([print])", "choice([tune.uniform(0, 1)])", "randint(3, 3)"),
    *("randint(0.5, 3)", "quniform(0.1, 0.2, 0.5)", "quniform(0, 1, 0)", "qrandint(1, 3, 7)"),
)


@pytest.mark.parametrize("call", WRONG)
def test_what_is_no_parameter_is_refused(call: str) -> None:
    with pytest.raises(InvalidArgument, match=call.partition("(")[0]):
        eval(f"tune.{call}", {"tune": tune, "print": print})


def test_the_functions_are_all_that_tune_has() -> None:
    named = {call.partition("(")[0] for call in itertools.chain(CALLS, ["sample_from("])}
    assert named == {
        *("uniform", "quniform", "loguniform", "qloguniform", "randint", "qrandint", "lograndint", "qlograndint"),
        *("randn", "qrandn", "choice", "grid_search", "sample_from"),
    }


def test_bounds_may_be_numbers_of_numpy() -> None:
    low, high = numpy.float64(0.1), numpy.float64(1)
    assert tune.quniform(low, high, low) == tune.quniform(0.1, 1.0, 0.1)
