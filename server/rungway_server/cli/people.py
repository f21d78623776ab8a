"""The arguments of commands that say who works and who asks, and of pictures."""

from pathlib import Path
from typing import Annotated

import typer

from rungway_server.cli.options import (
    DEFAULT_TARGET,
    ExperimentArgument,
    NamedExperimentArgument,
    Output,
    OutputOption,
    Plot,
    TargetOption,
)


def whoami(target: TargetOption = DEFAULT_TARGET, output: OutputOption = Output.TABLE) -> None:
    """Show the namespace and the role in which this service takes calls, and its version."""
    from rungway_server.cli.whoami import whoami

    whoami(target, output)


def workers(
    experiment: ExperimentArgument, target: TargetOption = DEFAULT_TARGET, output: OutputOption = Output.TABLE
) -> None:
    """List who trains now, and when it was last heard of."""
    from rungway_server.cli.live import workers

    workers(experiment, target, output)


def plot(
    experiment: NamedExperimentArgument,
    kind: Annotated[
        Plot,
        typer.Argument(
            help="best: the best so far over time; curves: all learning curves; importance: of each hyperparameter; "
            "parallel: trials through their hyperparameters; ladder: results by rung; workers: who trained what, when."
        ),
    ] = Plot.CURVES,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The file: .png, .svg, .pdf, or .html (one page).")
    ],
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Draw a picture of a search."""
    from rungway_server.cli.plot import plot

    plot(experiment, kind, out, target)
