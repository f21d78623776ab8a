"""The arguments of the commands that make, change and list searches."""

from typing import Annotated

import typer

from rungway_server.cli.options import (
    DEFAULT_TARGET,
    ExperimentArgument,
    FileArgument,
    Output,
    OutputOption,
    TargetOption,
)

LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=VALUE", help="A label, to list it by; may be repeated."),
]


def create(
    file: FileArgument,
    name: Annotated[
        str | None,
        typer.Option(
            envvar="RUNGWAY_EXPERIMENT",
            help="Its id. Default: from the key 'name' in the file, else from the file name.",
        ),
    ] = None,
    warm_start_from: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT", help="Begin with the best configurations of this experiment."),
    ] = None,
    warm_start_count: Annotated[
        int | None, typer.Option(min=1, max=1000, show_default="1", help="How many of them.")
    ] = None,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="Succeed if it is there already with the same configuration.")
    ] = False,
    labels: LabelOption = None,
    owner: Annotated[str, typer.Option(help="Whose it is, to list it by.")] = "",
    comment: Annotated[str, typer.Option(help="What there is to say about it.")] = "",
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create an experiment from a file."""
    from rungway_server.cli.experiments import create
    from rungway_server.cli.labels import Words, read_labels

    create(
        file,
        name,
        target,
        output,
        warm_start_from=warm_start_from,
        warm_start_count=warm_start_count,
        exist_ok=exist_ok,
        words=Words(read_labels(labels), owner, comment),
    )


def update(
    experiment: ExperimentArgument,
    *,
    max_trials: Annotated[
        int | None, typer.Option(min=1, help="Trials to start in all; not fewer than are started.")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=0, help="Most trials at once; 0 = no limit.")] = None,
    retention_days: Annotated[
        float | None, typer.Option(min=0, help="Remove it this many days after its end; 0 = keep it.")
    ] = None,
    labels: LabelOption = None,
    remove_labels: Annotated[
        list[str] | None, typer.Option("--remove-label", metavar="NAME", help="Remove this label; may be repeated.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="Whose it is; '' = nobody's.")] = None,
    comment: Annotated[str | None, typer.Option(help="What there is to say about it; '' = nothing.")] = None,
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change how many trials a search may start, or run at once, while it runs or after it is done, how long it is
    kept after its end, or its labels, owner and comment."""
    from rungway_server.cli.experiments import update
    from rungway_server.cli.labels import Words, read_labels

    update(
        experiment,
        target,
        output,
        max_trials=max_trials,
        max_concurrent=max_concurrent,
        retention_days=retention_days,
        words=Words({**read_labels(labels), **dict.fromkeys(remove_labels or ())}, owner, comment),
    )


def list_searches(
    *,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label", metavar="NAME[=VALUE]", help="Only those with this label; may be repeated: with all of them."
        ),
    ] = None,
    owner: Annotated[str, typer.Option(help="Only those of this owner.")] = "",
    target: TargetOption = DEFAULT_TARGET,
    output: OutputOption = Output.TABLE,
) -> None:
    """List experiments, oldest first, with their labels and owners."""
    from rungway_server.cli.experiments import show_all
    from rungway_server.cli.labels import read_wanted

    show_all(target, output, labels=read_wanted(labels), owner=owner)
