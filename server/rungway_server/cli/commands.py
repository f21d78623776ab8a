"""The arguments of the commands for users. Their code is imported when they run, so that `--help` starts quickly."""

from pathlib import Path
from typing import Annotated

import typer

from rungway_server.cli.options import (
    DEFAULT_TARGET,
    DataOption,
    ExperimentArgument,
    ExportFormat,
    FileArgument,
    NamedExperimentArgument,
    NamespaceOption,
    OneNamespaceOption,
    OptionalExperimentArgument,
    Output,
    OutputOption,
    Rank,
    RedisOption,
    TableOutput,
    TableOutputOption,
    TargetOption,
    TrialOrder,
)


def preview(
    file: FileArgument,
    *,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Show how long it takes with this many workers.")
    ] = None,
    seconds_per_unit: Annotated[
        float | None, typer.Option(min=1e-6, help="Seconds to train one unit of length; needs --workers.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the brackets and their rungs.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how many trials would train to which length, and what that saves. Needs no service."""
    from rungway_server.cli.preview import preview

    preview(file, output, workers=workers, seconds_per_unit=seconds_per_unit, plot=plot)


def open_page(
    experiment: Annotated[
        str | None,
        typer.Argument(metavar="EXPERIMENT", envvar="RUNGWAY_EXPERIMENT", help="Its id. None: the list of all."),
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Only print the address.")] = False,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Open the page of the service in a browser, and print its address."""
    from rungway_server.cli.page import open_page

    open_page(experiment, target, only_print=only_print)


def status(
    experiment: Annotated[
        str | None,
        typer.Argument(metavar="EXPERIMENT", envvar="RUNGWAY_EXPERIMENT", help="Its id. None: list all."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="List all experiments, even if RUNGWAY_EXPERIMENT is set.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Print a line whenever it has changed, until the search is over.")
    ] = False,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the progress of an experiment, or list all."""
    from rungway_server.cli import experiments

    if watch:
        if not experiment or every:
            raise typer.BadParameter("--watch wants one EXPERIMENT")
        from rungway_server.cli.live import watch_status

        watch_status(experiment, target, output)
    elif experiment and not every:
        experiments.show(experiment, target, output)
    else:
        experiments.show_all(target, output)


def best(
    experiment: ExperimentArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="How many.")] = 1,
    by: Annotated[
        Rank, typer.Option(help="Which result counts: the best at any length, the last, or that of completed trials.")
    ] = Rank.BEST,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the trials with the best metric, best first, with their configurations."""
    from rungway_server.cli.trials import best

    best(experiment, count, by, target, output)


def trials(
    experiment: ExperimentArgument,
    *,
    first: Annotated[int, typer.Option("--from", min=0, help="Number of the first trial to show.")] = 0,
    count: Annotated[
        int | None, typer.Option("-n", "--count", min=1, max=1000, show_default="100; all as csv", help="Most to show.")
    ] = None,
    hparams: Annotated[bool, typer.Option("--hparams", help="Show the configurations too.")] = False,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only trials in this state: running, paused, queued, failed …; may be repeated."),
    ] = None,
    sort: Annotated[TrialOrder, typer.Option(help="By number, or by the best metric, best first.")] = TrialOrder.NUMBER,
    new: Annotated[bool, typer.Option("--new", help="The newest first.")] = False,
    target: TargetOption = DEFAULT_TARGET,
    output: TableOutputOption = TableOutput.TABLE,
) -> None:
    """List trials a page at a time, by number unless sorted.

    As csv they have the columns of 'rungway export --format csv', their configurations among them.
    """
    from rungway_server.cli.trials import Page, trials

    trials(experiment, Page(first, count, hparams, tuple(state or ()), sort, new), target, output)


def pause(
    experiment: ExperimentArgument, target: TargetOption = DEFAULT_TARGET, output: OutputOption = Output.TABLE
) -> None:
    """Hand out no more work until resumed; running trials pause at their next decision."""
    from rungway_server.cli.experiments import change

    change("pause", experiment, target, output)


def resume(
    experiment: ExperimentArgument, target: TargetOption = DEFAULT_TARGET, output: OutputOption = Output.TABLE
) -> None:
    """Undo a pause."""
    from rungway_server.cli.experiments import change

    change("resume", experiment, target, output)


def stop(
    experiment: ExperimentArgument, target: TargetOption = DEFAULT_TARGET, output: OutputOption = Output.TABLE
) -> None:
    """End a search; running trials are told to stop at their next report or heartbeat."""
    from rungway_server.cli.experiments import change

    change("stop", experiment, target, output)


def enqueue(
    experiment: NamedExperimentArgument,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="YAML or JSON: hyperparameters and values. '-' = standard input."),
    ] = None,
    *,
    assigned: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="One value, as in YAML; in a group: optimizer.lr=0.1; a name with a dot or '=': '`weight.decay`=0.1'.",
        ),
    ] = None,
    metric: Annotated[
        float | None, typer.Option(help="With --length: the known result of a trial of elsewhere.")
    ] = None,
    length: Annotated[int | None, typer.Option(help="How far that was trained: the length of a rung.")] = None,
    results_of: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER", help="In place of a configuration: all results of another search, as such trials."
        ),
    ] = None,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Enqueue a configuration of your own: the next new trial takes it. Values that it does not name are drawn. With
    --metric and --length it becomes a finished trial at once."""
    from rungway_server.cli.enqueue import enqueue
    from rungway_server.cli.results_of import bring_results

    if results_of is not None:
        if file is not None or assigned or metric is not None or length is not None:
            raise typer.BadParameter(
                "it stands alone, without FILE, --set, --metric and --length", param_hint="--results-of"
            )
        bring_results(experiment, results_of, target, output)
        return
    enqueue(experiment, file, assigned or [], (metric, length), target, output)


def trial(
    experiment: NamedExperimentArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", min=0, help="The trial's number.")],
    most: Annotated[int, typer.Option("-n", min=1, help="How many reports to show, the last ones.")] = 50,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show a trial with its learning curve, and the further metrics of its reports."""
    from rungway_server.cli.trial import show

    show(experiment, trial, most, target, output)


