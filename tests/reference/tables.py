"""Reads the reference tables: the cases of a file as pytest parameters with their ids."""

import json
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from rungway_server.domain.errors import RungwayError

HERE = Path(__file__).parent
DEPARTURES = "departures.json"
Case = dict[str, Any]


def table_names() -> list[str]:
    """The files of all tables."""
    return sorted(path.name for path in HERE.glob("*.json") if path.name != DEPARTURES)


def load(name: str) -> list[Case]:
    """All cases of a table; `table` of each is the file name."""
    cases: list[Case] = json.loads((HERE / name).read_text())["cases"]
    return [{**case, "table": name} for case in cases]


def find(reference: str) -> Case:
    """One case, by its table and id: `table.json#id`."""
    name, _, case_id = reference.partition("#")
    [case] = [case for case in load(name) if case["id"] == case_id]
    return case


def departures() -> dict[str, dict[str, str]]:
    """The cases that Rungway departs from: reasons by file and id."""
    reasons: dict[str, dict[str, str]] = json.loads((HERE / DEPARTURES).read_text())
    return reasons


def cases(name: str, **values: object) -> list[ParameterSet]:
    """The cases of a table with these values under these keys (`...` = any value).

    Cases that Rungway departs from run as expected failures: a test fails when such a case gives what the table says,
    because it is not a departure then.
    """
    chosen = [
        pytest.param(case, id=case["id"], marks=_marks(case))
        for case in load(name)
        if all(key in case and value in (..., case[key]) for key, value in values.items())
    ]
    assert chosen, f"no case of {name} has {values}"
    return chosen


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    reason = departures().get(case["table"], {}).get(case["id"])
    failures = (AssertionError, RungwayError)
    return [pytest.mark.xfail(reason=reason, raises=failures, strict=True)] if reason else []
