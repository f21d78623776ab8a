"""A mapping that looks like a range of another tool is refused with what was meant; groups of constants still work."""

import math
import re
from typing import Any

import pytest

from rungway import choice, const
from rungway_server.domain.documents.text import read_value
from rungway_server.domain.experiment import parse
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
    space_document,
)
from tests.unit.domain.documents import read

OTHER_TOOLS: list[tuple[dict[str, Any], object]] = [
    ({"minval": 1, "maxval": 8}, Int(1, 8)),  # Determined and Rungway, without the type
    ({"minval": 0.1, "maxval": 8, "count": 3}, Double(0.1, 8, 3)),
    ({"base": 10, "minval": -5, "maxval": -1}, Log(10, -5, -1)),
    ({"vals": ["a", "b c"]}, Categorical(("a", "b c"))),
    ({"val": 3}, Const(3)),
    ({"min": 1, "max": 5}, Int(1, 5)),  # W&B
    ({"min": 0.0, "max": 1.0}, Double(0, 1)),
    ({"values": [16, 32]}, Categorical((16, 32))),
    ({"value": 5}, Const(5)),
    ({"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1}, LogUniform(1e-5, 0.1)),
    ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 2}, Double(0, 10, None, 2)),
    ({"distribution": "int_uniform", "min": 0, "max": 10}, Int(0, 10)),
    ({"low": 1e-5, "high": 0.1, "log": True}, LogUniform(1e-5, 0.1)),  # Optuna
    ({"low": 1, "high": 9, "step": 2, "log": False}, Int(1, 9, None, 2)),
    ({"name": "FloatDistribution", "attributes": {"low": 0.5, "high": 1, "step": None}}, Double(0.5, 1)),
    ({"choices": [True, None]}, Categorical((True, None))),
    ({"grid_search": [1, 2]}, Categorical((1, 2))),  # Ray Tune
    ({"lower": 1, "upper": 2}, Int(1, 2)),
    ({"lower": 1, "upper": 2, "unit": "cm"}, Int(1, 2)),
    ({"parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.03"}}, Double(0.01, 0.03)),  # Katib
    ({"parameterType": "categorical", "feasibleSpace": {"list": ["sgd"]}}, Categorical(("sgd",))),
    ({"_type": "uniform", "_value": [0, 1]}, Double(0, 1)),  # NNI
    ({"_type": "choice", "_value": [0, 1]}, Categorical((0, 1))),
    ({"MinValue": "1", "MaxValue": "5", "ScalingType": "Logarithmic"}, LogInt(1, 5)),  # SageMaker
    ({"type": "uniform", "min": 0, "max": 1}, Double(0, 1)),
    ({"type": "float", "low": 0, "high": 1, "log": False}, Double(0, 1)),
    ({"type": "choice", "values": [1]}, Categorical((1,))),
    ({"start": 0, "stop": 100}, Int(0, 100)),
    ({"typ": "int", "minval": 1, "maxval": 5, "when": {"a": 1}}, Int(1, 5)),
    ({"tpye": "categorical", "vals": [{"a": 1}]}, None),
    ({"Type": "double", "minval": 1, "maxval": 5}, Double(1, 5)),
    ({"TYPE": "log", "base": 10, "minval": -5, "maxval": -1}, Log(10, -5, -1)),
    ({"types": "const", "val": {"a": 1}}, None),
    ({"distribution": "normal", "mu": 0, "sigma": 1}, Normal(0, 1)),
    ({"distribution": "q_normal", "mu": 0, "sigma": 1, "q": 0.5}, Normal(0, 1, step=0.5)),
    ({"distribution": "log_normal", "mu": -2, "sigma": 0.5}, LogNormal(-2, 0.5)),
    ({"distribution": "q_log_uniform_values", "min": 1, "max": 64, "q": 2}, LogUniform(1, 64, None, 2)),
    ({"distribution": "log_uniform", "min": -9, "max": -2}, Log(math.e, -9, -2)),
    ({"distribution": "inv_log_uniform", "min": 2, "max": 9}, Log(math.e, -9, -2)),
    ({"distribution": "inv_log_uniform_values", "min": 1e-5, "max": 0.1}, LogUniform(1e-5, 0.1)),
    ({"distribution": "constant", "value": 3}, Const(3)),
    ({"distribution": "categorical", "values": ["a", "b"]}, Categorical(("a", "b"))),
    ({"values": ["a", "b"], "probabilities": [0.25, 0.75]}, Categorical(("a", "b"), (0.25, 0.75))),
    ({"low": 8, "high": 512, "log": True}, LogInt(8, 512)),
    ({"low": 8, "high": 512, "log": True, "step": 8}, LogInt(8, 512, None, 8)),
    ({"min": "-1", "max": "1", "distribution": "normal"}, Normal(0, 1 / 3, -1, 1)),  # Katib
    ({"min": "8", "max": "64", "distribution": "logUniform"}, LogUniform(8, 64)),
    ({"min": "8", "max": "64", "step": "8"}, Int(8, 64, None, 8)),
    ({"_type": "randint", "_value": [0, 8]}, Int(0, 7)),  # NNI: below 8
    ({"_type": "quniform", "_value": [0, 1, 0.25]}, Double(0, 1, None, 0.25)),
    ({"_type": "loguniform", "_value": [0.001, 0.1]}, LogUniform(0.001, 0.1)),
    ({"_type": "qloguniform", "_value": [1, 64, 1]}, LogUniform(1, 64, None, 1)),
    ({"_type": "normal", "_value": [0.5, 2]}, Normal(0.5, 2)),
    ({"_type": "qnormal", "_value": [0.5, 2, 1]}, Normal(0.5, 2, step=1)),
    ({"_type": "lognormal", "_value": [-3, 1]}, LogNormal(-3, 1)),
    ({"type": "randn", "mean": 10, "sd": 2}, Normal(10, 2)),  # Ray Tune
    ({"type": "lograndint", "lower": 1, "upper": 100}, LogInt(1, 100)),
    ({"type": "qlograndint", "lower": 8, "upper": 64, "q": 8}, LogInt(8, 64, None, 8)),
    ({"min": 0.9, "max": 0.99, "ScalingType": "ReverseLogarithmic"}, ReverseLogUniform(0.9, 0.99)),
    ({"type": "ordinal_", "values": ["s", "m"]}, Ordinal(("s", "m"))),
    ({"min": 0.1}, None),
]