def explain(
    experiment: NamedExperimentArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", min=0, help="The trial's number.")],
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show every decision about a trial, with the numbers behind it."""
    from rungway_server.cli.events import explain

    explain(experiment, trial, target, output)


def watch(
    experiment: ExperimentArgument,
    after: Annotated[
        str, typer.Option(metavar="EVENT_ID", help="Begin after this event. Default: at the start of the search.")
    ] = "",
    trial: Annotated[int | None, typer.Option(min=0, help="Only the events of this trial.")] = None,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Follow the event log line by line, until the search is over."""
    from rungway_server.cli.events import watch

    watch(experiment, after, trial, target, output)


def delete(
    experiment: NamedExperimentArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove an experiment and everything stored of it."""
    from rungway_server.cli.experiments import delete

    delete(experiment, yes, target, output)


def audit(
    experiment: NamedExperimentArgument,
    *,
    namespace: NamespaceOption = "default",
    redis: RedisOption = None,
    data: DataOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check that all that Redis stores of an experiment is consistent. Changes nothing and needs no service.

    Redis is found as 'rungway serve' finds it: RUNGWAY_REDIS_URL, or the data folder. Exit code 1: something is wrong.
    """
    from rungway_server.cli.audit import audit

    audit(experiment, namespace, redis, data, output)


def export(
    experiment: OptionalExperimentArgument = None,
    *,
    every: Annotated[
        Path | None, typer.Option("--all", metavar="FOLDER", help="All searches, each to its file in this folder.")
    ] = None,
    form: Annotated[
        ExportFormat,
        typer.Option("--format", help="jsonl: a file that can be imported; csv, parquet: tables for analysis."),
    ] = ExportFormat.JSONL,
    out: Annotated[
        Path | None, typer.Option(help="The file, default standard output; for tables the folder, created if missing.")
    ] = None,
    target: TargetOption = DEFAULT_TARGET,
    namespace: OneNamespaceOption = None,
    redis: RedisOption = None,
    data: DataOption = None,
) -> None:
    """Write everything stored of an experiment, as of one moment: trials, curves, events and all it needs.

    With --all it works on Redis itself, found as 'rungway serve' finds it, and skips what has not changed since its
    file: run it again after an interruption.
    """
    if every:
        if out or form is not ExportFormat.JSONL:
            raise typer.BadParameter("--all takes neither --out nor --format csv or parquet")
        from rungway_server.cli.backup import export_all

        export_all(every, namespace, redis, data)
        return
    if not experiment:
        raise typer.BadParameter("wanted an EXPERIMENT, or --all FOLDER")
    if namespace or redis or data:
        raise typer.BadParameter("--namespace, --redis and --data go with --all: one is exported through the service")
    from rungway_server.cli.export import export

    export(experiment, target, form, out)


def import_file(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A file from 'rungway export'; '-' = standard input.")
    ] = None,
    *,
    every: Annotated[
        Path | None, typer.Option("--all", metavar="FOLDER", help="All searches of a folder from 'export --all'.")
    ] = None,
    name: Annotated[str | None, typer.Option("--as", metavar="EXPERIMENT", help="Under another id.")] = None,
    namespace: OneNamespaceOption = None,
    redis: RedisOption = None,
    data: DataOption = None,
) -> None:
    """Restore an experiment from an export file; its search continues where it was. Needs no service.

    Redis is found as 'rungway serve' finds it. Trials that were running wait for another worker. A file that is not
    whole, or an id that is taken, changes nothing. With --all, what is there already is skipped: run it again after an
    interruption. --namespace: where the search goes (default: default), with --all: which ones are imported.
    """
    if every and (file or name):
        raise typer.BadParameter("--all takes neither a FILE nor --as")
    if every:
        from rungway_server.cli.backup import import_all

        import_all(every, namespace, redis, data)
        return
    if not file:
        raise typer.BadParameter("wanted a FILE, or --all FOLDER")
    from rungway_server.cli.export import import_file

    import_file(file, name, namespace or "default", redis, data)


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Where to write the picture of the learning curves.")] = Path("demo-out"),
    count: Annotated[int, typer.Option("--trials", min=9, max=10_000, help="How many models to try.")] = 150,
    epochs: Annotated[int, typer.Option(min=3, max=729, help="Most epochs to train one.")] = 27,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Worker processes; 0 = one per core, at least 4.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search and of the training.")] = 1,
    stay: Annotated[bool, typer.Option("--stay", help="Keep the page up after the end, until Ctrl-C.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a whole search on this machine: a service and workers that train real models, one of them killed midway."""
    from rungway_server.cli.demo import demo

    demo(out, trials=count, epochs=epochs, workers=workers, seed=seed, stay=stay, output=output)
