"""docs/security.md: every bound names tests that exist, are collected and are not skipped."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Who can reach a port can …")[2].partition("\n## ")[0]
LINES = [line for line in TABLE.splitlines() if line.startswith("| ")][1:]
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in LINES]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED = sorted(set(TEST.findall(TABLE)))


def test_every_caller_has_a_row_and_every_row_a_bound_and_a_test() -> None:
    callers = {row[0] for row in ROWS if row[0]}
    assert {"without a token, `--tokens` on", "`read`", "`work`", "`admin`"} <= callers
    for row in ROWS:
        assert len(row) == 4, row
        assert all(row[1:]), row
        assert TEST.findall(row[3]), row


def test_the_tests_named_exist_and_are_not_skipped() -> None:
    for path, name in NAMED:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = [
            node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        assert found, f"no {name} in {path}"
        for mark in map(ast.unparse, found[0].decorator_list):
            assert not re.search(r"mark\.(skip|xfail)\b", mark), f"{path}::{name} is not run"


def test_pytest_collects_every_test_named() -> None:
    named = sorted(f"{path}::{name}" for path, name in NAMED)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line} == set(named)
