"""docs/promises.md: every promise names tests that exist, are collected and are not skipped, and verbs that exist."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import SECONDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
ROWS = {
    number: (promise, proof, limits)
    for number, promise, proof, limits in re.findall(r"^\| (T\d+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
}
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
CONDITION = re.compile(r"skipif\((True|1)\b")


def named_by(number: str) -> list[tuple[str, str]]:
    return TEST.findall(ROWS[number][1])


def test_there_are_27_promises_with_limits() -> None:
    assert list(ROWS) == [f"T{number}" for number in range(1, 28)]
    assert PAGE.count("\n| T") == len(ROWS)
    for promise, _, limits in ROWS.values():
        assert len(promise) > 40
        assert len(limits) > 20


@pytest.mark.parametrize("number", ROWS)
def test_the_tests_named_exist_and_are_not_skipped(number: str) -> None:
    assert named_by(number)
    for path, name in named_by(number):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = [
            node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        assert found, f"{number}: no {name} in {path}"
        marks = [ast.unparse(mark) for mark in found[0].decorator_list]
        marks += [ast.unparse(node) for node in tree.body if _is_mark(node)]
        for mark in marks:
            assert not re.search(r"mark\.(skip|xfail)\b", mark), f"{number}: {path}::{name} is not run"
            assert not CONDITION.search(mark), f"{number}: {path}::{name} is not run"


def _is_mark(node: ast.stmt) -> bool:
    names = [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []
    return names == ["pytestmark"]


def test_pytest_collects_every_test_named() -> None:
    named = sorted({f"{path}::{name}" for number in ROWS for path, name in named_by(number)})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    assert collected == set(named)


def test_the_verbs_and_scenarios_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"`make ([a-z-]+)", PAGE))
    assert verbs >= {"test", "chaos", "load"}
    assert all(f"\n{verb}:" in makefile for verb in verbs)
    scenarios = (ROOT / "tests" / "chaos" / "scenarios.py").read_text(encoding="utf-8")
    for names in re.findall(r"scenarios? ((?:`[\w-]+`(?:, )?)+)", PAGE):
        for name in re.findall(r"`([\w-]+)`", names):
            assert f'"{name}"' in scenarios, name
    load_tests = {path.stem for path in (ROOT / "loadtests").glob("*.py")}
    assert set(re.findall(r"LOAD_ARGS=(\w+)", PAGE)) <= load_tests
