"""Reading the reference tables: the cases of a file as pytest parameters, named by their ids."""

import json
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

HERE = Path(__file__).parent
Case = dict[str, Any]


def load(name: str) -> list[Case]:
    """All cases of a table."""
    cases: list[Case] = json.loads((HERE / name).read_text())["cases"]
    return cases


def departures() -> dict[str, dict[str, str]]:
    """The cases that are not followed: file to id to reason."""
    reasons: dict[str, dict[str, str]] = json.loads((HERE / "departures.json").read_text())
    return reasons


def cases(name: str, **wanted: object) -> list[ParameterSet]:
    """The cases of a table that apply, with these values under these keys (`...` = any value)."""
    apart = departures().get(name, {})
    chosen = [
        pytest.param(case, id=case["id"])
        for case in load(name)
        if case["id"] not in apart and all(key in case and value in (..., case[key]) for key, value in wanted.items())
    ]
    assert chosen, f"no case of {name} has {wanted}"
    return chosen