@pytest.mark.parametrize(("written", "meant"), OTHER_TOOLS, ids=lambda value: str(value)[:60])
def test_a_range_in_other_words_is_refused_with_the_form_that_was_meant(written: dict[str, Any], meant: object) -> None:
    _, (violation,) = read({"g": {"x": written, "y": 1}})
    assert violation.field.startswith("hyperparameters.g.x")
    assert len(violation.description) < 300
    _, found, rest = violation.description.partition("; probably meant: ")
    assert found
    if meant is not None:
        space, violations = read({"x": read_value(rest.partition("}. ")[0].rstrip("}") + "}")})
        assert violations == []
        assert space.entries[0].node == meant


@pytest.mark.parametrize(
    ("written", "nearest"),
    [
        ({"distribution": "beta", "a": 2, "b": 5}, Normal(0.5, 1 / 6, 0, 1)),  # W&B
        ({"distribution": "q_beta", "a": 2, "b": 5, "q": 0.1}, Normal(0.5, 1 / 6, 0, 1, step=0.1)),
        ({"type": "beta", "min": 1, "max": 4}, Normal(2.5, 0.5, 1, 4)),
        ({"type": "sample_from", "low": 0.5, "high": 1}, Double(0.5, 1)),  # Ray Tune
        ({"_type": "layer_choice", "_value": ["conv", "pool"]}, Categorical(("conv", "pool"))),  # NNI
    ],
    ids=str,
)
def test_what_has_no_form_here_is_refused_with_the_nearest(written: dict[str, Any], nearest: object) -> None:
    _, (violation,) = read({"x": written})
    assert len(violation.description) < 350
    _, found, rest = violation.description.partition(" has no form here, the nearest is: ")
    assert found
    space, violations = read({"x": read_value(rest.partition("}. ")[0].rstrip("}") + "}")})
    assert (violations, space.entries[0].node) == ([], nearest)


@pytest.mark.parametrize(
    ("parameter", "hint"),
    [
        ({"type": "double", "minval": 0, "maxval": 1, "q": 0.1}, "q: unknown key, .*; here it is called step"),
        ({"type": "int", "low": 0, "high": 1}, "low: unknown key, .*; here it is called minval"),
        ({"type": "normal", "mean": 0, "sigma": 1}, "mean: unknown key, .*; here it is called mu"),
        ({"type": "categorical", "values": [1]}, "values: unknown key, .*; here it is called vals"),
        ({"type": "ordinal", "vals": [1], "probabilities": [1]}, "probabilities: .*; here it is called weights"),
        ({"type": "categorical", "vals": [1], "step": 1}, "step: unknown key, wanted one of type, vals, weights, when"),
    ],
)
def test_a_key_of_another_tool_is_named(parameter: dict[str, Any], hint: str) -> None:
    _, violations = read({"x": parameter})
    assert any(re.fullmatch(f"hyperparameters.x.{hint}", f"{each.field}: {each.description}") for each in violations)


