"""`rungway preview`: what a search would do, worked out here, without a service."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rungway_server.cli.files import read_document
from rungway_server.cli.ladder import BRACKETS_PER_TABLE
from rungway_server.cli.options import Output
from rungway_server.cli.output import (
    console,
    count,
    errors,
    plain,
    print_json,
    print_notes,
    share,
    table,
)
from rungway_server.domain import config as configs
from rungway_server.domain.config import ExperimentConfig
from rungway_server.domain.plan import Plan
from rungway_server.domain.preview import PlanPreview, PreviewRow
from rungway_server.domain.preview import preview as preview_plan
from rungway_server.domain.searchers import make_plan


def preview(file: Path, output: Output) -> None:
    """Print what the search in a file would do."""
    with errors():
        config, notes = configs.parse(read_document(file))
        plan, more = make_plan(config.searcher, config.space)
    result = preview_plan(plan)
    notes = (*notes, *more)
    if output is Output.JSON:
        print_json(_document(config, plan, result, notes))
    else:
        _print(console(), config, plan, result, notes)


def _print(out: Console, config: ExperimentConfig, plan: Plan, result: PlanPreview, notes: tuple[str, ...]) -> None:
    many = f" in {len(plan.brackets)} brackets" if len(plan.brackets) > 1 else ""
    out.print(
        f"{config.searcher.name}: {_trials(plan.max_trials)}{many}, up to {count(plan.max_length)} {plan.unit} each"
    )
    for start in range(0, len(result.brackets), BRACKETS_PER_TABLE):
        columns = {
            f"Bracket {start + index + 1}": bracket.rows
            for index, bracket in enumerate(result.brackets[start : start + BRACKETS_PER_TABLE])
        }
        if len(columns) > 1 and start + len(columns) == len(result.brackets):
            columns["All"] = result.total
        out.print("", _table(columns, plan.unit), sep="\n")
    cost = table(f"Total length trained ({plan.unit})", ">Length", ">Share")
    cost.add_row("this search", count(result.total_length), share(result.total_length, result.random_search_length))
    cost.add_row(f"random search, {_trials(plan.max_trials)}", count(result.random_search_length), "100.0%")
    out.print("", cost, "", sep="\n")
    print_notes(out, notes)


def _trials(number: int) -> str:
    return f"{count(number)} trial{'s'[: number != 1]}"


def _table(columns: Mapping[str, Sequence[PreviewRow]], unit: str) -> Table:
    """Trials by the length they train to, a column per bracket; below, how many they are and what they train."""
    grid = table(f">Train to ({unit})", *(f">{name}" for name in columns))
    for length in sorted({row.length for rows in columns.values() for row in rows}):
        ends = ({row.length: count(row.trials) for row in rows}.get(length, "") for rows in columns.values())
        grid.add_row(count(length), *ends)
    grid.add_section()
    grid.add_row("trials", *(count(sum(row.trials for row in rows)) for rows in columns.values()), style="bold")
    totals = (count(sum(row.trials * row.length for row in rows)) for rows in columns.values())
    grid.add_row(f"{unit} trained", *totals, style="bold")
    return grid


def _document(config: ExperimentConfig, plan: Plan, result: PlanPreview, notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "unit": plan.unit,
        "max_trials": plan.max_trials,
        "max_length": plan.max_length,
        "brackets": [
            {"rungs": [rung.length for rung in bracket.rungs], **plain(rows)}
            for bracket, rows in zip(plan.brackets, result.brackets, strict=True)
        ],
        "total": plain(result.total),
        "total_length": result.total_length,
        "random_search_length": result.random_search_length,
        "config": configs.to_document(config),
        "notes": list(notes),
    }
