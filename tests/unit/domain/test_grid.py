"""Grids: their points, their order, and what cannot be one."""

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.sampling.points import points_of
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.search.plan import Bracket, Plan, Rung
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import PreviewRow, preview
from tests.reference.tables import Case, cases

GRID = {"name": "grid", "metric": "loss"}


def planned(space: Any, constraints: tuple[str, ...] = (), **searcher: object) -> tuple[Plan, list[dict[str, object]]]:
    document = {"hyperparameters": space, "constraints": list(constraints), "searcher": {**GRID, **searcher}}
    config, _ = parse(document)
    assert parse(json.loads(json.dumps(to_document(config))))[0] == config
    plan, _ = make_plan(config.searcher, config.space)
    return plan, [propose(config.space, config.seed, number) for number in range(plan.max_trials)]


def points(space: Any, *constraints: str) -> list[dict[str, object]]:
    return planned(space, constraints)[1][::-1]


def violations(space: Any, constraints: tuple[str, ...] = (), **searcher: object) -> list[Violation]:
    with pytest.raises(InvalidInput) as caught:
        planned(space, constraints, **searcher)
    return list(caught.value.violations)


def alike(found: object, expect: object) -> bool:
    if isinstance(found, dict) and isinstance(expect, dict):
        return list(found) == list(expect) and all(alike(found[key], expect[key]) for key in found)
    if isinstance(found, float):
        return isinstance(expect, int | float) and math.isclose(found, expect, rel_tol=1e-12)
    return found == expect and type(found) is type(expect)


@pytest.mark.parametrize("case", cases("hyperparameter_grid_cases.json", expect_points=...))
def test_points_of_the_table(case: Case) -> None:
    found = points(case["hyperparameters"])
    ordered = [dict(sorted(point.items())) for point in case["expect_points"]]
    assert len(found) == len(ordered)
    assert all(map(alike, found, ordered)), found


@pytest.mark.parametrize("case", cases("hyperparameter_grid_cases.json", expect_size=...))
def test_sizes_of_the_table(case: Case) -> None:
    assert len(points(case["hyperparameters"])) == case["expect_size"]


@pytest.mark.parametrize("case", cases("random_grid_cases.json", expect_params_in_creation_order=...))
def test_trials_take_the_points_from_the_last_to_the_first(case: Case) -> None:
    plan, suggestions = planned(case["hyperparameters"])
    assert suggestions == case["expect_params_in_creation_order"]
    assert plan.brackets == (Bracket((Rung(1),), 4, 16),)


def grids() -> list[Any]:
    return [param for param in cases("random_grid_cases.json", hyperparameters=...)]


@pytest.mark.parametrize("case", grids())
def test_grid_searches_of_the_table_run_every_point_once(case: Case) -> None:
    plan, _ = planned(case["hyperparameters"], **case["config"])
    runs = case.get("expect_multiset") or case["trials"]
    assert plan.max_trials == len(runs)
    if "max_length" in case["config"]:
        (length,) = case["config"]["max_length"].values()
        assert preview(plan).total == (PreviewRow(len(runs), length),)


@pytest.mark.parametrize("case", cases("config_cases.json", schema="experiment-grid"))
def test_counts_of_the_table(case: Case) -> None:
    most = None if case["searcher"] == "grid" else 2
    try:
        planned(case["hyperparameters"], name=case["searcher"], max_trials=most)
    except InvalidInput:
        assert not case["sane"]
    else:
        assert case["sane"]


def test_every_missing_count_is_named() -> None:
    space = {"a": {"type": "int", "minval": 1, "maxval": 2}, "g": {"b": {"type": "double", "minval": 0, "maxval": 1}}}
    assert [violation.field for violation in violations(space)] == [
        "hyperparameters.a.count",
        "hyperparameters.g.b.count",
    ]


def test_a_step_needs_no_count() -> None:
    assert points({"x": {"type": "double", "minval": 0, "maxval": 1, "step": 0.3}}) == [
        {"x": 0.0},
        {"x": 0.3},
        {"x": 0.6},
        {"x": 0.9},
    ]
    assert [point["x"] for point in points({"x": {"type": "int", "minval": 3, "maxval": 10, "step": 3}})] == [3, 6, 9]
    log = {"type": "log", "base": 2, "minval": 3, "maxval": 7, "step": 2}
    assert [point["x"] for point in points({"x": log})] == [8.0, 32.0, 128.0]


@pytest.mark.parametrize(
    ("count", "expect"), [(1, [0.5]), (2, [0.0, 1.0]), (3, [0.0, 0.5, 1.0]), (9, [0.0, 0.25, 0.5, 0.75, 1.0])]
)
def test_a_count_picks_among_the_steps(count: int, expect: list[float]) -> None:
    space = {"x": {"type": "double", "minval": 0, "maxval": 1.1, "step": 0.25, "count": count}}
    assert [point["x"] for point in points(space)] == expect


def test_plain_logs_are_spread_on_a_logarithmic_scale_with_exact_ends() -> None:
    space = {"x": {"type": "log_uniform", "minval": 0.3, "maxval": 30, "count": 3}}
    assert [point["x"] for point in points(space)] == [0.3, pytest.approx(3.0, rel=1e-15), 30.0]
    assert points({"x": {**space["x"], "count": 1}}) == [{"x": pytest.approx(3.0)}]


