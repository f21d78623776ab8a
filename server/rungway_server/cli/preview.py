"""`rungway preview`: what a search would do, computed locally, without a service."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rungway_server.cli.drawing import check_matplotlib, check_picture, writing
from rungway_server.cli.files import read_document
from rungway_server.cli.ladder import BRACKETS_PER_TABLE
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import (
    console,
    count,
    errors,
    fail,
    many,
    plain,
    print_json,
    print_notes,
    print_summary,
    share,
    table,
    unit_name,
)
from rungway_server.cli.plan_picture import draw_plan
from rungway_server.domain.describe import describe
from rungway_server.domain.experiment import ExperimentConfig, to_document
from rungway_server.domain.search.methods.auto import PARTS
from rungway_server.domain.search.plan import DecisionForm, Plan, PromotionRule
from rungway_server.domain.search.preview import PlanPreview, PreviewRow
from rungway_server.domain.search.preview import preview as preview_plan
from rungway_server.domain.search.schedule import expected_seconds
from rungway_server.domain.search.sources import Sources
from rungway_server.service.experiments import plan_search
from rungway_server.simulation.report import time_text

LOWER_BOUND = (
    "these figures are a floor: asynchronous promotion decides before all results are in, and usually trains more, "
    "5 to 60 % in simulations"
)
ESTIMATE = (
    "asynchronous decisions come before all results are in: a real search may train more or less than these figures"
)


def preview(
    file: Path,
    output: Output,
    *,
    workers: int | None = None,
    seconds_per_unit: float | None = None,
    plot: Path | None = None,
) -> None:
    """Print what the search in a file would do, and draw it."""
    if (workers is None) != (seconds_per_unit is None):
        raise fail(Exit.USAGE, "--workers and --seconds-per-unit are needed together")
    check_matplotlib(plot)
    if plot:
        check_picture(plot)
    with errors():
        planned = plan_search(read_document(file))
    config, plan, notes = planned.config, planned.plan, planned.notes
    result = preview_plan(plan)
    expected = expected_seconds(plan, workers, seconds_per_unit) if workers and seconds_per_unit else None
    if plot:
        with writing(plot):
            draw_plan(plan, result, config.name or config.searcher.name, plot)
    if output is Output.JSON:
        document = _document(config, plan, result, notes)
        print_json(document if expected is None else document | {"expected_seconds": expected})
        return
    out = console()
    _print(out, config, plan, result)
    if expected is not None:
        out.print(f"Expected time with {many(workers or 0, 'worker')}: {time_text(expected)}", "", sep="\n")
    print_notes(out, (*notes, *_accuracy(plan, result)))
    if plot:
        out.print(f"Written: {plot}", soft_wrap=True)


def _accuracy(plan: Plan, result: PlanPreview) -> tuple[str, ...]:
    """A note on figures that are estimates: those of the asynchronous rule with several rungs.

    They are no floor where trials are stopped on the way (by the results so far, and never taken up again), nor where
    a rung gets fewer trials than the divisor: the preview sends one on, the rule none.
    """
    if plan.rule is not PromotionRule.ASYNC or all(len(bracket.rungs) == 1 for bracket in plan.brackets):
        return ()
    filled = all(row.trials >= plan.divisor for bracket in result.brackets for row in bracket.reaching[:-1])
    return (LOWER_BOUND if plan.form is DecisionForm.PROMOTE and filled else ESTIMATE,)


def _print(out: Console, config: ExperimentConfig, plan: Plan, result: PlanPreview) -> None:
    unit = unit_name(plan.unit)
    brackets = f" in {len(plan.brackets)} brackets" if len(plan.brackets) > 1 else ""
    clones = plan.max_trials - plan.new_trials
    trials, cloned = many(plan.max_trials, "trial"), f", {count(clones)} of them clones" if clones else ""
    out.print(f"{config.searcher.name}: {trials}{cloned}{brackets}, up to {count(plan.max_length)} {unit} each")
    print_summary(out, describe(config))
    if plan.entries:
        (bracket,) = plan.brackets
        entries = zip(bracket.rungs, plan.entries, strict=True)
        shares = ", ".join(f"{count(rung.length)} ({parts / PARTS:.0%})" for rung, parts in entries)
        out.print(f"trials enter at {shares} {unit} with these first shares of the training")
    if plan.sources:
        out.print(f"configurations: {_sources(plan.sources)}")
    for start in range(0, len(result.brackets), BRACKETS_PER_TABLE):
        some = result.brackets[start : start + BRACKETS_PER_TABLE]
        columns = {f"Bracket {start + i}": (bracket.rows, bracket.total_length) for i, bracket in enumerate(some)}
        if len(result.brackets) == 1:
            columns = {"Trials": (result.total, result.total_length)}
        elif start + len(some) == len(result.brackets):
            columns["All"] = result.total, result.total_length
        out.print("", _table(columns, unit), sep="\n")
    cost = table(f"Total length trained ({unit})", ">Length", ">Share")
    cost.add_row("this search", count(result.total_length), share(result.total_length, result.random_search_length))
    cost.add_row(f"random search, {trials}", count(result.random_search_length), "100.0%")
    out.print("", cost, "", sep="\n")


def _sources(sources: Sources) -> str:
    """The first shares of the sources, and when they begin."""
    named = zip(sources.names, sources.shares, strict=True)
    shares = ", ".join(f"{name} {parts / PARTS:.0%}" for name, parts in named if parts)
    of = "training" if sources.learns else "new trials"
    since = f", once a rung has {sources.least} results" if sources.least else ""
    return f"{shares} of the {of}{since}"


def _table(columns: Mapping[str, tuple[Sequence[PreviewRow], int]], unit: str) -> Table:
    """Trials by the length they train to, one column per bracket, with the totals of trials and length below."""
    grid = table(f">Train to ({unit})", *(f">{name}" for name in columns))
    for length in sorted({row.length for rows, _ in columns.values() for row in rows}):
        ends = ({row.length: count(row.trials) for row in rows}.get(length, "") for rows, _ in columns.values())
        grid.add_row(count(length), *ends)
    grid.add_section()
    grid.add_row("trials", *(count(sum(row.trials for row in rows)) for rows, _ in columns.values()), style="bold")
    grid.add_row(f"{unit} trained", *(count(total) for _, total in columns.values()), style="bold")
    return grid


def _first_shares(sources: Sources) -> dict[str, float]:
    return {name: parts / PARTS for name, parts in zip(sources.names, sources.shares, strict=True)}


def _document(config: ExperimentConfig, plan: Plan, result: PlanPreview, notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "unit": plan.unit,
        "lower_bound": LOWER_BOUND in _accuracy(plan, result),
        "max_trials": plan.max_trials,
        "max_length": plan.max_length,
        "brackets": [
            {"rungs": [rung.length for rung in bracket.rungs], **plain(rows)}
            for bracket, rows in zip(plan.brackets, result.brackets, strict=True)
        ],
        **({"entries": [parts / PARTS for parts in plan.entries]} if plan.entries else {}),
        **({"sources": _first_shares(plan.sources)} if plan.sources else {}),
        "total": plain(result.total),
        "total_length": result.total_length,
        "random_search_length": result.random_search_length,
        "summary": list(describe(config)),
        "config": to_document(config),
        "notes": list(notes),
    }
