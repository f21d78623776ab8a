"""Configurations that are refused: every mistake is found, and said where it is."""

import math
from typing import Any

import pytest

from rungway_server.domain.errors import Violation
from rungway_server.domain.experiment import MAX_VIOLATIONS
from tests.unit.domain.documents import violations_of

RANDOM = {"name": "random", "metric": "loss", "max_trials": 5}
ADAPTIVE = {"name": "adaptive_asha", "metric": "loss", "max_trials": 100, "max_length": {"epochs": 64}}
ASYNC = {"name": "async_halving", "metric": "loss", "max_trials": 9, "num_rungs": 3, "max_length": 81}


def fields(document: Any) -> list[str]:
    return [violation.field for violation in violations_of(document)]


def test_retired_searchers_say_what_to_use() -> None:
    (violation,) = violations_of({"searcher": {"name": "adaptive_simple", "metric": "loss", "max_trials": 3}})
    assert violation == Violation("searcher.name", "'adaptive_simple' is retired: use 'adaptive_asha'")


BAD: list[tuple[Any, list[str]]] = [
    ({}, ["searcher"]),
    ({"searcher": None}, ["searcher"]),
    ({"searcher": {}}, ["searcher"]),
    ({"searcher": RANDOM, "hyperparameter": {}}, ["hyperparameter"]),
    ({"searcher": RANDOM, 3: 4}, ["3"]),
    ({"searcher": RANDOM, "hyperparameters": [1]}, ["hyperparameters"]),
    ({"searcher": RANDOM, "hyperparameters": 0}, ["hyperparameters"]),
    ({"searcher": RANDOM, "seed": -1}, ["seed"]),
    ({"searcher": RANDOM, "seed": 2**63}, ["seed"]),
    ({"searcher": RANDOM, "seed": 1.5}, ["seed"]),
    ({"searcher": RANDOM, "seed": 1, "reproducibility": {"experiment_seed": 2}}, ["reproducibility.experiment_seed"]),
    ({"searcher": {**RANDOM, "seed": 2}, "seed": 1}, ["searcher.seed"]),
    ({"searcher": RANDOM, "reproducibility": {"seed": 2}}, ["reproducibility.seed"]),
    ({"searcher": RANDOM, "reproducibility": 2}, ["reproducibility"]),
    ({"searcher": RANDOM, "max_restarts": -1}, ["max_restarts"]),
    ({"searcher": RANDOM, "max_restarts": True}, ["max_restarts"]),
    ({"searcher": RANDOM, "lease_seconds": 0}, ["lease_seconds"]),
    ({"searcher": RANDOM, "lease_seconds": 86_401}, ["lease_seconds"]),
    ({"searcher": RANDOM, "lease_seconds": math.nan}, ["lease_seconds"]),
    ({"searcher": RANDOM, "lease_seconds": "60"}, ["lease_seconds"]),
    ({"searcher": RANDOM, "name": 3}, ["name"]),
    ({"searcher": RANDOM, "name": "x" * 257}, ["name"]),
    ({"searcher": RANDOM, "description": "x" * 10_001}, ["description"]),
    ({"searcher": {"name": "random"}}, ["searcher.metric", "searcher.max_trials"]),
    ({"searcher": {"metric": "loss"}}, ["searcher.name"]),
    ({"searcher": {"name": "annealing", "metric": "loss"}}, ["searcher.name"]),
    ({"searcher": {"name": 5, "metric": "loss"}}, ["searcher.name"]),
    ({"searcher": {**RANDOM, "metric": ""}}, ["searcher.metric"]),
    ({"searcher": {**RANDOM, "metric": "x" * 257}}, ["searcher.metric"]),
    ({"searcher": {**RANDOM, "metric": "\ud800"}}, ["searcher.metric"]),
    ({"searcher": {**RANDOM, "max_trials": 0}}, ["searcher.max_trials"]),
    ({"searcher": {**RANDOM, "max_trials": 10_000_001}}, ["searcher.max_trials"]),
    ({"searcher": {**RANDOM, "max_trials": True}}, ["searcher.max_trials"]),
    ({"searcher": {**RANDOM, "max_concurrent_trials": -1}}, ["searcher.max_concurrent_trials"]),
    ({"searcher": {**RANDOM, "smaller_is_better": 1}}, ["searcher.smaller_is_better"]),
    ({"searcher": {**RANDOM, "divisor": 3}}, ["searcher.divisor"]),
    ({"searcher": {**RANDOM, "max_length": 0}}, ["searcher.max_length"]),
    ({"searcher": {**RANDOM, "max_length": True}}, ["searcher.max_length"]),
    ({"searcher": {**RANDOM, "max_length": 2.5}}, ["searcher.max_length"]),
    ({"searcher": {**RANDOM, "max_length": 10**12 + 1}}, ["searcher.max_length"]),
    ({"searcher": {**RANDOM, "max_length": {"epochs": 0}}}, ["searcher.max_length.epochs"]),
    ({"searcher": {**RANDOM, "max_length": {"epochs": None}}}, ["searcher.max_length.epochs"]),
    ({"searcher": {**RANDOM, "max_length": {3: 4}}}, ["searcher.max_length"]),
    ({"searcher": {**RANDOM, "max_length": {"epochs": 3}, "unit": "batches"}}, ["searcher.unit"]),
    ({"searcher": {**RANDOM, "unit": "epochs"}}, ["searcher.unit"]),
    ({"searcher": {**RANDOM, "max_time": 3}}, ["searcher.time_metric"]),
    ({"searcher": {**RANDOM, "max_time": 0, "time_metric": "epochs"}}, ["searcher.max_time"]),
    ({"searcher": {"name": "single", "metric": "loss", "max_trials": 2}}, ["searcher.max_trials"]),
    ({"searcher": {**ADAPTIVE, "max_length": None}}, ["searcher.max_length"]),
    ({"searcher": {**ADAPTIVE, "divisor": 1}}, ["searcher.divisor"]),
    ({"searcher": {**ADAPTIVE, "divisor": 1e9}}, ["searcher.divisor"]),
    ({"searcher": {**ADAPTIVE, "divisor": math.nan}}, ["searcher.divisor"]),
    ({"searcher": {**ADAPTIVE, "divisor": True}}, ["searcher.divisor"]),
    ({"searcher": {**ADAPTIVE, "max_rungs": 0}}, ["searcher.max_rungs"]),
    ({"searcher": {**ADAPTIVE, "max_rungs": 101}}, ["searcher.max_rungs"]),
    ({"searcher": {**ADAPTIVE, "num_rungs": 3}}, ["searcher.num_rungs"]),
    ({"searcher": {**ADAPTIVE, "mode": "Standard"}}, ["searcher.mode"]),
    ({"searcher": {**ADAPTIVE, "mode": []}}, ["searcher.mode"]),
    ({"searcher": {**ADAPTIVE, "bracket_rungs": [0]}}, ["searcher.bracket_rungs"]),
    ({"searcher": {**ADAPTIVE, "bracket_rungs": [True]}}, ["searcher.bracket_rungs"]),
    ({"searcher": {**ADAPTIVE, "bracket_rungs": [101]}}, ["searcher.bracket_rungs"]),
    ({"searcher": {**ADAPTIVE, "bracket_rungs": [1] * 101}}, ["searcher.bracket_rungs"]),
    ({"searcher": {**ADAPTIVE, "bracket_rungs": "12"}}, ["searcher.bracket_rungs"]),
    ({"searcher": {**ADAPTIVE, "max_trials": 2, "bracket_rungs": [3, 2, 1]}}, ["searcher.bracket_rungs"]),
    ({"searcher": {**ADAPTIVE, "min_length": 0}}, ["searcher.min_length"]),
    ({"searcher": {**ADAPTIVE, "min_length": 65}}, ["searcher.min_length"]),
    ({"searcher": {**ADAPTIVE, "stop_once": 0}}, ["searcher.stop_once"]),
    ({"searcher": {**ASYNC, "num_rungs": None}}, ["searcher.num_rungs"]),
    ({"searcher": {**ASYNC, "num_rungs": None, "max_length": 0, "min_length": 3}}, ["searcher.max_length"]),
    ({"searcher": {**ASYNC, "min_length": 3}}, ["searcher.num_rungs"]),
    ({"searcher": {**ASYNC, "num_rungs": 101}}, ["searcher.num_rungs"]),
    (
        {
            "typo": 1,
            "hyperparameters": {"optimizer": {"lr": {"type": "double", "minval": 1, "maxval": 0}}},
            "searcher": {"name": "random", "max_trials": 0, "foo": 1},
            "max_restarts": "many",
        },
        [
            "typo",
            "searcher.metric",
            "searcher.foo",
            "searcher.max_trials",
            "hyperparameters.optimizer.lr.minval",
            "max_restarts",
        ],
    ),
]


@pytest.mark.parametrize(("document", "expect"), BAD)
def test_every_violation_is_found_with_its_path(document: Any, expect: list[str]) -> None:
    found = violations_of(document)
    assert [violation.field for violation in found] == expect
    assert all(0 < len(violation.description) < 500 for violation in found)


@pytest.mark.parametrize("document", [None, [], "x", 3])
def test_a_document_that_is_no_mapping(document: Any) -> None:
    assert fields(document) == ["config"]


def test_a_searcher_that_is_no_mapping() -> None:
    assert fields({"searcher": [1]}) == ["searcher"]


def test_the_number_of_violations_listed_is_bounded() -> None:
    found = violations_of({"searcher": RANDOM, "hyperparameters": {f"p{i}": {"type": "x"} for i in range(100)}})
    assert len(found) == MAX_VIOLATIONS + 1
    assert found[-1] == Violation("config", f"{100 - MAX_VIOLATIONS} more violations are not listed")
