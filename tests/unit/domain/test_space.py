"""Reading search spaces: what is accepted, what is refused and where the mistake is said to be."""

import datetime
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.documents.json_values import MAX_DEPTH
from rungway_server.domain.space.reader import MAX_PARAMETERS
from rungway_server.domain.space.space import (
    Categorical,
    Const,
    Double,
    Group,
    Int,
    Log,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    ReverseLogUniform,
    Space,
    space_document,
)
from tests.reference.tables import Case, cases
from tests.unit.domain.documents import read


def good(document: object) -> Space:
    space, violations = read(document)
    assert violations == []
    return space


def node(value: object) -> object:
    (entry,) = good({"p": value}).entries
    return entry.node


@pytest.mark.parametrize("case", cases("config_cases.json", schema="hyperparameter"))
def test_parameters_of_the_table(case: Case) -> None:
    _, violations = read({"p": case["config"]})
    # Where the original is lenient about something meaningless, Rungway refuses.
    assert (violations == []) == (case["sane"] and "lenient" not in case), violations


@pytest.mark.parametrize(
    ("value", "expect"),
    [
        ({"type": "const", "val": [1, {"a": None}]}, Const([1, {"a": None}])),
        ({"type": "int", "minval": -(2**63), "maxval": 2**63 - 1, "count": 3}, Int(-(2**63), 2**63 - 1, 3)),
        ({"type": "double", "minval": -1, "maxval": 2.5}, Double(-1.0, 2.5)),
        ({"type": "log", "base": 10, "minval": -5, "maxval": -1, "count": None}, Log(10.0, -5.0, -1.0)),
        ({"type": "log", "base": 0.5, "minval": 1, "maxval": 3}, Log(0.5, 1.0, 3.0)),
        ({"type": "log", "base": 2, "minval": 4, "maxval": 8, "step": 2}, Log(2.0, 4.0, 8.0, None, 2.0)),
        ({"type": "int", "minval": 1, "maxval": 8, "step": 3}, Int(1, 8, None, 3)),
        ({"type": "double", "minval": 0, "maxval": 1, "step": 0.25, "count": 3}, Double(0.0, 1.0, 3, 0.25)),
        ({"type": "log_uniform", "minval": 1e-5, "maxval": 0.1, "count": 5}, LogUniform(1e-5, 0.1, 5)),
        ({"type": "log_uniform", "minval": 0.1, "maxval": 1, "step": 0.1}, LogUniform(0.1, 1.0, None, 0.1)),
        ({"type": "double", "minval": 0.1, "maxval": 1, "log": True}, LogUniform(0.1, 1.0)),
        ({"type": "double", "minval": 0, "maxval": 1, "log": False}, Double(0.0, 1.0)),
        ({"type": "int", "minval": 1, "maxval": 8, "log": False}, Int(1, 8)),
        ({"type": "int", "minval": 1, "maxval": 8, "log": True, "step": 3, "count": 2}, LogInt(1, 8, 2, 3)),
        ({"type": "log_int", "minval": 1, "maxval": 2**63 - 1}, LogInt(1, 2**63 - 1)),
        ({"type": "reverse_log_uniform", "minval": 0, "maxval": 0.99}, ReverseLogUniform(0.0, 0.99)),
        ({"type": "normal", "mu": 0, "sigma": 1}, Normal(0.0, 1.0)),
        ({"type": "normal", "mu": 0, "sigma": 1, "minval": -1, "step": 0.5}, Normal(0.0, 1.0, -1.0, None, None, 0.5)),
        ({"type": "lognormal", "mu": -3, "sigma": 1, "maxval": 1, "count": 3}, LogNormal(-3.0, 1.0, None, 1.0, 3)),
        ({"type": "categorical", "vals": ["a", None, [1]]}, Categorical(("a", None, [1]))),
        ({"type": "categorical", "vals": ["a", "b"], "weights": [1, 0.5]}, Categorical(("a", "b"), (1.0, 0.5))),
        ({"type": "ordinal", "vals": [8, 16, 32]}, Ordinal((8, 16, 32))),
        ({"type": "ordinal", "vals": ["s", "m"], "weights": [3, 1]}, Ordinal(("s", "m"), (3.0, 1.0))),
        ("relu", Const("relu")),
        (None, Const(None)),
        ({"type": "const", "val": [1, {"type": "int"}]}, Const([1, {"type": "int"}])),
        ({}, Group()),
    ],
)
def test_kinds(value: object, expect: object) -> None:
    assert node(value) == expect


