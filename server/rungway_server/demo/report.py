"""The end of the demo: what was found, what it cost, and the picture."""

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from rungway import Experiment
from rungway import Outcome as TrialOutcome
from rungway_server.cli.output import count, plain, share, table
from rungway_server.demo.picture import Curve, Story, draw
from rungway_server.demo.run import Outcome, rung_lengths

PICTURE = "learning_curves.png"


def write_picture(outcome: Outcome, folder: Path) -> Path:
    """Draw the learning curves into the folder, made when missing, and return the picture's path."""
    experiment, accident = outcome.experiment, outcome.accident
    points = {trial.trial: {each.length: each.metric for each in trial.curve or ()} for trial in outcome.trials}
    curves = [Curve(number, sorted(metrics.items())) for number, metrics in points.items()]
    trained, full = experiment.trained_length, _full_length(experiment)
    many = f"{len(curves)} multi-layer perceptrons"
    if diverged := _diverged(outcome):
        many += f" ({diverged} diverged)"
    cost = f"{share(trained, full)} of the {count(full)} of training all of them to the end"
    story = Story(
        title="Adaptive ASHA on handwritten digits",
        subtitle=f"{many}, {count(trained)} epochs trained: {cost}",
        best=outcome.best.trial if outcome.best else None,
        killed=(accident.trial, accident.epoch) if accident else None,
    )
    path = folder / PICTURE
    draw(curves, rung_lengths(experiment), story, path)
    return path


def print_report(outcome: Outcome, picture: Path, out: Console) -> None:
    """Print what was found and what it cost."""
    experiment, best = outcome.experiment, outcome.best
    out.print("", _rungs(outcome), "", sep="\n")
    if best and best.best_metric is not None:
        out.print(
            Text(
                f"Best: trial {best.trial}, validation error {best.best_metric:.2%} at epoch {best.best_length}", "bold"
            )
        )
        grid = table("Hyperparameter", ">Value")
        for name, value in sorted(best.hparams.items()):
            grid.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
        out.print("", grid, "", sep="\n")
    trained, full = experiment.trained_length, _full_length(experiment)
    out.print(f"Trained {count(trained)} epochs; all trials to the end: {count(full)}; share {share(trained, full)}.")
    out.print(_accident(outcome))
    out.print(f"Time {outcome.seconds:.0f} s. Learning curves: {picture}", soft_wrap=True)


def document(outcome: Outcome, picture: Path) -> dict[str, Any]:
    """The same for programs."""
    accident = None
    if outcome.accident:
        accident = plain(outcome.accident) | {"taken_over": outcome.taken_over}
        del accident["at"]  # a clock of this process alone
    return {
        "trials": outcome.experiment.trials,
        "trained_epochs": outcome.experiment.trained_length,
        "full_epochs": _full_length(outcome.experiment),
        "rungs": [{"epochs": rung, "reached": reached, "ended": ended} for rung, reached, ended in _reached(outcome)],
        "best": outcome.best,
        "accident": accident,
        "seconds": round(outcome.seconds, 3),
        "picture": str(picture),
    }


def _rungs(outcome: Outcome) -> Any:
    grid = table(">Rung (epochs)", ">Trials that came this far", ">Ended here")
    for rung, reached, ended in reversed(_reached(outcome)):
        grid.add_row(count(rung), count(reached), count(ended))
    return grid


def _reached(outcome: Outcome) -> list[tuple[int, int, int]]:
    """Per rung, lowest first: its length, the trials that reported there, and those that went no further."""
    lengths = rung_lengths(outcome.experiment)
    tops = Counter(max((rung for rung in lengths if rung <= trial.length), default=0) for trial in outcome.trials)
    return [(rung, sum(tops[other] for other in lengths if other >= rung), tops[rung]) for rung in lengths]


def _full_length(experiment: Experiment) -> int:
    return experiment.trials.started * rung_lengths(experiment)[-1]


def _diverged(outcome: Outcome) -> int:
    return sum(trial.outcome is TrialOutcome.DIVERGED for trial in outcome.trials)


def _accident(outcome: Outcome) -> str:
    accident = outcome.accident
    diverged = _diverged(outcome)
    ends = f"{diverged} trial{'s'[: diverged != 1]} diverged. " if diverged else ""
    if accident is None:
        return ends + "No worker was killed: none was in the middle of a trial with a checkpoint at the right time."
    trial = outcome.trials[accident.trial]
    if not outcome.taken_over:
        return (
            ends
            + f"Worker {accident.worker} was killed, but its trial {accident.trial} was NOT taken over: {trial.state}."
        )
    return ends + (
        f"Worker {accident.worker} was killed holding trial {trial.trial} at epoch {accident.epoch}; "
        f"worker {accident.resumed_by} went on from epoch {accident.resumed_epoch} "
        f"after {accident.resumed_after:.1f} s and took it to epoch {trial.length} "
        f"({trial.state})."
    )
