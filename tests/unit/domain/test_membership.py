"""Whether a user's own configuration belongs to a space."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.space.membership import as_drawn, check_configuration
from rungway_server.domain.space.space import Space

PARAMETERS: dict[str, Any] = {
    "const": {"type": "const", "val": 3},
    "int": {"type": "int", "minval": -2, "maxval": 5},
    "double": {"type": "double", "minval": 0.25, "maxval": 0.5},
    "log": {"type": "log", "base": 10.0, "minval": -4, "maxval": -1},
    "kind": {"type": "categorical", "vals": ["sgd", 1, True, None, [1, 2]]},
    "momentum": {"type": "double", "minval": 0, "maxval": 1, "when": {"kind": "sgd"}},
    "net": {"width": {"type": "int", "minval": 1, "maxval": 8}},
}
GOOD: dict[str, Any] = {
    **{"const": 3, "int": 0, "double": 0.3, "log": 0.01, "kind": "sgd", "momentum": 0.5},
    "net": {"width": 2},
}


def space_of(parameters: dict[str, Any], *constraints: str) -> Space:
    document = {
        "hyperparameters": parameters,
        "searcher": {"name": "random", "metric": "loss", "max_trials": 1, "max_length": {"epochs": 1}},
        "constraints": list(constraints),
    }
    return parse(document)[0].space


SPACE = space_of(PARAMETERS, "int <= net.width")


def wrong(hparams: dict[str, Any], space: Space = SPACE) -> dict[str, str]:
    return {violation.field: violation.description for violation in check_configuration(space, hparams, "h")}


def test_a_good_one_has_nothing_wrong() -> None:
    assert wrong(GOOD) == {}


@pytest.mark.parametrize(
    "change",
    [
        *({"int": end} for end in (-2, 2)),
        *({"double": value} for value in (0.25, 0.5, 0.37)),
        *({"log": value} for value in (1e-4, 0.1, 10.0**-4, 10.0**-1)),
    ],
    ids=str,
)
def test_the_ends_of_a_range_belong_to_it(change: dict[str, Any]) -> None:
    assert wrong(GOOD | change) == {}


@pytest.mark.parametrize("kind", [1, True, None, [1, 2]])
def test_every_value_of_a_categorical(kind: object) -> None:
    others = {name: value for name, value in GOOD.items() if name != "momentum"}
    assert wrong(others | {"kind": kind}) == {}


OUTSIDE: dict[str, tuple[object, ...]] = {
    "const": (4, 3.5, "3", True, None),
    "int": (-3, 6, 6.0, 1.5, "1", True, None, [1], 10**30),
    "kind": ("SGD", 2, False, [2, 1], {}),
    "net": (None, 2, [], "x"),
    "double": (0.2499, 0.5001, "0.3", True, None, math.nan, 10**400),
    "log": (0.99e-4, 0.101, -0.01, 0, math.inf, math.nan, "x"),
}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        *(({name: value}, f"h.{name}") for name, values in OUTSIDE.items() for value in values),
        ({"net": {}}, "h.net.width"),
        ({"net": {"width": 0}}, "h.net.width"),
        ({"net": {"width": 2, "depth": 1}}, "h.net.depth"),
        ({"other": 1}, "h.other"),
        ({"": 1}, "h.``"),
    ],
    ids=str,
)
def test_what_does_not_belong_is_named(change: dict[str, Any], field: str) -> None:
    assert field in wrong(GOOD | change)


@pytest.mark.parametrize("most", [2**53 - 1, 2**53 + 1])
def test_large_integers_are_compared_exactly(most: int) -> None:
    space = space_of({"seed": {"type": "int", "minval": 0, "maxval": most}})
    assert wrong({"seed": most}, space) == {}
    assert "seed" in " ".join(wrong({"seed": most + 1}, space))


@pytest.mark.parametrize("name", GOOD)
def test_each_parameter_is_needed(name: str) -> None:
    field = "h.net.width" if name == "net" else f"h.{name}"
    assert field in wrong({other: value for other, value in GOOD.items() if other != name})


def test_everything_wrong_is_named_at_once() -> None:
    assert set(wrong({"int": 9, "kind": "sgd", "net": {"width": 9}, "more": 1})) == {
        *("h.const", "h.int", "h.double", "h.log", "h.momentum", "h.net.width", "h.more")
    }


def test_a_parameter_whose_condition_fails_must_be_absent() -> None:
    assert "must be absent" in wrong(GOOD | {"kind": 1})["h.momentum"]


@pytest.mark.parametrize("kind", [True, 1])
def test_true_is_not_one(kind: object) -> None:
    space = space_of(
        {"kind": PARAMETERS["kind"], "x": {"type": "int", "minval": 1, "maxval": 2, "when": {"kind": True}}}
    )
    assert (wrong({"kind": kind, "x": 1}, space) == {}) == (kind is True)


def test_constraints_are_looked_at_when_all_else_is_right() -> None:
    assert set(wrong(GOOD | {"int": 3})) == {"h"}
    assert "int <= net.width" in wrong(GOOD | {"int": 3})["h"]
    assert set(wrong(GOOD | {"int": 9})) == {"h.int"}


def test_an_empty_space_takes_the_empty_configuration_alone() -> None:
    assert wrong({}, space_of({})) == {}
    assert set(wrong({"x": 1}, space_of({}))) == {"h.x"}


@given(seed=st.integers(0, 2**31 - 1), number=st.integers(0, 10_000))
def test_everything_that_is_proposed_belongs(seed: int, number: int) -> None:
    assert wrong(propose(SPACE, seed, number)) == {}


STEPS: dict[str, Any] = {
    "int": {"type": "int", "minval": 16, "maxval": 100, "step": 16},
    "double": {"type": "double", "minval": 0, "maxval": 1, "step": 0.1},
    "log": {"type": "log", "base": 10, "minval": -4, "maxval": -1, "step": 0.5},
    "net": {"width": {"type": "int", "minval": -3, "maxval": 4, "step": 7}},
    "large": {"type": "int", "minval": 0, "maxval": 10**12, "step": 10},
}
ON_STEPS: dict[str, Any] = {"int": 16, "double": 0.1 + 0.2, "log": 10**-2.5, "net": {"width": 4}, "large": 10**11}


@pytest.mark.parametrize(
    "change",
    [
        {},
        *({"int": value} for value in (16, 32, 96)),
        *({"double": value} for value in (0, 1, 1.0, 0.3, 0.7, 1e-17)),
        *({"log": value} for value in (1e-4, 0.1, 0.01, 10**-3.5)),
        {"net": {"width": -3}},
    ],
    ids=str,
)
def test_values_on_a_step_belong(change: dict[str, Any]) -> None:
    assert wrong(ON_STEPS | change, space_of(STEPS)) == {}


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"int": 17}, "got 17, wanted an integer from 16 to 100 in steps of 16; the nearest is 16"),
        ({"int": 100}, "got 100, wanted an integer from 16 to 100 in steps of 16; the nearest is 96"),
        ({"double": 0.34}, "got 0.34, wanted a number from 0 to 1 in steps of 0.1; the nearest is 0.3"),
        ({"double": 0.9999}, "got 0.9999, wanted a number from 0 to 1 in steps of 0.1; the nearest is 1.0"),
        (
            {"log": 0.02},
            "got 0.02, wanted a number from 0.0001 to 0.1 in steps of 0.5 of the exponent; the nearest is ",
        ),
        ({"net": {"width": 0}}, "got 0, wanted an integer from -3 to 4 in steps of 7; the nearest is "),
        (
            {"large": 10**11 + 1},
            "got 100000000001, wanted an integer from 0 to 1000000000000 in steps of 10; the nearest is ",
        ),
        ({"int": 16.5}, "got 16.5, wanted an integer from 16 to 100 in steps of 16"),
        ({"double": 2}, "got 2, wanted a number from 0 to 1 in steps of 0.1"),
        ({"log": -1}, "got -1, wanted a number from 0.0001 to 0.1 in steps of 0.5 of the exponent"),
        ({"double": True}, "got True, wanted a number from 0 to 1 in steps of 0.1"),
    ],
    ids=str,
)
def test_values_beside_a_step_do_not(change: dict[str, Any], description: str) -> None:
    [found] = wrong(ON_STEPS | change, space_of(STEPS)).values()
    assert found.startswith(description)
    assert found == description or description.endswith("is ")


@given(st.integers(0, 2**32), st.sampled_from([1, 3, 7]), st.sampled_from([0.1, 0.25, 0.003]))
def test_whatever_is_drawn_in_steps_belongs(number: int, whole: int, step: float) -> None:
    space = space_of(
        {
            "i": {"type": "int", "minval": -10, "maxval": 97, "step": whole},
            "d": {"type": "double", "minval": -0.7, "maxval": 2.9, "step": step},
            "l": {"type": "log", "base": 2, "minval": -7, "maxval": 7, "step": step},
        }
    )
    assert wrong(propose(space, 1, number), space) == {}


def test_whole_numbers_are_integers_and_equal_values_are_those_of_the_space() -> None:
    """A worker gets the values that the space would have drawn, however they were written when they were enqueued."""
    kinds = {"type": "categorical", "vals": [16, 32.0, [1], "a", True]}
    space = space_of(
        PARAMETERS | {"batch": kinds, "deep": {"er": {"type": "int", "minval": 1, "maxval": 2000, "step": 1}}}
    )
    given = GOOD | {"const": 3.0, "int": -2.0, "net": {"width": 8e0}, "batch": 16.0, "deep": {"er": 1e3}, "log": 0.1}
    assert wrong(given, space) == {}
    found: Any = as_drawn(space, given)
    assert found == given
    assert [repr(found[name]) for name in ("const", "int", "net", "batch", "deep")] == [
        *("3", "-2", "{'width': 8}", "16", "{'er': 1000}")
    ]
    assert [repr(as_drawn(space, given | {"batch": each})["batch"]) for each in (32, [1.0], True)] == [
        "32.0",
        "[1]",
        "True",
    ]


@pytest.mark.parametrize("value", [3.5, 6.0, -2.5, math.nan, math.inf, "3.0", True])
def test_other_numbers_are_no_integers(value: object) -> None:
    assert "h.int" in wrong(GOOD | {"int": value})


def test_an_integer_beside_a_step_is_named_with_the_nearest_step() -> None:
    space = space_of({"x": {"type": "int", "minval": 10, "maxval": 100, "step": 10}})
    assert wrong({"x": 1e2}, space) == {}
    assert wrong({"x": 14.0}, space)["h.x"].endswith("the nearest is 10")
