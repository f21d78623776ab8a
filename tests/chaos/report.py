"""The table and the JSON file of a run."""

import json
from dataclasses import asdict
from pathlib import Path
from statistics import median

from tests.chaos.run import Outcome

HEADINGS = (
    "scenario", "faults", "searches", "calls", "acknowledged", "failed calls", "lost", "leases lost", "duplicated",
    "over budget", "checker", "recovery median/max (s)",
)  # fmt: skip


def table(outcomes: list[Outcome]) -> str:
    """One line per scenario, as a Markdown table."""
    rows = [HEADINGS, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(outcome: Outcome) -> tuple[str, ...]:
    recovery = f"{median(outcome.recovery):.2f} / {max(outcome.recovery):.2f}" if outcome.recovery else ""
    numbers = (
        len(outcome.faults), outcome.searches, outcome.calls, outcome.acknowledged, len(outcome.failed), outcome.lost,
        outcome.leases_lost, outcome.duplicated, outcome.over_budget,
    )  # fmt: skip
    return outcome.scenario, *map(str, numbers), "consistent" if not outcome.problems else "BROKEN", recovery


def write_json(path: Path, outcomes: list[Outcome]) -> None:
    """Everything that was measured."""
    path.write_text(json.dumps([asdict(outcome) | {"passed": outcome.passed} for outcome in outcomes], indent=1) + "\n")
