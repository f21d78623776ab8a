"""The ladder of an experiment as a table: rungs from the top down, brackets side by side."""

from collections.abc import Iterator

from rich.table import Table

from rungway import Bracket, Entry, Plan, Rung
from rungway_server.cli.output import count, table, unit_name

BRACKETS_PER_TABLE = 4
"""Brackets that fit into 80 columns."""


def ladder(plan: Plan) -> Iterator[Table]:
    """Tables of some brackets each: the results of every rung, and after the arrow how many were promoted. Where new
    trials may enter at any rung, the share of the training of those that enter there is beside it; in a cost-aware
    search also which part of all they have used."""
    for start in range(0, len(plan.brackets), BRACKETS_PER_TABLE):
        yield _table(plan.brackets[start : start + BRACKETS_PER_TABLE], start, plan)


def _table(brackets: tuple[Bracket, ...], start: int, plan: Plan) -> Table:
    shares = [[f"{entry.share:.0%}", *_used(entry, plan)] for entry in reversed(plan.entries)]
    columns = [f">Bracket {start + index}" for index in range(len(brackets))]
    heads = [">Enter here", *([">Used, by cost"] if plan.cost_aware else [])] if shares else []
    grid = table(f">{unit_name(plan.unit)}", *columns, *heads)
    tallest = max(len(bracket.rungs) for bracket in brackets)
    for below_top in range(tallest):  # rungs of all brackets agree when counted from the top
        there = [_rung_below(bracket, below_top) for bracket in brackets]
        length = next(rung.length for rung in there if rung)
        cells = [_cell(rung.results, rung.promoted, below_top) if rung else "" for rung in there]
        grid.add_row(count(length), *cells, *(shares[below_top] if shares else ()))
    grid.add_section()
    grid.add_row("started", *(f"{count(bracket.started)} of {count(bracket.max_trials)}" for bracket in brackets))
    grid.add_row("running", *(count(bracket.running) for bracket in brackets))
    return grid


def _used(entry: Entry, plan: Plan) -> list[str]:
    """The part of the training that an entry has used, weighed by its cost, where that counts."""
    whole = sum(each.used or 0.0 for each in plan.entries)
    return [f"{(entry.used or 0.0) / whole:.0%}" if whole else "-"] if plan.cost_aware else []


def _rung_below(bracket: Bracket, below_top: int) -> Rung | None:
    index = len(bracket.rungs) - 1 - below_top
    return bracket.rungs[index] if index >= 0 else None


def _cell(results: int, promoted: int, below_top: int) -> str:
    return count(results) if below_top == 0 else f"{count(results)} → {count(promoted):>3}"
