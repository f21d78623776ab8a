"""The arguments of `rungway run` and `rungway agent`, which run a training command, and of `rungway slurm`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rungway_server.cli.options import FileArgument, Output, OutputOption
from rungway_server.cli.whole import Command


class Verbatim(Command):
    """A command that gets its arguments as they are, `--` and `--help` included."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep them all."""
        ctx.args = list(args)
        return list(args)


class AfterDashes(Command):
    """A command whose last arguments stand after `--`, so that no option of theirs is taken for its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse arguments without `--`."""
        if "--" not in args and "--help" not in args and not ctx.resilient_parsing:
            raise typer.BadParameter("no training command: write it after --", ctx)
        return super().parse_args(ctx, args)


def run(
    file: FileArgument,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The training command.")],
    *,
    workers: Annotated[
        int | None, typer.Option("--workers", "-n", min=1, max=1000, help="Trials at once. Default: 1.")
    ] = None,
    gpus: Annotated[
        str | None, typer.Option(help="One trial at once for each of these GPUs: 0,1,2, UUIDs, or all. Instead of -n.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The experiment's id. Default: from the key 'name' in the file, else from the file name."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Where the service is. Default: RUNGWAY_TARGET, else one is started and stopped at the end."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the store of that service. Default: that of `rungway serve`.")
    ] = None,
    grace: Annotated[float, typer.Option(min=0, max=86400, help="Seconds between SIGTERM and SIGKILL.")] = 30.0,
    max_runs: Annotated[int | None, typer.Option(min=1, help="End after so many trials.")] = None,
    until: Annotated[
        str | None,
        typer.Option(help="Be gone by then, with all trials given back: 23:30, 2026-12-01T08:00 or 2h30m from now."),
    ] = None,
    metric_regex: Annotated[
        str | None,
        typer.Option(help="Read results from other lines, too, by the groups (?P<length>…) and (?P<metric>…)."),
    ] = None,
    logs: Annotated[Path, typer.Option(help="Folder for the output of the trials.")] = Path("rungway-logs"),
    partial: Annotated[
        bool, typer.Option("--partial", help="Hyperparameters may be missing among the placeholders.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a whole search of a command that knows nothing of Rungway: rungway run FILE -n 4 -- python train.py {lr}

    {NAME} in its arguments becomes a hyperparameter, {length} how far to train. It prints its results as lines like
    'rungway: epochs=3 error=0.12', with the searcher's unit and metric. The same command goes on with the search.
    """
    from rungway._agent.options import options
    from rungway_server.cli.output import errors
    from rungway_server.cli.run import run_file

    with errors():
        how = options(
            places=workers,
            grace=grace,
            logs=logs,
            partial=partial,
            gpus=gpus,
            max_runs=max_runs,
            until=until,
            metric_regex=metric_regex,
        )
    run_file(file, command, how, name=name, target=target, data=data, output=output)


def agent(ctx: typer.Context) -> None:
    """Run a training command for trials of an existing search: rungway agent EXPERIMENT -n 4 -- python train.py {lr}"""
    from rungway._agent.main import main

    raise typer.Exit(main(ctx.args))


def slurm(ctx: typer.Context) -> None:
    """Print a job script for Slurm whose jobs are workers: rungway slurm EXPERIMENT -n 9 -- python train.py > job.sh"""
    from rungway._agent.slurm import main

    raise typer.Exit(main(ctx.args))
