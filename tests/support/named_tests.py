"""Checks that tests named by a page of docs/ exist, are collected and are not skipped."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.waiting import SECONDS

ROOT = Path(__file__).resolve().parents[2]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_CONDITION = re.compile(r"skipif\((True|1)\b")


def named_in(text: str) -> list[tuple[str, str]]:
    """File and name of each test that the text names."""
    return _TEST.findall(text)


def assert_not_skipped(path: str, name: str) -> None:
    """Fail if there is no such test, or if it is skipped."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    assert found, f"no {name} in {path}"
    marks = [ast.unparse(mark) for mark in found[0].decorator_list]
    marks += [ast.unparse(node) for node in tree.body if _is_mark(node)]
    for mark in marks:
        assert not re.search(r"mark\.(skip|xfail)\b", mark), f"{path}::{name} is not run"
        assert not _CONDITION.search(mark), f"{path}::{name} is not run"


def _is_mark(node: ast.stmt) -> bool:
    names = [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []
    return names == ["pytestmark"]


def assert_collected(tests: Iterable[tuple[str, str]]) -> None:
    """Fail unless pytest finds each of these tests."""
    named = sorted({f"{path}::{name}" for path, name in tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    assert collected == set(named)
