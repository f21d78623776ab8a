"""The arguments of commands that say who works, and who asks."""

from rungway_server.cli.options import DEFAULT_TARGET, ExperimentArgument, Output, OutputOption, TargetOption


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