def test_numbers_keep_their_type() -> None:
    double = node({"type": "double", "minval": 0, "maxval": 1})
    assert isinstance(double, Double)
    assert isinstance(double.minval, float)
    assert repr(node(1)) == "Const(val=1)"
    assert repr(node(1.0)) == "Const(val=1.0)"
    assert repr(node(True)) == "Const(val=True)"


def test_names_are_in_byte_order_whatever_the_order_of_the_document() -> None:
    names = ["b", "é", "a", "B", "z", "\U0001f600", "\uffff"]
    space = good(dict.fromkeys(names, 1))
    assert [entry.name for entry in space.entries] == ["B", "a", "b", "z", "é", "\uffff", "\U0001f600"]
    assert space == good(dict.fromkeys(reversed(names), 1))


def test_streams_depend_on_the_whole_path() -> None:
    space = good({"a": {"b": 1}, "ab": 1, "b": {"a": 1}, "c": {"b": 1}})
    streams = [entry.stream for entry in space.entries]
    streams += [entry.stream for path, entry in space.leaves.items() if len(path) > 1]
    assert len(set(streams)) == 7


def test_a_space_is_a_copy() -> None:
    values: list[object] = [1]
    document = {"c": {"type": "const", "val": values}, "d": {"type": "categorical", "vals": [values]}}
    space = good(document)
    values.append(2)
    assert [entry.node for entry in space.entries] == [Const([1]), Categorical(([1],))]


