"""`rungway trial`: one trial with its learning curve and what else its reports had."""

from collections.abc import Sequence

from rich.console import Console

from rungway import Experiment, Report, Trial
from rungway_server.cli.connection import service
from rungway_server.cli.options import Output
from rungway_server.cli.output import (
    console,
    count,
    many,
    number,
    print_json,
    settings,
    table,
    text,
    unit_name,
)


def show(experiment_id: str, trial_number: int, most: int, target: str, output: Output) -> None:
    """Print a trial with its last `most` reports; as JSON with all that the service gives."""
    with service(target, experiment_id) as client:
        trial = client.get_trial(trial_number)
        if output is Output.JSON:
            print_json({"experiment": experiment_id, "trial": trial})
            return
        experiment = client.get_experiment()
    out = console()
    print_heading(out, experiment, trial)
    _print_curve(out, experiment, trial.curve or (), most)


def print_heading(out: Console, experiment: Experiment, trial: Trial) -> None:
    """What a trial is, how far it came, and its configuration."""
    plan = experiment.plan
    of = f" of {count(plan.brackets[0].rungs[-1].length)} {unit_name(plan.unit)}" if plan else ""
    ended = f"{trial.state}: {trial.outcome}" if str(trial.outcome or trial.state) != trial.state else str(trial.state)
    state = f"{ended} after {count(trial.length)}{of}"
    best = f"; best {_metric(experiment)} {number(trial.best_metric)} at {trial.best_length:,}"
    best = "" if trial.best_metric is None else best
    out.print(text(f"{experiment.experiment}, trial {trial.trial}: {state}{best}"), style="bold")
    out.print(text(settings(trial.hparams)))
    if trial.parent is not None:
        out.print(text(f"clone of trial {trial.parent}"))
    if trial.source:
        out.print(text(f"configuration: {trial.source}"))
    for name, checkpoint, length in (
        ("checkpoint", trial.checkpoint, trial.checkpoint_length),
        ("best checkpoint", trial.best_checkpoint, trial.best_length),
    ):
        if checkpoint:
            out.print(text(f"{name} at {count(length)}: {checkpoint}"), soft_wrap=True)
    if trial.message:
        out.print(text(f"last said: {trial.message}"))
    if plan and trial.bracket < len(plan.brackets):
        rungs = [f"{index} at {count(rung.length)}" for index, rung in enumerate(plan.brackets[trial.bracket].rungs)]
        out.print(text(f"bracket {trial.bracket}, rung {', '.join(rungs)}"))


def _metric(experiment: Experiment) -> str:
    return str(experiment.config.get("searcher", {}).get("metric"))


def _print_curve(out: Console, experiment: Experiment, curve: Sequence[Report], most: int) -> None:
    shown = curve[-most:]
    if not shown:
        out.print("no report yet")
        return
    names = sorted({name for report in shown for name in report.metrics})
    costs = any(report.cost is not None for report in shown)
    grid = table(">Length", *(f">{text(name)}" for name in (_metric(experiment), *names)), *[">Cost (s)"] * costs)
    for report in shown:
        values = [number(report.metric), *(number(report.metrics.get(name)) for name in names)]
        grid.add_row(count(report.length), *values, *[number(report.cost)] * costs)
    out.print("", grid, sep="\n")
    if before := len(curve) - len(shown):
        out.print(f"{many(before, 'report')} before these; -n shows more", style="dim")
