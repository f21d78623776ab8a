"""Conditional parameters."""

from typing import Any

import pytest

from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.space.conditions import MAX_CHAIN
from rungway_server.domain.space.space import Condition, Space
from tests.unit.domain.documents import read

UNIT = {"type": "double", "minval": 0, "maxval": 1}
SPACE: dict[str, Any] = {
    "momentum": {**UNIT, "when": {"optimizer.kind": ["sgd", "rmsprop"]}},
    "nesterov": {"type": "categorical", "vals": [True, False], "when": {"optimizer.kind": "sgd", "layers": [2, 3]}},
    "nesterov_decay": {**UNIT, "when": {"nesterov": True}},
    "optimizer": {
        "kind": {"type": "categorical", "vals": ["adam", "sgd", "rmsprop"]},
        "beta": {"type": "const", "val": 0.9, "when": {"optimizer.kind": "adam"}},
    },
    "layers": {"type": "int", "minval": 1, "maxval": 3},
    "lr": UNIT,
}


def parsed(space: dict[str, Any], **searcher: Any) -> Space:
    section = {"name": "random", "metric": "loss", "max_trials": 3, **searcher}
    config, _ = parse({"hyperparameters": space, "searcher": section})
    assert parse(to_document(config))[0] == config
    return config.space


def test_conditions_are_read() -> None:
    space = parsed(SPACE)
    kind = ("optimizer", "kind")
    assert space.conditions == {
        ("momentum",): (Condition(kind, ("sgd", "rmsprop")),),
        ("nesterov",): (Condition(("layers",), (2, 3)), Condition(kind, ("sgd",))),
        ("nesterov_decay",): (Condition(("nesterov",), (True,)),),
        ("optimizer", "beta"): (Condition(kind, ("adam",)),),
    }


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_parameters_exist_only_when_their_conditions_hold(sampler: str) -> None:
    space, seen = parsed(SPACE, sampler=sampler), set()
    for number in range(200):
        drawn: Any = propose(space, 1, number)
        kind = drawn["optimizer"]["kind"]
        assert ("momentum" in drawn) == (kind in ("sgd", "rmsprop"))
        assert ("nesterov" in drawn) == (kind == "sgd" and drawn["layers"] >= 2)
        assert ("nesterov_decay" in drawn) == (drawn.get("nesterov") is True)
        assert ("beta" in drawn["optimizer"]) == (kind == "adam")
        assert list(drawn) == sorted(drawn)
        seen.add((kind, "nesterov" in drawn, "nesterov_decay" in drawn))
    assert len(seen) == 5


def test_a_condition_changes_no_value() -> None:
    free = parsed({key: {k: v for k, v in value.items() if k != "when"} for key, value in SPACE.items()})
    bound = parsed(SPACE)
    for number in range(50):
        whole, part = propose(free, 5, number), propose(bound, 5, number)
        assert {key: whole[key] for key in part if key != "optimizer"} == {
            key: value for key, value in part.items() if key != "optimizer"
        }


def test_true_is_not_one() -> None:
    space = parsed({"flag": {"type": "categorical", "vals": [True, 1]}, "x": {**UNIT, "when": {"flag": 1}}})
    for number in range(20):
        drawn = propose(space, 1, number)
        assert ("x" in drawn) == (drawn["flag"] is not True)


def test_a_group_of_absent_parameters_stays_empty() -> None:
    space = parsed({"kind": {"type": "categorical", "vals": ["a"]}, "g": {"x": {**UNIT, "when": {"h": 2}}}, "h": 2})
    assert propose(space, 0, 0).keys() == {"g", "h", "kind"}
    never = parsed({"a": {"type": "int", "minval": 0, "maxval": 9}, "g": {"x": {**UNIT, "when": {"a": 9}}}})
    assert any(propose(never, 0, number)["g"] == {} for number in range(5))


CHOICE = {"type": "categorical", "vals": ["a", ["b"]]}
BAD: list[tuple[Any, str]] = [
    ({"x": {**UNIT, "when": {"y": 1}}}, "x.when.y"),
    ({"x": {**UNIT, "when": {"g": 1}}, "g": {}}, "x.when.g"),
    ({"x": {**UNIT, "when": {"b": 1}}, "g": {"b": 1}}, "x.when.b"),
    ({"x": {**UNIT, "when": {"g.b.c": 1}}, "g": {"b.c": 1}, "g.b": {"c": 1}}, "x.when.g.b.c"),
    ({"x": {**UNIT, "when": {"`b`": 1, "b": 1}}, "b": 1}, "x.when"),
    ({"x": {**UNIT, "when": {"g.": 1}}, "g": {"b": 1}}, "x.when.g."),
    ({"x": {**UNIT, "when": {"y": 0.5}}, "y": UNIT}, "x.when.y"),
    ({"x": {**UNIT, "when": {"y": "c"}}, "y": CHOICE}, "x.when.y"),
    ({"x": {**UNIT, "when": {"y": ["b"]}}, "y": CHOICE}, "x.when.y"),
    ({"x": {**UNIT, "when": {"y": []}}, "y": CHOICE}, "x.when.y"),
    ({"x": {**UNIT, "when": {"y": 4}}, "y": {"type": "int", "minval": 1, "maxval": 9, "step": 2}}, "x.when.y"),
    ({"x": {**UNIT, "when": {"y": True}}, "y": {"type": "int", "minval": 1, "maxval": 9}}, "x.when.y"),
    ({"x": {**UNIT, "when": {"y": 1}}, "y": True}, "x.when.y"),
    ({"x": {**UNIT, "when": "y"}, "y": 1}, "x.when"),
    ({"x": {**UNIT, "when": {"": 1}}}, "x.when."),
    ({"x": {**UNIT, "when": {"x": 1}}, "y": 1}, "x.when.x"),
]


@pytest.mark.parametrize(("document", "path"), BAD)
def test_every_violation_has_its_path(document: Any, path: str) -> None:
    _, violations = read(document)
    assert [violation.field for violation in violations] == [f"hyperparameters.{path}"]


def test_alternatives_that_are_lists_stand_in_a_list() -> None:
    space = parsed({"x": {**UNIT, "when": {"y": [["b"]]}}, "y": CHOICE})
    assert space.conditions == {("x",): (Condition(("y",), (["b"],)),)}


def chained(names: list[str]) -> dict[str, Any]:
    flag = {"type": "categorical", "vals": [True, False]}
    links = zip(names, [*names[1:], None], strict=True)
    return {name: flag if after is None else {**flag, "when": {after: True}} for name, after in links}


def test_circles_are_refused() -> None:
    space = chained(["a", "b", "c"])
    space["c"]["when"] = {"a": True}
    space["d"] = {"type": "int", "minval": 0, "maxval": 1, "when": {"a": False}}
    _, (violation,) = read(space)
    assert violation.field == "hyperparameters.a.when"
    assert "in a circle" in violation.description
    assert "a, b, c, d" in violation.description


def test_chains_are_limited() -> None:
    parsed(chained([f"p{i}" for i in range(MAX_CHAIN + 1)]))
    _, (violation,) = read(chained([f"p{i}" for i in range(MAX_CHAIN + 2)]))
    assert f"more than {MAX_CHAIN} steps" in violation.description