BAD: list[tuple[object, list[str]]] = [
    ([], [""]),
    ("x", [""]),
    ({"p": {"type": "tournament"}}, [".p.type"]),
    ({"p": {"type": ["int"]}}, [".p.type"]),
    ({"p": {"type": "int"}}, [".p.minval", ".p.maxval"]),
    ({"p": {"type": "int", "minval": True, "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3.5}}, [".p.maxval"]),
    ({"p": {"type": "int", "minval": "0", "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "int", "minval": 3, "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "int", "minval": 4, "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 2**63}}, [".p.maxval"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 10**5000}}, [".p.maxval"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "count": 0}}, [".p.count"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "count": 1.5}}, [".p.count"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "steps": 1}}, [".p.steps"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "step": 0}}, [".p.step"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "step": 4}}, [".p.step"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "step": 1.5}}, [".p.step"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 3, "step": 0}}, [".p.step"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 3, "step": 3.1}}, [".p.step"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 3, "step": "x"}}, [".p.step"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 3, "step": 1e-300}}, [".p.step"]),
    ({"p": {"type": "log", "base": 10, "minval": -3, "maxval": 1, "step": -1}}, [".p.step"]),
    ({"p": {"type": "log_uniform", "minval": 0, "maxval": 1}}, [".p.minval"]),
    ({"p": {"type": "log_uniform", "minval": 2, "maxval": 1}}, [".p.minval"]),
    ({"p": {"type": "log_uniform", "minval": 1, "maxval": 2, "step": 1.5}}, [".p.step"]),
    ({"p": {"type": "log_uniform", "minval": 1e307, "maxval": 1.7e308, "step": 1e308}}, [".p.step"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 1, "log": True}}, [".p.minval"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 1, "log": "yes"}}, [".p.log"]),
    ({"p": {"type": "int", "minval": 0, "maxval": 3, "log": True}}, [".p.minval"]),
    ({"p": {"type": "int", "minval": 1, "maxval": 3, "log": 1}}, [".p.log"]),
    ({"p": {"type": "log_int", "minval": 0, "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "log_int", "minval": 3, "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "log_int", "minval": 1.5, "maxval": 3}}, [".p.minval"]),
    ({"p": {"type": "log_int", "minval": 1, "maxval": 3, "step": 0}}, [".p.step"]),
    ({"p": {"type": "log_int", "minval": 1, "maxval": 3, "step": 3}}, [".p.step"]),
    ({"p": {"type": "log_int", "minval": 1, "maxval": 3, "log": True}}, [".p.log"]),
    ({"p": {"type": "log_int", "minval": 1, "maxval": 3, "base": 2}}, [".p.base"]),
    ({"p": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 1}}, [".p.maxval"]),
    ({"p": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.9}}, [".p.minval"]),
    ({"p": {"type": "reverse_log_uniform", "minval": -0.1, "maxval": 0.9}}, [".p.minval"]),
    ({"p": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.99, "step": 0.1}}, [".p.step"]),
    ({"p": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": math.nan}}, [".p.maxval"]),
    ({"p": {"type": "normal"}}, [".p.mu", ".p.sigma"]),
    ({"p": {"type": "normal", "mu": math.inf, "sigma": 1}}, [".p.mu"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": math.nan}}, [".p.sigma"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 0}}, [".p.sigma"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": -1}}, [".p.sigma"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1e308}}, [".p.sigma", ".p.sigma"]),
    ({"p": {"type": "normal", "mu": 1, "sigma": 1e-300}}, [".p.sigma"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "minval": 2, "maxval": 2}}, [".p.minval"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "minval": 11}}, [".p.minval"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "maxval": -11}}, [".p.maxval"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "minval": 7, "maxval": 9}}, [".p.minval"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "maxval": -7}}, [".p.maxval"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "step": 0}}, [".p.step"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "step": -1}}, [".p.step"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "step": 21}}, [".p.step"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "step": 15}}, [".p.step"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "step": 1e-300}}, [".p.step"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "minval": 0, "maxval": 1, "step": 1.5}}, [".p.step"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "step": 1, "count": 10_001}}, [".p.count"]),
    ({"p": {"type": "normal", "mu": 0, "sigma": 1, "base": 2}}, [".p.base"]),
    ({"p": {"type": "lognormal", "mu": 0, "sigma": 71}}, [".p.sigma", ".p.sigma"]),
    ({"p": {"type": "lognormal", "mu": 800, "sigma": 1, "minval": 1}}, [".p.sigma"]),
    ({"p": {"type": "lognormal", "mu": 0, "sigma": 1, "minval": 0}}, [".p.minval"]),
    ({"p": {"type": "lognormal", "mu": 0, "sigma": 1, "minval": -5, "maxval": -1}}, [".p.minval", ".p.maxval"]),
    ({"p": {"type": "lognormal", "mu": 0, "sigma": 0.1, "step": 2}}, [".p.step"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": [1]}}, [".p.weights"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": []}}, [".p.weights"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": 1}}, [".p.weights"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": [1, -1]}}, [".p.weights[1]"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": [0, 0]}}, [".p.weights[0]"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": [True, 1]}}, [".p.weights[0]"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": [1, math.nan]}}, [".p.weights[1]"]),
    ({"p": {"type": "categorical", "vals": [1, 2], "weights": [1, 1e10]}}, [".p.weights[1]"]),
    ({"p": {"type": "categorical", "vals": [1, 1.0], "weights": [1, 2]}}, [".p.vals[1]"]),
    ({"p": {"type": "ordinal", "vals": []}}, [".p.vals"]),
    ({"p": {"type": "ordinal", "vals": ["a", "b", "a"]}}, [".p.vals[2]"]),
    ({"p": {"type": "ordinal", "vals": [1, 2], "step": 1}}, [".p.step"]),
    ({"p": {"type": "log_uniform", "minval": 1, "maxval": 2, "base": 10}}, [".p.base"]),
    ({"p": {"type": "double", "minval": 1.0, "maxval": 1.0}}, [".p.minval"]),
    ({"p": {"type": "double", "minval": math.nan, "maxval": 1}}, [".p.minval"]),
    ({"p": {"type": "double", "minval": 0, "maxval": math.inf}}, [".p.maxval"]),
    ({"p": {"type": "double", "minval": 0, "maxval": 10**400}}, [".p.maxval"]),
    ({"p": {"type": "double", "minval": -1e308, "maxval": 1e308}}, [".p.maxval"]),
    ({"p": {"type": "double", "minval": False, "maxval": 1}}, [".p.minval"]),
    ({"p": {"type": "log", "minval": -3, "maxval": 1}}, [".p.base"]),
    ({"p": {"type": "log", "base": 0, "minval": -3, "maxval": 1}}, [".p.base"]),
    ({"p": {"type": "log", "base": -10, "minval": -3, "maxval": 1}}, [".p.base"]),
    ({"p": {"type": "log", "base": 1, "minval": -3, "maxval": 1}}, [".p.base"]),
    ({"p": {"type": "log", "base": 10, "minval": 1, "maxval": -3}}, [".p.minval"]),
    ({"p": {"type": "log", "base": 10, "minval": 1, "maxval": 400}}, [".p.maxval"]),
    ({"p": {"type": "log", "base": 10, "minval": -400, "maxval": 1}}, [".p.minval"]),
    ({"p": {"type": "categorical"}}, [".p.vals"]),
    ({"p": {"type": "categorical", "vals": []}}, [".p.vals"]),
    ({"p": {"type": "categorical", "vals": "abc"}}, [".p.vals"]),
    ({"p": {"type": "categorical", "vals": [1, math.nan]}}, [".p.vals[1]"]),
    ({"p": {"type": "categorical", "vals": [0] * 10_001}}, [".p.vals"]),
    ({"p": {"type": "const"}}, [".p.val"]),
    ({"p": {"type": "const", "val": {"a": [0, 2**64]}}}, [".p.val.a[1]"]),
    ({"p": datetime.date(2024, 1, 1)}, [".p"]),
    ({"p": b"bytes"}, [".p"]),
    ({"p": "\ud800"}, [".p"]),
    ({"p": "x" * 10_001}, [".p"]),
    ({"g": {"h": {"lr": {"type": "double", "minval": 2, "maxval": 1}}}}, [".g.h.lr.minval"]),
    ({1: 2}, [".1"]),
    ({"": 2}, ["."]),
    ({"g": {None: 2}}, [".g.None"]),
    ({"\udfff": 2}, [".\udfff"]),
    ({"a": {"type": "x"}, "b": {"type": "int", "minval": 1}, "c": {3: 4}}, [".a.type", ".b.maxval", ".c.3"]),
]


