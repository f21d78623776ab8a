"""Finite spaces: which point a configuration is, and in which order the points come."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.experiment import parse
from rungway_server.domain.sampling.sampling import Counted, as_proposed, counted, propose
from rungway_server.domain.space.axes import Axis, grid, support
from rungway_server.domain.space.space import Double, Int, Log, LogUniform, Space

SPACES: dict[str, dict[str, Any]] = {
    "conditions": {
        "a": {"type": "int", "minval": -3, "maxval": 9, "step": 4, "when": {"g.kind": ["x", True]}},
        "g": {"kind": {"type": "categorical", "vals": ["x", "y", 1, True, 1.0, None]}},
        "c": 3,
    },
    "numbers": {
        "d": {"type": "double", "minval": -0.3, "maxval": 0.7, "step": 0.1},
        "l": {"type": "log", "base": 0.5, "minval": -2, "maxval": 3, "step": 1},
        "i": {"type": "int", "minval": 2, "maxval": 8, "count": 7},
    },
}


def space(name: str, source: str = "random", *constraints: str) -> Space:
    searcher: dict[str, object] = {"name": "random", "metric": "loss", "max_trials": 8, "sampler": source}
    if source == "grid":
        searcher = {"name": "grid", "metric": "loss"}
    document = {"hyperparameters": SPACES[name], "searcher": searcher, "constraints": list(constraints)}
    return parse(document)[0].space


def points_of(one: Space, seed: int = 0, times: int = 1) -> list[str]:
    """The first pass through all points, or the first few."""
    found = counted(one)
    assert found
    return [json.dumps(propose(one, seed, number)) for number in range(times * found.points)]


@pytest.mark.parametrize("source", ["random", "sobol", "grid"])
@pytest.mark.parametrize(
    ("name", "constraints"),
    [*((name, ()) for name in SPACES), ("conditions", ("c == 3", "a != 1")), ("numbers", ("d <= 0.2 or i > 6",))],
)
def test_each_pass_has_every_point(name: str, source: str, constraints: tuple[str, ...]) -> None:
    one = space(name, source, *constraints)
    passes = points_of(one, times=3)
    size = len(passes) // 3
    assert size > 5
    assert {frozenset(passes[at : at + size]) for at in (0, size, 2 * size)} == {frozenset(passes)}
    assert len(set(passes)) == size
    assert set(passes) == set(points_of(space(name, "grid", *constraints)))
    if source != "grid":
        assert passes[:size] != passes[size : 2 * size]
        assert passes[:size] != points_of(one, seed=1)


@pytest.mark.parametrize("name", SPACES)
def test_a_point_is_itself(name: str) -> None:
    one = space(name)
    for text in points_of(one):
        assert json.dumps(as_proposed(one, json.loads(text))) == text


def test_a_sobol_search_takes_the_points_as_its_sequence_comes_upon_them() -> None:
    """The draws of a space with as many values that are not counted, without those that came before."""
    sides = {name: {"type": "int", "minval": 1, "maxval": 8} for name in "ab"}
    section = {"name": "random", "metric": "loss", "max_trials": 8, "sampler": "sobol"}
    small = parse({"hyperparameters": sides, "searcher": section})[0].space
    units = {name: {"type": "double", "minval": 0, "maxval": 1} for name in "ab"}
    drawn: list[Any] = [
        propose(parse({"hyperparameters": units, "searcher": section})[0].space, 3, number) for number in range(128)
    ]
    cells = [{name: 1 + int(each[name] * 8) for name in "ab"} for each in drawn]
    assert [propose(small, 3, number) for number in range(64)] == list({str(cell): cell for cell in cells}.values())


@pytest.mark.parametrize(
    ("source", "document", "found"),
    [
        ("random", {}, None),
        ("random", {"c": 3}, None),
        ("random", {"x": {"type": "categorical", "vals": [1, 2]}}, Counted(2, 0)),
        ("sobol", {"x": {"type": "categorical", "vals": [1, 2]}}, Counted(2, 0)),
        ("random", {"x": {"type": "int", "minval": 1, "maxval": 100_000}}, Counted(100_000, 0)),
        ("random", {"x": {"type": "int", "minval": 0, "maxval": 100_000}}, None),
        ("random", {"x": {"type": "double", "minval": 0, "maxval": 1}}, None),
        ("grid", {}, Counted(1, 3)),
        ("grid", {"x": {"type": "double", "minval": 0, "maxval": 1, "count": 200_000}}, Counted(200_000, 3)),
    ],
)
def test_what_is_counted(source: str, document: dict[str, object], found: Counted | None) -> None:
    searcher: dict[str, object] = {"name": "random", "metric": "loss", "max_trials": 8, "sampler": source}
    if source == "grid":
        searcher = {"name": "grid", "metric": "loss", "num_samples": 3}
    assert counted(parse({"hyperparameters": document, "searcher": searcher})[0].space) == found


AXES = [
    grid(Double(-0.3, 0.7, count=11)),
    grid(Log(0.1, -2.0, 3.0, count=9)),
    grid(LogUniform(1e-9, 1e3, count=6)),
    grid(Int(-7, 10**12, count=5)),
    support(Int(-7, 90, step=3)),
    support(Double(0.0, 1.0, step=0.1)),
    support(Log(3.0, -2.0, 3.0, step=0.25)),
    support(Int(4, 4)),
]


@pytest.mark.parametrize("axis", AXES)
def test_every_value_is_at_its_own_place(axis: Axis) -> None:
    assert [axis.nearest(axis.at(place)) for place in range(axis.size)] == list(range(axis.size))


@given(st.sampled_from(AXES), st.floats(-1e13, 1e13))
def test_no_value_is_nearer(axis: Axis, value: float) -> None:
    values: list[Any] = [axis.at(place) for place in range(axis.size)]
    assert abs(values[axis.nearest(value)] - value) == min(abs(each - value) for each in values)
