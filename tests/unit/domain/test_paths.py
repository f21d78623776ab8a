"""Paths as texts: written in one way, read back as the same, and told apart wherever they stand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.cli.output import settings
from rungway_server.domain.documents.paths import read_path, spelled, values_by_path
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.space.membership import check_configuration
from rungway_server.domain.space.space import Condition
from tests.unit.domain.documents import read

ODD = ("weight.decay", "a=b", "learning-rate", "a/b", "batch size", "a`b", "``", "if", "1st", "é", "x.", ".x", "=")
names = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
paths = st.lists(names, min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("lr",), "lr"),
        (("optimizer", "lr_2"), "optimizer.lr_2"),
        (("weight.decay",), "`weight.decay`"),
        (("opt", "weight.decay", "x"), "opt.`weight.decay`.x"),
        (("learning-rate",), "`learning-rate`"),
        (("a`b",), "`a``b`"),
        (("1st",), "`1st`"),
        (("größe",), "größe"),
    ],
)
def test_how_paths_are_written(path: tuple[str, ...], text: str) -> None:
    assert spelled(*path) == text
    assert read_path(text) == (path, "")


@given(paths, st.text(max_size=5))
def test_what_is_written_is_read(path: tuple[str, ...], value: str) -> None:
    assert read_path(spelled(*path)) == (path, "")
    assert read_path(f"{spelled(*path)}={value}", end="=") == (path, f"={value}")


@given(paths, paths)
def test_different_paths_are_written_differently(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (spelled(*one) == spelled(*other)) == (one == other)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "=1"])
def test_a_missing_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a name is missing"):
        read_path(text, end="=")


def document(space: dict[str, Any], *constraints: str) -> dict[str, Any]:
    searcher = {"name": "random", "metric": "loss", "max_trials": 3}
    return {"hyperparameters": space, "constraints": list(constraints), "searcher": searcher}


UNIT = {"type": "double", "minval": 0, "maxval": 1}
KIND = {"type": "categorical", "vals": ["a", "b"]}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("group", ["g", "g.h", "g=h"])
def test_any_name_can_be_used_in_conditions_and_constraints(name: str, group: str) -> None:
    flat = f"{group}.{name}"  # another parameter, whose name is the path without backquotes
    text, other = spelled(group, name), spelled(flat)
    space = {group: {name: KIND}, flat: UNIT, "x": UNIT | {"when": {text: "b"}}}
    config, _ = parse(document(space, f"if {text} == 'a' then {other} <= 0.5"))
    assert config.space.conditions == {("x",): (Condition((group, name), ("b",)),)}
    assert parse(to_document(config))[0] == config
    for number in range(20):
        drawn: Any = propose(config.space, 1, number)
        assert ("x" in drawn) == (drawn[group][name] == "b")
        assert drawn[group][name] == "b" or drawn[flat] <= 0.5
        assert check_configuration(config.space, drawn) == []
        assert [path for path, _ in values_by_path(drawn)] == [path for path in config.space.leaves if path[0] in drawn]
        assert f"{text}={drawn[group][name]}" in settings(drawn)
    (violation,) = check_configuration(config.space, {group: {name: "c"}, flat: 0.1})
    assert violation.field == f"hparams.{text}"


@pytest.mark.parametrize("text", ["weight.decay", "`weight.decay`"])
def test_backquotes_may_be_left_out_where_nothing_else_is_meant(text: str) -> None:
    """As before there were any, and as stored searches have it."""
    config, _ = parse(document({"weight.decay": 1, "x": UNIT | {"when": {text: 1}}}, f"{text} == 1"))
    assert config.space.conditions[("x",)] == (Condition(("weight.decay",), (1,)),)
    nested, _ = parse(document({"weight": {"decay": 1}, "x": UNIT | {"when": {text: 1}}}, f"{text} == 1"))
    assert nested.space.conditions[("x",)] == (Condition(("weight", "decay"), (1,)),)


def test_a_dot_is_a_group_where_both_are_there() -> None:
    config, _ = parse(document({"a": {"b": 1}, "a.b": 2, "x": UNIT | {"when": {"a.b": 1}}}, "a.b == 1", "`a.b` == 2"))
    assert config.space.conditions[("x",)] == (Condition(("a", "b"), (1,)),)


@pytest.mark.parametrize(
    ("space", "field"),
    [
        ({"a.b": {"c": 1}, "a": {"b.c": 1}, "x": UNIT | {"when": {"a.b.c": 1}}}, "x.when.a.b.c"),
        ({"é": 1, "e\u0301": 2}, "é"),
        ({"g": {"\u212b": 1, "\u00c5": 2}}, "g.\u212b"),
        ({"y": 1, "x": UNIT | {"when": {"y": 1, "`y`": 1}}}, "x.when"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_when_the_space_is_read(space: dict[str, Any], field: str) -> None:
    _, violations = read(space)
    assert [violation.field for violation in violations] == [f"hyperparameters.{field}"]


def test_a_constraint_that_misses_backquotes_is_told_so() -> None:
    with pytest.raises(InvalidInput, match="in backquotes, `learning-rate` is a name"):
        parse(document({"learning-rate": UNIT}, "learning-rate <= 0.5"))


def test_the_places_of_violations_are_written_so_too() -> None:
    _, violations = read({"a.b": {"c d": {"type": "int", "minval": 1}}, "x": {"type": "int", "maxval": 1}})
    assert [violation.field for violation in violations] == [
        "hyperparameters.`a.b`.`c d`.maxval",
        "hyperparameters.x.minval",
    ]
