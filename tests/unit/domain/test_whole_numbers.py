"""Whole numbers may be written as 3.0 or 1e3, and a broken range in a grid is a violation, nothing worse."""

import math

import pytest

from rungway_server.domain.documents.fields import whole_text
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse, to_document


def _document(searcher: dict[str, object] | None = None, **top: object) -> dict[str, object]:
    document: dict[str, object] = {
        "searcher": {"name": "random", "metric": "loss", "max_length": 10, "max_trials": 4} | (searcher or {}),
        "hyperparameters": {"x": {"type": "int", "minval": 1, "maxval": 9}},
    }
    return document | top


def test_whole_floats_are_integers_in_every_part_of_a_configuration() -> None:
    config, _ = parse(
        _document(
            {"max_trials": 1e3, "max_concurrent_trials": 3.0, "max_length": {"batches": 1e3}},
            seed=7.0,
            max_restarts=2.0,
            hyperparameters={"x": {"type": "int", "minval": -3.0, "maxval": 1e3, "step": 1.0}},
        )
    )
    assert (config.searcher.max_trials, config.seed, config.max_restarts) == (1000, 7, 2)
    assert all(isinstance(n, int) for n in (config.searcher.max_trials, config.seed, config.max_restarts))


def test_rung_counts_are_whole_too() -> None:
    halving = {"name": "adaptive_asha", "max_length": 27, "max_trials": 30, "bracket_rungs": [3.0, 2e0]}
    rungs = parse(_document(halving))[0].searcher.bracket_rungs
    assert (rungs, [type(count) for count in rungs]) == ((3, 2), [int, int])
    with pytest.raises(InvalidInput, match="bracket_rungs"):
        parse(_document(halving | {"bracket_rungs": [3.0, 2.5]}))


@pytest.mark.parametrize("value", [2.5, math.nan, math.inf, True, "3"])
def test_other_values_are_still_no_integers(value: object) -> None:
    with pytest.raises(InvalidInput):
        parse(_document(max_restarts=value))


@pytest.mark.parametrize("bound", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["minval", "maxval"])
@pytest.mark.parametrize("extra", [{"step": 0.5}, {"count": 3}, {"step": 0.5, "count": 3}])
@pytest.mark.parametrize("kind", [{"type": "double"}, {"type": "log", "base": 10}])
def test_a_grid_with_a_bound_that_is_no_number_is_refused(
    kind: dict[str, object], extra: dict[str, object], key: str, bound: float
) -> None:
    axis = {**kind, "minval": 0.0, "maxval": 2.0, **extra, key: bound}
    with pytest.raises(InvalidInput, match=key):
        parse(_document({"name": "grid", "max_trials": None}, hyperparameters={"x": axis}))


@pytest.mark.parametrize("value", [2.0, [2.0, 3e0], 2, [1e0]])
def test_conditions_on_integers_take_whole_floats(value: object) -> None:
    space = {"x": {"type": "int", "minval": 1, "maxval": 9}, "y": {"type": "const", "val": 1, "when": {"x": value}}}
    config, _ = parse(_document(hyperparameters=space))
    (condition,) = config.space.conditions[("y",)]
    assert all(type(each) is int for each in condition.values)
    assert parse(to_document(config))[0] == config


@pytest.mark.parametrize("value", [2.5, 10.0, math.nan, True])
def test_conditions_take_no_other_floats(value: object) -> None:
    space = {"x": {"type": "int", "minval": 1, "maxval": 9}, "y": {"type": "const", "val": 1, "when": {"x": value}}}
    with pytest.raises(InvalidInput, match=r"when\.x"):
        parse(_document(hyperparameters=space))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        *(
            ("3.0", "3"),
            ("1e3", "1000"),
            ("1E+03", "1000"),
            ("-2.50e1", "-25"),
            ("+4.", "+4"),
            (" 7 ", "7"),
            ("12", "12"),
        ),
        *(("3.5", "3.5"), ("1e-3", "1e-3"), ("1e99", "1e99"), ("1e999999999", "1e999999999"), ("x", "x"), ("", "")),
        *((".", "."), ("e3", "e3"), ("0x10", "0x10"), (3.0, 3.0), (None, None), ("٣", "٣"), ("1e18", "1" + "0" * 18)),
    ],
)
def test_texts_of_whole_numbers(text: object, read: object) -> None:
    assert whole_text(text) == read