GROUPS: list[dict[str, Any]] = [
    {"step": {"type": "int", "minval": 1, "maxval": 9}, "base": {"type": "double", "minval": 0, "maxval": 1}},
    {"min": {"type": "double", "minval": 0, "maxval": 1}, "max": 1},
    {"step": 10, "gamma": 0.1},
    {"step": 10, "count": 3},
    {"base": 2},
    {"start": 0, "end": 100, "shape": "linear"},
    {"distribution": "normal", "gain": 1.0},
    {"typ": "adam", "rate": 1},
    {"value": 1, "mean": 0, "std": 1},
    {"a": 1, "value": 2},
    {"mu": 0, "sigma": 1},
    {"values": {"low": {"type": "const", "val": 1}}},
    {"when": {"minval": {"type": "const", "val": 1}}},
    {},
]


@pytest.mark.parametrize("document", GROUPS, ids=str)
def test_what_cannot_be_meant_as_a_range_is_a_group(document: dict[str, Any]) -> None:
    space, violations = read({"g": document})
    assert violations == []
    assert isinstance(space.entries[0].node, Group)


@pytest.mark.parametrize("written", [written for written, _ in OTHER_TOOLS if "type" not in written], ids=str)
def test_a_group_of_constants_says_so_by_its_members(written: dict[str, Any]) -> None:
    """The one documented way; and so is it stored, so that what was stored before stays readable."""
    group = {name: const(value) for name, value in written.items()}
    space, violations = read({"g": group})
    assert violations == []
    assert space_document(space) == {"g": group}
    assert read(space_document(space)) == (space, [])


@pytest.mark.parametrize(
    "value", [[16, 32], (1,), ["a"], [[1, 2], [3]], [0.9, 0.999], list(range(10_000)), []], ids=str
)
def test_a_bare_list_is_refused(value: Any) -> None:
    _, (violation,) = read({"g": {"x": value}})
    assert violation.field == "hyperparameters.g.x"
    assert "{type: const, val: [" in violation.description
    assert ("choice([" in violation.description) == bool(value)
    assert len(violation.description) < 400
    if value:
        space, violations = read({"x": choice(value), "y": const(value)})
        assert violations == []
        assert [entry.node for entry in space.entries] == [Categorical(tuple(value)), Const(list(value))]


def test_a_group_has_no_conditions() -> None:
    inner = {"type": "double", "minval": 0, "maxval": 1}
    _, (violation,) = read({"kind": 1, "sgd": {"when": {"kind": 1}, "momentum": inner}})
    assert violation.field == "hyperparameters.sgd.when"
    assert "each of its parameters" in violation.description


def notes(**keys: float) -> str:
    searcher = {"name": "single", "metric": "loss"}
    return " ".join(parse({"hyperparameters": {"g": {"lr": {"type": "log", **keys}}}, "searcher": searcher})[1])


@pytest.mark.parametrize(
    ("keys", "drawn"),
    [
        ({"base": 10, "minval": 0.0001, "maxval": 1}, "from 1.0002 to 10,"),
        ({"base": 10, "minval": 0, "maxval": 1}, "from 1 to 10,"),
        ({"base": 10, "minval": 1, "maxval": 100}, "from 10 to 1e+100,"),
        ({"base": 2, "minval": 16, "maxval": 512}, "from 65536 to 1.3408e+154,"),
        ({"base": 0.5, "minval": 0.1, "maxval": 2}, "from 0.25 to 0.93303,"),
    ],
)
def test_exponents_that_look_like_bounds_are_noted_with_the_range_they_make(keys: dict[str, float], drawn: str) -> None:
    assert drawn in notes(**keys)
    assert notes(**keys).startswith("hyperparameters.g.lr: ")
    assert "log_uniform" in notes(**keys)


@pytest.mark.parametrize(("base", "minval", "maxval"), [(10, -5, -1), (10, -4, 0), (2, 4, 10), (10, 1, 6), (10, -1, 1)])
def test_usual_exponents_are_not_noted(base: float, minval: float, maxval: float) -> None:
    assert notes(base=base, minval=minval, maxval=maxval) == ""
