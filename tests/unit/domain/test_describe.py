"""A search in words: what its user reads of the space, the metric and the direction."""

from typing import Any

import pytest

from rungway_server.domain.describe import MOST_LINES, describe
from rungway_server.domain.experiment import parse, to_document

RANDOM = {"name": "random", "metric": "loss", "max_trials": 5}


def lines(space: dict[str, Any], **searcher: object) -> tuple[str, ...]:
    config, _ = parse({"hyperparameters": space, "searcher": RANDOM | searcher})
    said = describe(config)
    assert describe(parse(to_document(config))[0]) == said  # what is stored says the same
    return said


@pytest.mark.parametrize(
    ("parameter", "expect"),
    [
        ({"type": "log", "base": 10, "minval": 1e-4, "maxval": 1}, "log, 1.0002 to 10"),
        ({"type": "log", "base": 10, "minval": -4, "maxval": 0}, "log, 0.0001 to 1"),
        ({"type": "log", "base": 0.5, "minval": 0, "maxval": 3}, "log, 0.125 to 1"),
        ({"type": "log", "base": 2, "minval": 0, "maxval": 5, "step": 2}, "log, 1 to 16, exponents in steps of 2"),
        ({"type": "log_uniform", "minval": 1e-5, "maxval": 1e-1}, "log_uniform, 1e-05 to 0.1"),
        ({"type": "int", "minval": 1, "maxval": 4}, "int, 1 to 4"),
        ({"type": "int", "minval": 1, "maxval": 9, "step": 3}, "int, 1 to 7, in steps of 3"),
        ({"type": "double", "minval": 0, "maxval": 1, "step": 0.3}, "double, 0 to 0.9, in steps of 0.3"),
        ({"type": "double", "minval": -1.5, "maxval": 0.1 + 0.2}, "double, -1.5 to 0.3"),
        ({"type": "categorical", "vals": ["sgd", 1, None, True]}, 'categorical, one of "sgd", 1, null, true'),
        ({"type": "const", "val": [1, {"a": 2}]}, 'const, [1, {"a": 2}]'),
        (64, "const, 64"),
        ("tanh", 'const, "tanh"'),
    ],
)
def test_a_parameter_has_its_kind_and_real_range(parameter: Any, expect: str) -> None:
    assert lines({"x": parameter})[2:] == (f"x: {expect}",)


def test_a_grid_has_its_points() -> None:
    lr = {"type": "log", "base": 10, "minval": -4, "maxval": 0, "count": 5}
    width = {"type": "int", "minval": 16, "maxval": 128, "count": 1}
    said = lines({"lr": lr, "width": width}, name="grid", max_trials=None)
    assert said[1:] == (
        "hyperparameters: 1 searched, 1 constant",
        "lr: log, 0.0001 to 1, 5 points",
        "width: int, 72, 1 point",
    )


def test_what_can_take_one_value_is_constant() -> None:
    space = {
        "a": {"type": "double", "minval": 0, "maxval": 1},
        "b": {"type": "categorical", "vals": ["x"]},
        "c": {"d": 1, "e": {"type": "int", "minval": 1, "maxval": 2}},
        "f": {"type": "const", "val": 3},
    }
    said = lines(space)
    assert said[1] == "hyperparameters: 2 searched, 3 constant"
    assert [line.split(":")[0] for line in said[2:]] == ["a", "b", "c.d", "c.e", "f"]


def test_conditions_are_said() -> None:
    double = {"type": "double", "minval": 0, "maxval": 1}
    space = {
        "opt": {"name": {"type": "categorical", "vals": ["sgd", "rmsprop", "adam"]}},
        "momentum": double | {"when": {"opt.name": ["sgd", "rmsprop"]}},
    }
    assert 'momentum: double, 0 to 1, when opt.name is "sgd" or "rmsprop"' in lines(space)


@pytest.mark.parametrize(
    ("searcher", "expect"),
    [
        ({"metric": "error"}, "metric: error, smaller is better"),
        ({"metric": "acc", "smaller_is_better": False}, "metric: acc, larger is better"),
        ({"target_metric": 0.01}, "metric: loss, smaller is better, done at 0.01 or better"),
    ],
)
def test_the_metric_comes_first_with_its_direction(searcher: dict[str, object], expect: str) -> None:
    assert lines({}, **searcher)[:2] == (expect, "hyperparameters: 0 searched, 0 constant")


def test_large_spaces_and_values_stay_short() -> None:
    many = lines({f"x{i}": i for i in range(MOST_LINES + 50)})
    assert (len(many), many[-1]) == (MOST_LINES + 3, "and 50 more")
    conditions = {f"c{i}": [f"{'y' * 200}{j}" for j in range(9)] for i in range(20)}
    space: dict[str, Any] = {name: {"type": "categorical", "vals": vals} for name, vals in conditions.items()}
    space["n" * 250] = {"type": "categorical", "vals": ["z" * 300, *range(9_999)], "when": conditions}
    for line in lines(space):
        assert len(line) < 2_500
    assert "(10000 values)" in lines(space)[-1]
