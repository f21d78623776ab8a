"""Commands about trials: best, trials."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from rungway import Experiment, Trial
from rungway_server.cli.connection import service
from rungway_server.cli.options import Output
from rungway_server.cli.output import console, count, number, print_json, settings, table, text


def best(experiment_id: str, most: int, target: str, output: Output) -> None:
    """Print the best trials with their configurations."""
    with service(target, experiment_id) as client:
        found = client.best(most)
        experiment = client.get_experiment()
    if output is Output.JSON:
        print_json({"experiment": experiment.experiment, "trials": found})
    elif not found:
        console().print("no trial has a result yet")
    else:
        _print_best(console(), experiment, found)


@dataclass(frozen=True, slots=True)
class Page:
    """Which trials to list, and whether with their configurations."""

    first: int
    most: int
    hparams: bool


def trials(experiment_id: str, page: Page, target: str, output: Output) -> None:
    """Print a page of trials."""
    end = page.first + page.most
    with service(target, experiment_id) as client:
        listed = client.list_trials(page.most + 1, after=page.first)
    found = listed[: page.most]
    more = end if len(listed) > page.most else None
    if output is Output.JSON:
        print_json({"experiment": experiment_id, "trials": found, "next": more})
        return
    out = console()
    if not found:
        out.print("no trials here")
        return
    _print_trials(out, found, page.hparams)
    if more is not None:
        out.print(f"more: rungway trials {experiment_id} --from {more} -n {page.most}", style="dim")


def _print_best(out: Console, experiment: Experiment, found: Sequence[Trial]) -> None:
    searcher = experiment.config.get("searcher", {})
    unit = experiment.plan.unit if experiment.plan else ""
    out.print(text(f"{experiment.experiment}: best by {searcher.get('metric')}, at and trained in {unit}"))
    grid = table(">Trial", ">Best", ">At", ">Trained", "State", "Configuration")
    for trial in found:
        values = (number(trial.best_metric), count(trial.best_length), count(trial.length))
        grid.add_row(str(trial.trial), *values, str(trial.state), text(settings(trial.hparams)))
    out.print("", grid, sep="\n")


def _print_trials(out: Console, found: Sequence[Trial], hparams: bool) -> None:
    about = ("Configuration",) if hparams else (">Bracket", ">Last", ">Restarts", "Worker")
    grid = table(">Trial", "State", ">Length", ">Best", *about)
    for trial in found:
        state = str(trial.outcome or trial.state)  # "diverged" says more than "failed"
        row = (str(trial.trial), state, count(trial.length), number(trial.best_metric))
        if hparams:
            grid.add_row(*row, text(settings(trial.hparams)))
        else:
            more = (str(trial.bracket + 1), number(trial.metric), count(trial.restarts))
            grid.add_row(*row, *more, text(trial.worker))
    out.print(grid)