@pytest.mark.parametrize(("document", "paths"), BAD)
def test_every_violation_has_its_path(document: object, paths: list[str]) -> None:
    _, violations = read(document)
    assert [violation.field for violation in violations] == ["hyperparameters" + path for path in paths]
    assert all(len(violation.description) < 300 for violation in violations)


def test_a_base_says_what_it_must_be() -> None:
    _, (violation,) = read({"lr": {"type": "log", "base": -10, "minval": -5, "maxval": -1}})
    assert violation.description == "got -10.0, wanted a positive number other than 1: values are base ** exponent"


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {"x": 1}
    for _ in range(depth):
        document = {"g": document}
    return document


def test_depth_is_limited() -> None:
    good(nested(MAX_DEPTH))
    _, (violation,) = read(nested(MAX_DEPTH + 1))
    assert violation.field == "hyperparameters" + ".g" * (MAX_DEPTH + 1)
    read(nested(5000))


def test_depth_of_values_is_limited() -> None:
    value: object = 0
    for _ in range(5000):
        value = [value]
    _, (violation,) = read({"p": {"type": "const", "val": value}})
    assert violation.field == "hyperparameters.p.val" + "[0]" * MAX_DEPTH
    read({"p": value})


def test_the_number_of_parameters_is_limited() -> None:
    names = [f"p{i}" for i in range(MAX_PARAMETERS)]
    good({"g": dict.fromkeys(names, 1)})
    _, (violation,) = read({"g": dict.fromkeys(names, 1), "one": "more"})
    assert violation.field == "hyperparameters"


