"""Every case of every reference table is run by a test, and departures are listed."""

import importlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path

import pytest
from _pytest.mark import Mark, ParameterSet

from tests.reference.tables import departures, load, table_names

TESTS = Path(__file__).parents[1]
PLAYED = ("fifo", "picked", "sequential")
"""The harnesses of recorded searches; each case with one of them is a whole search."""
NOT_APPLICABLE = {"asha_stopping_units.json": {"metric-3", "metric-4", "metric-5"}}
"""Departures that no test can run, because their input does not exist here. All others run and must fail."""
WITH_OWN_TESTS = ("pbt_cases.json",)
"""Tables whose cases have tests of their own."""


@pytest.mark.parametrize("table", departures())
def test_departures_name_cases_of_the_table(table: str) -> None:
    unknown = departures()[table].keys() - {case["id"] for case in load(table)}
    assert not unknown
    assert all(departures()[table].values())


@pytest.mark.parametrize("table", table_names())
def test_ids_are_unique(table: str) -> None:
    ids = [case["id"] for case in load(table)]
    assert len(set(ids)) == len(ids) > 0


def parameters_of(mark: Mark) -> Iterator[object]:
    """The parameters of a `parametrize` mark, one by one."""
    if mark.name == "parametrize":
        for given in mark.args[1]:
            yield from given.values if isinstance(given, ParameterSet) else [given]


@dataclass(frozen=True)
class Runs:
    """A test that is parametrized with a case. One of its fixtures makes the engine that it plays on."""

    name: str
    has_engine: bool


@cache
def runs_by_case() -> dict[tuple[str, str], list[Runs]]:
    """The tests that run each case, by table and id; expected failures count."""
    found: dict[tuple[str, str], list[Runs]] = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        if "tests.reference.tables" not in path.read_text():
            continue
        module = importlib.import_module(".".join(path.relative_to(TESTS.parent).with_suffix("").parts))
        for name, test in vars(module).items():
            if name.startswith("test_"):
                runs = Runs(f"{module.__name__}.{name}", "make_engine" in signature(test).parameters)
                for value in (value for mark in getattr(test, "pytestmark", []) for value in parameters_of(mark)):
                    if isinstance(value, dict) and "table" in value:
                        found[value["table"], value["id"]].append(runs)
    return found


@pytest.mark.parametrize("table", table_names())
def test_every_case_is_run_by_a_test(table: str) -> None:
    left = [case["id"] for case in load(table) if (table, case["id"]) not in runs_by_case()]
    assert set(left) <= NOT_APPLICABLE.get(table, set()), f"no test runs these cases of {table}"


@pytest.mark.parametrize("table", [name for name in table_names() if name not in WITH_OWN_TESTS])
def test_every_recorded_search_is_played_by_ask_and_tell(table: str) -> None:
    recorded = [case["id"] for case in load(table) if case.get("harness") in PLAYED]
    left = [name for name in recorded if not any(test.has_engine for test in runs_by_case()[table, name])]
    assert not left, f"no test plays these searches of {table} on an engine"


def test_what_cannot_be_run_is_listed_with_its_reason() -> None:
    assert all(ids <= departures()[table].keys() for table, ids in NOT_APPLICABLE.items())
