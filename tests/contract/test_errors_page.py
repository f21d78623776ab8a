"""docs/errors.md lists exactly the reasons that the code has, each with its status."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from rungway_server.domain import errors
from rungway_server.transport.errors import STATUS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
REASON = re.compile(r"[A-Z]+(_[A-Z]+)*")

STATUS_OF_OTHERS = {
    "LENGTH_OUT_OF_ORDER": "INVALID_ARGUMENT",
    "LENGTH_BEYOND_ASSIGNMENT": "INVALID_ARGUMENT",
    "OBJECTIVE_MISSING": "INVALID_ARGUMENT",
    "POINT_USED": "INVALID_ARGUMENT",
    "UNREADABLE_REQUEST": "INVALID_ARGUMENT",
    "REQUEST_TOO_LARGE": "INVALID_ARGUMENT",
    "INTERNAL": "INTERNAL",
}
"""Reasons that do not belong to an error class."""


def rows(heading: str) -> dict[str, tuple[str, str, str]]:
    """The table below a heading: reason to status, meaning and advice."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \| (.+) \|$", section, re.MULTILINE)
    assert len(found) == section.count("\n| `")
    return {reason: (status, meaning, advice) for reason, status, meaning, advice in found}


def constants(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and REASON.fullmatch(inner.value):
            yield inner.value


PROPOSERS = "server/rungway_server/proposers"
"""Clients of the service, which `rungway propose` runs."""


def reasons(package: str, but: str = "") -> set[str]:
    """Every reason in a package, but for a part of it: each `reason` of a class or an argument, and each argument of
    `_info`."""
    found: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        if but and path.is_relative_to(ROOT / but):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "reason" for t in node.targets):
                found.update(constants(node.value))
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == "reason":
                        found.update(constants(keyword.value))
                if isinstance(node.func, ast.Name) and node.func.id == "_info":
                    found.update(constants(node.args[0]))
    return found


def test_every_reason_of_the_service_is_listed() -> None:
    found = reasons("server/rungway_server", but=PROPOSERS)
    assert found >= {"INVALID_FIELD", "LENGTH_OUT_OF_ORDER", "NO_TRIALS_LEFT", "WRONG_STATE"}
    assert set(rows("Reasons of the service")) == found


def test_every_reason_of_the_client_is_listed() -> None:
    assert set(rows("Reasons of the Python client")) == reasons("client/rungway") | reasons(PROPOSERS)


def test_statuses_are_those_of_the_code() -> None:
    of_classes = {kind.reason: status.name for kind, status in STATUS.items()}
    expected = of_classes | STATUS_OF_OTHERS
    assert {reason: row[0] for reason, row in rows("Reasons of the service").items()} == expected


def test_every_error_has_a_status() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RungwayError)}
    assert kinds - {errors.RungwayError} == set(STATUS)


def test_every_reason_says_what_to_do() -> None:
    for heading in ("Reasons of the service", "Reasons of the Python client"):
        for reason, (_, meaning, advice) in rows(heading).items():
            assert len(meaning) > 10, reason
            assert len(advice) > 5, reason
