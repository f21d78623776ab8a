"""The arguments of commands that say who works, who asks, which checkpoints there are, and when a search is over, and
of pictures and mirrors."""

from pathlib import Path
from typing import Annotated

import typer

from rungway_server.cli.options import (
    DEFAULT_TARGET,
    ExperimentArgument,
    MirrorTarget,
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


def wait(
    experiments: Annotated[
        list[str], typer.Argument(metavar="EXPERIMENT", envvar="RUNGWAY_EXPERIMENT", help="Their ids.")
    ],
    *,
    goals: Annotated[
        list[str] | None,
        typer.Option(
            "--for", metavar="done|best=VALUE", help="The end, or a best metric this good; of several the first."
        ),
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Longest wait (seconds); 0 = only look.")] = None,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Wait until searches are done, and say in the exit code how they ended.

    Exit codes: 0 done (or what --for names is there); 4 done without a result, or without the metric; 5 stopped; 6 it
    has paused itself because its first trials all failed; 7 the timeout is over. Of several the highest. 1, 2 and 3
    are as of all commands. A pause by a user is waited through, and so is an outage of the service of up to a minute.
    """
    from rungway_server.cli.wait import read_goals, wait

    wait(experiments, read_goals(goals or ()), timeout, target, output)


def plot(
    experiment: NamedExperimentArgument,
    kind: Annotated[
        Plot,
        typer.Argument(
            help="best: the best so far over time; curves: all learning curves; importance: of each hyperparameter; "
            "parallel: trials through their hyperparameters; ladder: results by rung; workers: who trained what, when; "
            "front: trials by two objectives."
        ),
    ] = Plot.CURVES,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The file: .png, .svg, .pdf, or .html (one page).")
    ],
    axis: Annotated[
        list[str] | None, typer.Option(help="An objective for an axis of front, given twice. Default: the first two.")
    ] = None,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Draw a picture of a search."""
    from rungway_server.cli.plot import plot

    plot(experiment, kind, out, axis or (), target)


def checkpoints(
    experiment: ExperimentArgument,
    *,
    stale: Annotated[
        bool, typer.Option("--stale", help="Only those that no trial can need any more, one a line.")
    ] = False,
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="SECONDS", help="With --stale: not needed for so long (3600); less may not be safe."
        ),
    ] = None,
    final: Annotated[
        bool, typer.Option("--final", help="With --stale: the search is done and gets no more trials.")
    ] = False,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the last and the best checkpoint of each trial, or with --stale those that may be deleted."""
    from rungway_server.cli.checkpoints import checkpoints, stale_checkpoints

    if not stale and (final or older_than is not None):
        raise typer.BadParameter("--older-than and --final need --stale")
    if stale:
        stale_checkpoints(experiment, 3600.0 if older_than is None else older_than, target, output, final=final)
    else:
        checkpoints(experiment, target, output)


def mirror(
    experiment: ExperimentArgument,
    *,
    to: Annotated[MirrorTarget, typer.Option(help="The tool; its package comes with the extra of that name.")],
    into: Annotated[
        str,
        typer.Option(
            help="W&B: the project (default: rungway). MLflow: the experiment (default: the id of the search). "
            "TensorBoard: the folder (default: runs)."
        ),
    ] = "",
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks at the search.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Write what is there now, and end.")] = False,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Show a search in W&B, MLflow or TensorBoard, until it is over: a run for each trial, with its curve.

    Run it again after an interruption: it asks the tool what is there, and goes on. Outages of either side are waited
    through. MLflow and W&B are set up by their own variables (MLFLOW_TRACKING_URI; WANDB_MODE, WANDB_DIR, …).
    """
    from rungway_server.cli.mirror import mirror

    mirror(experiment, to, into, every, target, once=once)


def propose(
    experiment: ExperimentArgument,
    *,
    library: Annotated[
        str,
        typer.Option(
            "--with",
            help="optuna, optuna:SAMPLER (as optuna:GPSampler) or hyperopt, whose package must be installed; or "
            "module:factory for a proposer of your own.",
        ),
    ],
    every: Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds between two looks at the search.")] = 1.0,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Let another library propose the configurations of a search with `proposals: external`, until it is over.

    Run it again after an interruption, or several at once: each proposal counts by its number, and the first one with a
    number is kept. Workers never wait for it: where nothing was proposed, the search draws by its sampler.
    """
    from rungway_server.cli.propose import propose

    propose(experiment, library, every, target)
