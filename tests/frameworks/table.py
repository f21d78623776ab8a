"""The table at the end of `make frameworks`: what each example took, was put through, and had in the end."""

import ast
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import packages_distributions, version
from pathlib import Path

from tests.support.disturbed import EXAMPLES, Ran, difference

PROPERTY = "row of the table"
_HEADS = ("framework", "version", "lines", "killed", "resumed", "result equal")
Row = dict[str, str]


def begin(note: Callable[[str, object], None], module: str, what: str, script: str) -> Row:
    """The row of a test that begins; it says that the result is not equal until `done`."""
    row = {"framework": what, "version": version_of(module), "lines": str(lines(EXAMPLES / script.split()[0]))}
    row |= {"killed": "-", "resumed": "-", "result equal": "NO"}
    note(PROPERTY, row)
    return row


def done(row: Row, first: Ran, second: Ran, killed: str, *, compares_metrics: bool = True) -> None:
    """The checks of the test have passed: the second search is like the first one."""
    row["killed"] = killed
    row["resumed"] = f"{resumed(second)} of {len(second.curves)} trials"
    off = difference(first, second)
    same = "and metrics" if off == 0 else f"metrics within {off:.0e}"
    row["result equal"] = f"rates of {len(second.rates)} steps, {same if compares_metrics else 'metrics not compared'}"


def resumed(ran: Ran) -> int:
    """How many trials were trained by more than one process."""
    trials = [{trial for (trial, _), _ in piece} for piece in ran.pieces]
    return sum(1 for trial in ran.curves if sum(trial in piece for piece in trials) > 1)


def version_of(module: str) -> str:
    """Of the package that brings the module."""
    return version(packages_distributions()[module][0])


def lines(script: Path) -> int:
    """How many lines of an example have a name of Rungway in them, or its trial: what a user adds to a training."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    imports = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rungway")
    ]
    names = {alias.asname or alias.name for node in imports for alias in node.names} | {"trial"}
    notes = {inner for node in ast.walk(tree) if _notes_a_step(node) for inner in ast.walk(node)}
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in names and node not in notes]
    return len({node.lineno for node in imports} | {node.lineno for node in used})


def _notes_a_step(node: ast.AST) -> bool:
    """Whether it is a call of `record`, which is for tests alone."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record"


def text(rows: Iterable[Mapping[str, str]]) -> str:
    """The table, by framework."""
    shown = [[row[head] for head in _HEADS] for row in sorted(rows, key=lambda row: row["framework"].lower())]
    widths = [max(map(len, column)) for column in zip(_HEADS, *shown, strict=True)]
    table = [_HEADS, ["-" * width for width in widths], *shown]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)
