"""Commands about trials: best, trials."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from rungway import Experiment, Objectives, Trial, TrialState
from rungway._data.objectives import objectives_of
from rungway._data.search_data import TrialData
from rungway._data.tables import trials_table
from rungway_server.cli.connection import service
from rungway_server.cli.ending import is_fruitless, warnings_of
from rungway_server.cli.options import Exit, Output, Rank, TableOutput, TrialOrder
from rungway_server.cli.output import console, count, fail, number, print_json, settings, table, text, unit_name
from rungway_server.cli.tables import print_csv, read_search
from rungway_server.domain.engine import MOST_BEST

_STATES = tuple(state for state in TrialState if state is not TrialState.UNKNOWN)


def best(experiment_id: str, most: int, by: Rank, target: str, output: Output) -> None:
    """Print the best trials with their configurations. Refused for a search that is over without a result."""
    with service(target, experiment_id) as client:
        experiment = client.get_experiment()
        found = client.best(most, by=by.value)
    if output is Output.JSON:
        print_json({"experiment": experiment.experiment, "by": by.value, "trials": found})
    elif found:
        _print_best(console(), experiment, found, by)
    if is_fruitless(experiment):
        raise fail(Exit.REFUSED, f"{experiment.experiment} is {experiment.state}", warnings_of(experiment))
    if not found and output is Output.TABLE:
        console().print("no trial is completed yet" if by is Rank.FINAL else "no trial has a result yet")


@dataclass(frozen=True, slots=True)
class Page:
    """Which trials to list, in which order, and whether with their configurations. `states`: () = all."""

    first: int
    most: int | None
    """None = 100, or all as CSV."""
    hparams: bool
    states: tuple[str, ...] = ()
    order: TrialOrder = TrialOrder.NUMBER
    newest_first: bool = False

    @property
    def selects(self) -> bool:
        """Whether all trials have to be read for it."""
        return bool(self.states) or self.newest_first or self.order is not TrialOrder.NUMBER


_MOST = 100


def trials(experiment_id: str, page: Page, target: str, output: TableOutput) -> None:
    """Print a page of trials."""
    if unknown := [state for state in page.states if state not in _STATES]:
        raise fail(Exit.USAGE, f"--state: got {unknown[0]!r}, wanted one of {', '.join(_STATES)}")
    if output is TableOutput.CSV:
        _print_csv(experiment_id, page, target)
        return
    most = page.most or _MOST
    end = page.first + most
    ranks: _Ranks | None = None
    with service(target, experiment_id) as client:
        searcher = cache(lambda: client.get_experiment().config.get("searcher", {}))
        if page.selects:
            smaller = searcher().get("smaller_is_better", True)
            listed = _selected(client.list_trials(), _best_metric, page, smaller)[page.first : end + 1]
        else:
            listed = client.list_trials(most + 1, after=page.first)
        if output is TableOutput.TABLE and any(trial.objectives for trial in listed):
            best = [(each.trial, each.objectives) for each in client.best(MOST_BEST) if each.objectives]
            first = frozenset(trial for trial, own in best if own.front == 0 and own.violation == 0)
            ranks = _Ranks(_Ranking(searcher()), first)
    found = listed[:most]
    more = end if len(listed) > most else None
    if output is TableOutput.JSON:
        print_json({"experiment": experiment_id, "trials": found, "next": more})
        return
    out = console()
    if not found:
        out.print("no trials here")
        return
    _print_trials(out, found, page.hparams, ranks)
    if more is not None:
        out.print(f"more: rungway trials {experiment_id}{_options(page)} --from {more} -n {most}", style="dim")


def _print_csv(experiment_id: str, page: Page, target: str) -> None:
    with service(target, experiment_id) as client:
        data = read_search(client.export_experiment())
    chosen = _selected(data.trials, lambda trial: trial.best, page, data.smaller_is_better)
    first = page.first
    if not page.selects:  # --from is then the number of a trial; a trial that was replaced may leave a gap
        chosen, first = [trial for trial in chosen if trial.number >= first], 0
    print_csv(trials_table(data, chosen[first:][: page.most]))


_Listed = TypeVar("_Listed", Trial, TrialData)


def _best_metric(trial: Trial) -> float | None:
    return trial.best_metric


def _selected(
    trials: list[_Listed], best: Callable[[_Listed], float | None], page: Page, smaller_is_better: bool
) -> list[_Listed]:
    """The trials in these states, in this order; those without a metric come last."""
    chosen = [trial for trial in trials if not page.states or trial.state in page.states]
    if page.newest_first:
        chosen.reverse()
    if page.order is TrialOrder.METRIC:
        sign = 1 if smaller_is_better else -1
        chosen.sort(key=lambda trial: math.inf if (metric := best(trial)) is None else sign * metric)
    return chosen


def _options(page: Page) -> str:
    """How the command that goes on repeats the selection."""
    states = "".join(f" --state {state}" for state in page.states)
    order = f" --sort {page.order}" if page.order is not TrialOrder.NUMBER else ""
    return f"{states}{order}{' --new' if page.newest_first else ''}"


def _print_best(out: Console, experiment: Experiment, found: Sequence[Trial], by: Rank) -> None:
    searcher = experiment.config.get("searcher", {})
    unit = unit_name(experiment.plan.unit if experiment.plan else "")
    what = "" if by is Rank.BEST else f" {by.value}"
    out.print(text(f"{experiment.experiment}: best by{what} {searcher.get('metric')}, at and trained in {unit}"))
    if searcher.get("metrics") or searcher.get("outcome_constraints"):
        _print_fronts(out, found, searcher)
        return
    last = [] if by is Rank.BEST else [f">{by.value.capitalize()}"]
    grid = table(">Trial", *last, ">Best", ">At", ">Trained", "State", "Configuration")
    for trial in found:
        values = (number(trial.best_metric), count(trial.best_length), count(trial.length))
        told = [number(trial.metric)] * len(last)
        grid.add_row(str(trial.trial), *told, *values, str(trial.state), text(settings(trial.hparams)))
    out.print("", grid, sep="\n")


class _Ranking:
    """What results rank by, as columns of a table: the objectives, and where there are constraints the violation."""

    def __init__(self, searcher: Mapping[str, Any]) -> None:
        self._names = [each.name for each in objectives_of(searcher)]
        self._constrained = bool(searcher.get("outcome_constraints"))
        self.heads = [*(f">{name}" for name in self._names), *[">Violation"] * self._constrained]

    def cells(self, own: Objectives | None) -> list[str]:
        """Those of a trial; `own` is what its last result ranks by."""
        values = [number(own.values.get(name) if own else None) for name in self._names]
        return [*values, *[number(own.violation if own else None)] * self._constrained]


@dataclass(frozen=True, slots=True)
class _Ranks:
    """What results rank by, and who is on the first front."""

    ranking: _Ranking
    first: frozenset[int]


def _print_fronts(out: Console, found: Sequence[Trial], searcher: Mapping[str, Any]) -> None:
    ranking = _Ranking(searcher)
    grid = table(">Trial", ">Front", *ranking.heads, ">Trained", "State", "Configuration")
    for trial in found:
        own = trial.objectives or Objectives({})
        front = "" if own.front is None else str(own.front)
        about = (count(trial.length), str(trial.state), text(settings(trial.hparams)))
        grid.add_row(str(trial.trial), front, *ranking.cells(own), *about)
    out.print("", grid, sep="\n")


def _print_trials(out: Console, found: Sequence[Trial], hparams: bool, ranks: _Ranks | None) -> None:
    bracketed, restarted = any(trial.bracket for trial in found), any(trial.restarts for trial in found)
    cloned = any(trial.parent is not None for trial in found)
    # Empty columns give their space to others.
    optional = (*[">Bracket"] * bracketed, *[">Clone of"] * cloned, *[">Restarts"] * restarted)
    about = ("Configuration",) if hparams else (*[">Last"] * (ranks is None), *optional, "Worker or message")
    grid = table(">Trial", "State", ">Length", *([*ranks.ranking.heads, ">Front"] if ranks else [">Best"]), *about)
    grid.columns[1].min_width = len(TrialState.COMPLETED)  # the longest word there
    for trial in found:
        state = f"{trial.state}: {trial.outcome}" if trial.outcome else str(trial.state)
        best = [number(trial.best_metric)]
        if ranks:
            best = [*ranks.ranking.cells(trial.objectives), "first" if trial.trial in ranks.first else ""]
        row = (str(trial.trial), state, count(trial.length), *best)
        if hparams:
            grid.add_row(*row, text(settings(trial.hparams)))
        else:
            parent = "" if trial.parent is None else str(trial.parent)
            more = (*[str(trial.bracket)] * bracketed, *[parent] * cloned, *[count(trial.restarts)] * restarted)
            grid.add_row(*row, *[number(trial.metric)] * (ranks is None), *more, _who(trial))
    out.print(grid)


def _who(trial: Trial) -> Text:
    """The worker; for a failed trial, as much of its last message as fits."""
    if trial.state is not TrialState.FAILED or not trial.message:
        return text(trial.worker)
    said = text(trial.message)
    said.no_wrap, said.overflow = True, "ellipsis"
    return said
