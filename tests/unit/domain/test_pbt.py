"""Population based training: its section, the shape of its plan, and copies of hyperparameters."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rungway_server.domain.documents.fields import Section
from rungway_server.domain.sampling.perturb import perturb
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.search.config import Population, SearcherConfig, searcher_document
from rungway_server.domain.search.plan import Bracket, PromotionRule, Rung
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.reader import read_searcher
from rungway_server.domain.space.reader import read_space
from rungway_server.domain.space.space import Space
from tests.reference.tables import Case, cases
from tests.unit.domain.test_sampling import check
from tests.unit.domain.test_space import spaces

if TYPE_CHECKING:
    from rungway_server.domain.errors import Violation

PBT: dict[str, Any] = {
    "name": "pbt",
    "metric": "loss",
    "population_size": 4,
    "num_rounds": 3,
    "length_per_round": {"epochs": 2},
}


def read(section: dict[str, Any]) -> tuple[SearcherConfig | None, list[str]]:
    violations: list[Violation] = []
    config = read_searcher(Section(section, "searcher", violations), [])
    return config, [violation.field for violation in violations]


def good(section: dict[str, Any]) -> SearcherConfig:
    config, violations = read(section)
    assert config is not None
    assert violations == []
    return config


def space(document: dict[str, Any]) -> Space:
    violations: list[Violation] = []
    result = read_space(document, "hyperparameters", violations)
    assert not violations
    return result


@pytest.mark.parametrize("case", cases("pbt_cases.json", config=...))
def test_sections_of_the_table(case: Case) -> None:
    config = good({"metric": "loss", **case["config"]})
    population, plan = config.population, make_plan(config)[0]
    assert population is not None
    assert population.population_size == case["config"]["population_size"]
    length = next(iter(case["config"]["length_per_round"].values()))
    assert [rung.length for rung in plan.brackets[0].rungs] == [
        length * (k + 1) for k in range(case["config"]["num_rounds"])
    ]


@pytest.mark.parametrize("case", cases("pbt_cases.json", harness="validation"))
def test_limits_of_the_table(case: Case) -> None:
    section: dict[str, Any] = {**case["base_config"]}
    for path, value in case["set"].items():
        *groups, key = path.split(".")
        for group in groups:
            section[group] = {**section[group]}
        (section[groups[0]] if groups else section)[key] = value
    _, violations = read(section)
    assert bool(violations) == (case["expect"] == "rejected")
    assert all(case["error_mentions"] in field for field in violations)


def test_defaults_and_shape() -> None:
    config = good(PBT)
    assert config.population == Population(
        population_size=4,
        num_rounds=3,
        length_per_round=2,
        truncate_fraction=0.2,
        resample_probability=0.25,
        perturb_factor=0.2,
    )
    assert (config.max_length, config.unit, config.max_trials) == (6, "epochs", 4)
    plan, notes = make_plan(config)
    assert plan.brackets == (Bracket((Rung(2, 4, 4), Rung(4, 4, 4), Rung(6, 4, 0)), 4, 16),)
    assert any("truncate_fraction is less than one trial" in note for note in notes)


def test_as_many_clones_as_make_way() -> None:
    plan, notes = make_plan(good({**PBT, "truncate_fraction": 0.49}))
    assert plan.rule is PromotionRule.POPULATION
    assert plan.brackets == (Bracket((Rung(2, 4, 3, 1), Rung(4, 4, 3, 1), Rung(6, 4)), 6, 16),)
    assert (plan.max_trials, plan.new_trials, notes) == (6, 4, ())


def test_the_fraction_is_taken_as_it_is_written() -> None:
    """In binary 0.29 * 100 is a little less than 29."""
    plan, _ = make_plan(good({**PBT, "population_size": 100, "truncate_fraction": 0.29}))
    assert plan.brackets[0].rungs[0] == Rung(2, 100, 71, 29)


@pytest.mark.parametrize(
    "section",
    [
        PBT,
        {**PBT, "length_per_round": 7, "unit": "rounds", "truncate_fraction": 0.5, "max_concurrent_trials": 0},
        {**PBT, "explore": {"resample_probability": 1, "perturb_factor": 0}, "smaller_is_better": False},
        {**PBT, "replace_function": {"truncate_fraction": 0.3}, "explore_function": {"perturb_factor": 0.5}},
    ],
)
def test_sections_read_back(section: dict[str, Any]) -> None:
    config = good(section)
    assert good(searcher_document(config)) == config


@pytest.mark.parametrize(
    ("change", "expect"),
    [
        ({"population_size": None}, ["population_size"]),
        ({"length_per_round": None}, ["length_per_round"]),
        ({"length_per_round": 5, "unit": 3}, ["unit"]),
        ({"unit": "batches"}, ["unit"]),
        ({"num_rounds": 101}, ["num_rounds"]),
        ({"population_size": 1001}, ["population_size"]),
        ({"truncate_fraction": 0.51}, ["truncate_fraction"]),
        ({"truncate_fraction": 0.1, "replace_function": {"truncate_fraction": 0.1}}, ["truncate_fraction"]),
        ({"replace_function": {"fraction": 0.1}}, ["replace_function.fraction"]),
        ({"explore": {"factor": 0.1}}, ["explore.factor"]),
        ({"explore": {}, "explore_function": {}}, ["explore_function"]),
        ({"max_trials": 4}, ["max_trials"]),
        ({"sampler": "grid"}, ["sampler"]),
    ],
)
def test_mistakes(change: dict[str, Any], expect: list[str]) -> None:
    assert read({**PBT, **change})[1] == [f"searcher.{field}" for field in expect]


@pytest.mark.parametrize("case", cases("pbt_cases.json", harness="property"))
def test_copies_of_the_table(case: Case) -> None:
    whole, sample = space(case["hyperparameters"]), case["sample"]
    for wanted in case["checks"]:
        for seed in range(100):
            copy = perturb(whole, sample, seed, 7, wanted["resample_probability"], wanted["perturb_factor"])
            if wanted.get("expect") == "unchanged":
                assert copy == sample
                continue
            assert all(copy[name] != sample[name] for name in wanted["expect_changed"])
            assert all(copy[name] == sample[name] for name in wanted["expect_unchanged"])
            for name, (low, high) in wanted["expect_range"].items():
                assert low <= copy[name] <= high


@pytest.mark.parametrize(
    ("parameter", "old", "factor", "expect"),
    [
        ({"type": "double", "minval": 0, "maxval": 1}, 0.5, 0.2, {0.4, 0.6}),
        ({"type": "double", "minval": 0, "maxval": 1}, 0.9, 0.2, {0.9 * 0.8, 1.0}),
        ({"type": "double", "minval": -1, "maxval": 1}, -0.5, 0.2, {-0.6, -0.4}),
        ({"type": "double", "minval": 0, "maxval": 1}, 0, 0.2, {0}),
        ({"type": "double", "minval": 0, "maxval": 1, "step": 0.25}, 0.5, 0.2, {0.25, 0.75}),
        ({"type": "double", "minval": 0, "maxval": 1, "step": 0.25}, 1.0, 0.2, {0.75, 1.0}),
        ({"type": "int", "minval": 1, "maxval": 9}, 1, 0.2, {1, 2}),
        ({"type": "int", "minval": 1, "maxval": 9}, 2, 0.2, {1, 3}),
        ({"type": "int", "minval": -9, "maxval": 9}, -5, 0.5, {-8, -2}),
        ({"type": "int", "minval": 1, "maxval": 99, "step": 7}, 50, 0.01, {43, 57}),
        ({"type": "int", "minval": 1, "maxval": 10, "step": 4}, 9, 0.2, {5, 9}),
        ({"type": "int", "minval": -(2**63), "maxval": 2**63 - 1}, 2**63 - 1, 1, {0, 2**63 - 1}),
        ({"type": "log", "base": 10, "minval": -4, "maxval": -2}, 0.001, 0.5, {0.0005, 0.0015}),
        ({"type": "log", "base": 0.5, "minval": 1, "maxval": 3}, 0.25, 0.9, {0.125, 0.475}),
        ({"type": "log", "base": 2, "minval": 0, "maxval": 9, "step": 1}, 16.0, 0.5, {8.0, 32.0}),
        ({"type": "log", "base": 0.5, "minval": 0, "maxval": 9, "step": 1}, 0.25, 0.5, {0.125, 0.5}),
        ({"type": "log_uniform", "minval": 1e-4, "maxval": 1e-2}, 0.001, 1, {1e-4, 0.002}),
        ({"type": "categorical", "vals": [1, 2]}, 1, 0.5, {1}),
        ({"type": "double", "minval": 0, "maxval": 1}, 5, 0.2, {1.0}),
    ],
)
def test_numbers_move_both_ways(parameter: Any, old: Any, factor: float, expect: set[float]) -> None:
    one = space({"x": parameter})
    assert {perturb(one, {"x": old}, 3, child, 0, factor)["x"] for child in range(30)} == expect


def test_each_way_and_each_resampling_is_as_likely_as_said() -> None:
    unit = {"type": "double", "minval": 0, "maxval": 1}
    one = space({f"p{i:02}": unit for i in range(50)})
    parent = dict.fromkeys(one.leaves, 0.5)
    values = [
        value
        for child in range(100)
        for value in perturb(one, {name: 0.5 for (name,) in parent}, 1, child, 0.3, 0.2).values()
    ]
    share = {moved: values.count(moved) / len(values) for moved in (0.4, 0.6)}
    assert share[0.4] == pytest.approx(0.35, abs=0.03)
    assert share[0.6] == pytest.approx(0.35, abs=0.03)


def test_a_copy_meets_the_conditions_of_its_new_values() -> None:
    one = space(
        {
            "kind": {"type": "categorical", "vals": ["sgd", "adam"]},
            "momentum": {"type": "double", "minval": 0, "maxval": 1, "when": {"kind": "sgd"}},
        }
    )
    copies: list[Any] = [perturb(one, {"kind": "adam"}, 1, child, 0.5, 0.2) for child in range(50)]
    assert {copy["kind"] for copy in copies} == {"sgd", "adam"}
    assert all(("momentum" in copy) == (copy["kind"] == "sgd") for copy in copies)


def test_a_copy_meets_the_constraints() -> None:
    unit = {"type": "double", "minval": 0, "maxval": 1}
    one = replace(space({"a": unit, "b": unit}), constraints=("a < b",))
    for child in range(50):
        copy: Any = perturb(one, {"a": 0.5, "b": 0.51}, 1, child, 0, 0.2)
        assert copy["a"] < copy["b"]
    never = replace(one, constraints=("a > 2",))
    assert perturb(never, {"a": 0.5, "b": 0.51}, 1, 1, 0.5, 0.2) == {"a": 0.5, "b": 0.51}


def test_odd_values_of_a_users_own_configuration() -> None:
    one = space({"a": {"type": "int", "minval": 1, "maxval": 3}, "g": {"b": 4}})
    assert perturb(one, {"a": "many", "g": 3, "other": 5}, 1, 2, 0, 0.2) == {
        "a": perturb(one, {}, 1, 2, 0, 0.2)["a"],
        "g": {"b": 4},
    }


@settings(deadline=None)  # the first suggestion of a seed may shuffle up to 100,000 points
@given(spaces, st.integers(0, 2**63 - 1), st.integers(0, 2**20), st.floats(0, 1), st.floats(0, 1))
def test_copies_lie_in_the_space(
    document: dict[str, Any], seed: int, child: int, resample: float, factor: float
) -> None:
    whole = space(document)
    parent = propose(whole, seed, child)
    copy = perturb(whole, parent, seed, child + 1, resample, factor)
    assert copy == perturb(whole, parent, seed, child + 1, resample, factor)
    check(document, copy, closed=True)
    assert perturb(whole, parent, seed, child + 1, 0.0, 0.0) == parent