def test_samples_repeat_the_whole_grid() -> None:
    space = {"x": {"type": "categorical", "vals": [1, 2, 3]}}
    plan, suggestions = planned(space, num_samples=2, max_length={"epochs": 5}, max_concurrent_trials=0)
    assert [suggestion["x"] for suggestion in suggestions] == [3, 2, 1, 3, 2, 1]
    assert plan.brackets == (Bracket((Rung(5),), 6, 6),)


def test_a_grid_without_parameters_is_one_trial() -> None:
    assert planned({})[1] == [{}]
    assert planned({"g": {}, "c": 3})[1] == [{"c": 3, "g": {}}]


def test_values_that_are_equal_are_one_point() -> None:
    assert [point["x"] for point in points({"x": {"type": "categorical", "vals": [1, True, 1.0, 1, [1], [1]]}})] == [
        1,
        True,
        1.0,
        [1],
    ]


OPTIMIZERS = {
    "a_momentum": {"type": "double", "minval": 0, "maxval": 1, "count": 2, "when": {"optimizer": ["sgd", "rmsprop"]}},
    "b_nesterov": {"type": "categorical", "vals": [False, True], "when": {"optimizer": "sgd", "a_momentum_on": True}},
    "a_momentum_on": {"type": "categorical", "vals": [False, True], "when": {"optimizer": "sgd"}},
    "optimizer": {"type": "categorical", "vals": ["adam", "sgd", "rmsprop"]},
}


def test_absent_parameters_are_not_varied() -> None:
    found = points(OPTIMIZERS)
    assert len(found) == 1 + 2 * (1 + 2) + 2
    texts = [json.dumps(point) for point in found]
    assert len(set(texts)) == len(texts)
    assert {"optimizer": "adam"} in found
    assert {"a_momentum": 0.0, "a_momentum_on": False, "optimizer": "sgd"} in found
    assert {"a_momentum": 1.0, "a_momentum_on": True, "b_nesterov": True, "optimizer": "sgd"} in found


def test_constraints_leave_points_out() -> None:
    ints = {name: {"type": "int", "minval": 1, "maxval": 4, "count": 4} for name in "ab"}
    assert [(point["a"], point["b"]) for point in points(ints, "a < b")] == list(itertools.combinations(range(1, 5), 2))
    (violation,) = violations(ints, ("a + b > 8",))
    assert violation == Violation("constraints", "0.0000% of all configurations meet them, wanted at least one")
    assert points(ints, "a + b == 8") == [{"a": 4, "b": 4}]


@pytest.mark.parametrize(
    ("sizes", "constraints", "searcher", "field"),
    [
        ([3000, 4000], (), {}, "hyperparameters"),
        ([10**7] * 12, (), {}, "hyperparameters"),
        ([400, 400], ("p0 <= p1",), {}, "hyperparameters"),
        ([2] * 101, ("p0 <= p1",), {}, "hyperparameters"),
        ([10], (), {"max_trials": 9}, "searcher.max_trials"),
        ([10], (), {"max_trials": 19, "num_samples": 2}, "searcher.max_trials"),
        ([10_000], (), {"num_samples": 1001}, "searcher.num_samples"),
        ([10], (), {"sampler": "sobol"}, "searcher.sampler"),
        ([10], (), {"num_samples": 0}, "searcher.num_samples"),
    ],
)
def test_what_is_too_large(sizes: list[int], constraints: tuple[str, ...], searcher: Any, field: str) -> None:
    space = {f"p{i}": {"type": "int", "minval": 1, "maxval": 10**8, "count": size} for i, size in enumerate(sizes)}
    assert [violation.field for violation in violations(space, constraints, **searcher)] == [field]


def test_max_trials_is_a_limit() -> None:
    space = {"x": {"type": "categorical", "vals": [1, 2, 3]}}
    assert planned(space, max_trials=3)[0].max_trials == 3
    (violation,) = violations(space, max_trials=2)
    assert violation.description == "the grid has 3 points, wanted at most 2"


choices = st.integers(1, 3).map(lambda size: {"type": "categorical", "vals": list(range(size))})


@given(
    st.lists(choices, min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), max_size=4),
    st.sampled_from([(), ("p0 <= p1",), ("p0 + p1 != 2",)]),
)
def test_points_are_those_of_a_plain_search(
    parameters: list[Any], whens: list[tuple[int, int, int]], constraints: tuple[str, ...]
) -> None:
    space: dict[str, Any] = {f"p{i}": dict(parameter) for i, parameter in enumerate(parameters)}
    for child, parent, value in whens:
        # Parents have larger numbers, so there are no circles.
        if child < parent < len(parameters) and value < len(parameters[parent]["vals"]):
            space[f"p{child}"]["when"] = {f"p{parent}": value}
    config, _ = parse({"hyperparameters": space, "searcher": GRID})
    found = points_of(config.space)
    assert found is not None
    expect = set()
    for values in itertools.product(*(parameter["vals"] for parameter in parameters)):
        point = {f"p{i}": value for i, value in enumerate(values)}
        for name in reversed(space):
            if any(point.get(other) != value for other, value in space[name].get("when", {}).items()):
                point.pop(name)
        expect.add(json.dumps(point, sort_keys=True))
    assert sorted(json.dumps(found[i], sort_keys=True) for i in range(len(found))) == sorted(expect)
    if constraints:
        met = {text for text in expect if holds(json.loads(text), constraints[0])}
        if met:
            assert {json.dumps(point, sort_keys=True) for point in points(space, *constraints)} == met


def holds(point: dict[str, int], constraint: str) -> bool:
    if not {"p0", "p1"} <= point.keys():
        return True
    return point["p0"] <= point["p1"] if "<=" in constraint else point["p0"] + point["p1"] != 2
