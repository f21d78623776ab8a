"""`rungway preview`: what a search would do, worked out here, without a service."""

from pathlib import Path
from typing import Any

from rich.console import Console

from rungway_server.cli.files import read_document
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
from rungway_server.domain.plan import Bracket, Plan
from rungway_server.domain.preview import PlanPreview, PreviewRow
from rungway_server.domain.preview import preview as preview_plan
from rungway_server.domain.searchers import make_plan


def preview(file: Path, output: Output) -> None:
    """Print what the search in a file would do."""
    with errors():
        config, notes = configs.parse(read_document(file))
        plan, more = make_plan(config.searcher)
    result = preview_plan(plan)
    notes = (*notes, *more)
    if output is Output.JSON:
        print_json(_document(config, plan, result, notes))
    else:
        _print(console(), config, plan, result, notes)


def _print(out: Console, config: ExperimentConfig, plan: Plan, result: PlanPreview, notes: tuple[str, ...]) -> None:
    out.print(headline(config.searcher.name, plan.max_trials, len(plan.brackets), plan.max_length, plan.unit))
    for index, (bracket, rows) in enumerate(zip(plan.brackets, result.brackets, strict=True)):
        out.print(_rows(f"Bracket {index + 1}: {_ladder(bracket, plan.unit)}", rows.rows, plan.unit))
    if len(plan.brackets) > 1:
        out.print(_rows("All brackets", result.total, plan.unit))
    saved = table(f"Total length trained ({plan.unit})", ">Length", ">Share")
    saved.add_row("this search", count(result.total_length), share(result.total_length, result.random_search_length))
    saved.add_row(f"random search, {count(plan.max_trials)} trials", count(result.random_search_length), "100.0%")
    out.print(saved)
    print_notes(out, notes)


def headline(searcher: str, trials: int, brackets: int, length: int, unit: str) -> str:
    """One line on a plan: `adaptive_asha: 500 trials in 3 brackets, up to 1,024 epochs each`."""
    ladders = f" in {brackets} brackets" if brackets > 1 else ""
    return f"{searcher}: {count(trials)} trial{'s'[: trials != 1]}{ladders}, up to {count(length)} {unit} each"


def _ladder(bracket: Bracket, unit: str) -> str:
    rungs = ", ".join(count(rung.length) for rung in bracket.rungs)
    return f"{count(bracket.max_trials)} trials, rungs at {rungs} {unit}"


def _rows(title: str, rows: tuple[PreviewRow, ...], unit: str) -> Any:
    grid = table(">Trials", f">Train to ({unit})", f">Total ({unit})", title=title)
    for row in rows:
        grid.add_row(count(row.trials), count(row.length), count(row.trials * row.length))
    grid.add_section()
    grid.add_row(
        count(sum(row.trials for row in rows)), "", count(sum(row.trials * row.length for row in rows)), style="bold"
    )
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