name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4).filter(
    lambda text: text not in ("type", "when")  # in a group they are likely to be meant as those of a parameter
)
number = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_value = st.recursive(
    st.none() | st.booleans() | number | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(name, inner, max_size=3),
    max_leaves=5,
)
bounds = st.lists(st.integers(-300, 300), min_size=2, max_size=2, unique=True).map(sorted)
count = st.none() | st.integers(1, 9)


def ranged(kind: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda pair, **keys: {"type": kind, "minval": pair[0], "maxval": pair[1], **keys}, bounds, count=count, **more
    )


plain_logs = st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=2, unique=True).map(sorted)
LATER: tuple[dict[str, Any], ...] = (
    {"type": "log_uniform", "minval": 0.5, "maxval": 64.0, "step": 0.5, "count": 7},
    {"type": "log_int", "minval": 1, "maxval": 9, "count": 4},
    {"type": "log_int", "minval": 3, "maxval": 10**12, "step": 1000},
    {"type": "reverse_log_uniform", "minval": 0.5, "maxval": 0.9999, "count": 3},
    {"type": "reverse_log_uniform", "minval": 0.1, "maxval": 0.9, "step": 0.1},
    {"type": "normal", "mu": -3.0, "sigma": 2.0},
    {"type": "normal", "mu": 5.0, "sigma": 2.0, "minval": 6.0, "maxval": 9.5, "step": 0.25},
    {"type": "lognormal", "mu": 0.0, "sigma": 2.0, "maxval": 100.0, "count": 4},
    {"type": "lognormal", "mu": 1.0, "sigma": 0.5, "step": 0.5},
    {"type": "categorical", "vals": ["a", None, 2.5], "weights": [1, 2, 3.5]},
    {"type": "ordinal", "vals": ["s", "m", "l"]},
)
"""One or two of each kind that came after the first ones."""
parameter = st.one_of(
    st.builds(lambda val: {"type": "const", "val": val}, json_value),
    json_value.filter(lambda value: not isinstance(value, dict | list)),
    st.builds(lambda vals: {"type": "categorical", "vals": vals}, st.lists(json_value, min_size=1, max_size=3)),
    ranged("int", step=st.none() | st.just(1)),
    ranged("double", step=st.none() | st.sampled_from([1.0, 0.1, 0.3])),
    ranged("log", base=st.floats(1.1, 10), step=st.none() | st.just(0.5)),
    st.builds(lambda pair: {"type": "log_uniform", "minval": pair[0], "maxval": pair[1]}, plain_logs),
    st.builds(lambda kind: dict(kind), st.sampled_from(LATER)),
)
spaces = st.recursive(
    st.dictionaries(name, parameter, max_size=4),
    lambda inner: st.dictionaries(name, inner | parameter, max_size=3),
    max_leaves=6,
)


@given(spaces)
def test_documents_read_back_as_the_same_space(document: dict[str, object]) -> None:
    space = good(document)
    written = json.loads(json.dumps(space_document(space)))
    assert good(written) == space
    assert hash(good(written)) == hash(space)
    assert space_document(good(written)) == space_document(space)


keys = st.text() | st.integers() | st.sampled_from(["type", "minval", "maxval", "vals"])
anything = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from(["int", "log"]),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=20,
)


@given(anything)
def test_nothing_breaks_the_reader(document: object) -> None:
    space, violations = read(document)
    if not violations:
        assert good(space_document(space)) == space
