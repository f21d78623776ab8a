"""The output of a simulation: tables, JSON, CSV."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rungway_server.cli.output import count, many, number, plain, share, table, text, unit_name
from rungway_server.domain.search.plan import Plan
from rungway_server.simulation.front import Front
from rungway_server.simulation.records import Cost, Run, Step
from rungway_server.simulation.summary import Point, Summary

COLUMNS = ("time", "worker", "trial", "from", "to", "metric", "decision", "reason", "bracket", "rung")
_BRAKE = "A search pauses itself then; pause_after_failures says after how many, and 0 turns that off."
MOST_POINTS = 12
"""How many of the last improvements are printed."""


def write_csv(steps: Sequence[Step], path: Path) -> None:
    """One line per event, by time: see `Step`; times in simulated seconds. Further metrics by which the search ranks
    have a column each, `metrics.NAME`. Raises OSError."""
    names = list(dict.fromkeys(name for step in steps for name in step.metrics))
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow((*COLUMNS, *(f"metrics.{name}" for name in names)))
        for step in steps:
            metric = "" if step.metric is None else repr(step.metric)
            job = (step.trial, step.start, step.end, metric)
            told = [repr(step.metrics[name]) if name in step.metrics else "" for name in names]
            decision = (step.decision, step.reason, step.bracket, step.rung)
            lines.writerow((f"{step.time:.6f}", step.worker, *job, *decision, *told))


def print_report(out: Console, run: Run, summary: Summary, title: str) -> None:
    """Print the figures of a run."""
    out.print(title, "", _figures(run.plan, summary), sep="\n")
    if summary.failing is not None:
        out.print("", f"Its first tries all failed, the last by: {text(summary.failing)}", _BRAKE, sep="\n")
    out.print("", _lengths(run.plan, summary), sep="\n")
    out.print("", _best(summary, unit_name(run.plan.unit)), sep="\n")
    if summary.front:
        out.print("", *_front(summary.front), sep="\n", soft_wrap=True)
    if summary.targets:
        out.print("", _targets(summary), sep="\n")
    out.print("", speed(run.cost), sep="\n", soft_wrap=True)


def speed(cost: Cost) -> str:
    """How fast the simulation itself went."""
    return (
        f"Simulated in {cost.seconds:.3g} s: {count(cost.decisions)} decisions ({count(cost.asks)} asks,"
        f" {count(cost.tells)} tells) in {count(cost.calls)} calls, {count(_rate(cost))} a second;"
        f" {share(cost.store_seconds, cost.seconds)} of the time in the store."
    )


def document(run: Run, summary: Summary, curves: str, notes: Sequence[str]) -> dict[str, Any]:
    """The same for programs. All of it but `speed` is the same for the same arguments."""
    fleet, cost = run.fleet, run.cost
    return {
        "curves": curves,
        "workers": fleet.workers,
        "straggler_sd": fleet.straggler_sd,
        "drop_probability": fleet.drop_probability,
        "seed": fleet.seed,
        "unit": run.plan.unit,
        **plain(summary),
        "decisions": {"asks": cost.asks, "tells": cost.tells, "calls": cost.calls},
        "speed": {
            "seconds": cost.seconds,
            "store_seconds": cost.store_seconds,
            "decisions_per_second": _rate(cost),
        },
        "notes": list(notes),
    }


def time_text(seconds: float | None) -> str:
    """A simulated time in a table: four significant digits and a unit, "never" for None."""
    if seconds is None:
        return "never"
    for size, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.4g} {name}"
    return f"{seconds:.4g} s"


def _rate(cost: Cost) -> int:
    return round(cost.decisions / cost.seconds) if cost.seconds else 0


def _figures(plan: Plan, summary: Summary) -> Table:
    grid, unit = table("Simulated", ">Value"), unit_name(plan.unit)
    goes_on = "the search goes on" if summary.failing is None else "the search has paused itself"
    grid.add_row("time" if summary.done else f"time ({goes_on})", time_text(summary.end))
    grid.add_row("trials", f"{count(summary.trials)} of {count(plan.max_trials)}")
    grid.add_row(f"trained ({unit})", count(summary.trained_length))
    full = f"{count(summary.full)}, the first after {time_text(summary.first_full)}" if summary.full else "0"
    grid.add_row(f"trained to the end ({count(plan.max_length)} {unit})", full)
    if summary.finished:
        grid.add_row("ended by themselves before", count(summary.finished))
    grid.add_row("jobs dropped", count(summary.drops))
    grid.add_row("workers busy", share(summary.busy, 1))
    grid.add_row("workers busy with what was lost", share(summary.lost, 1))
    grid.add_row("workers waiting", share(summary.waiting, 1))
    return grid


def _lengths(plan: Plan, summary: Summary) -> Table:
    grid = table(f">Trained to ({unit_name(plan.unit)})", ">Trials")
    for row in summary.lengths:
        grid.add_row(count(row.length), count(row.trials))
    return grid


def _best(summary: Summary, unit: str) -> Table:
    grid = table(">Time", ">Best so far", ">Trial", f">At ({unit})", ">Best trained to the end")
    for point in summary.best[-MOST_POINTS:]:
        full = _at(summary.best_full, point.time)
        grid.add_row(
            time_text(point.time), number(point.metric), str(point.trial), count(point.length),
            number(full.metric) if full else "",
        )  # fmt: skip
    last = summary.best_full[-1] if summary.best_full else None
    if last and last != summary.best[-1]:
        grid.add_section()
        grid.add_row(time_text(last.time), "", str(last.trial), count(last.length), number(last.metric))
    return grid


def _front(front: Front) -> tuple[Table | str, ...]:
    """The hypervolume over time, and the front at the end."""
    grid = table(">Time", ">Hypervolume", ">Of all curves", ">Trial", ">On the front")
    for point in front.hypervolume[-MOST_POINTS:]:
        grid.add_row(
            time_text(point.time), number(point.hypervolume), f"{point.share:.1%}", str(point.trial), count(point.size)
        )  # fmt: skip
    members = table(">On the front", *(f">{name}" for name in front.reference))
    for member in front.members[:MOST_POINTS]:
        members.add_row(str(member.trial), *(number(value) for value in member.values.values()))
    if len(front.members) > MOST_POINTS:
        members.caption = f"and {many(len(front.members) - MOST_POINTS, 'further trial')}"
    reference, ideal = (
        ", ".join(f"{text(name)} {number(value)}" for name, value in end.items())
        for end in (front.reference, front.ideal)
    )
    between = f"The hypervolume is that of trials trained to the end, from the reference point ({reference})"
    return grid, f"{between} to the best of all curves ({ideal}).", "", members


def _at(points: Sequence[Point], time: float) -> Point | None:
    return next((point for point in reversed(points) if point.time <= time), None)


def _targets(summary: Summary) -> Table:
    grid = table("Target", ">Metric", ">Reached after", ">Trained to the end")
    for target in summary.targets:
        grid.add_row(target.name, number(target.metric), time_text(target.any_length), time_text(target.full_length))
    return grid
