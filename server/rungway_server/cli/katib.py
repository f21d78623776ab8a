"""`rungway katib`: a suggestion service of Katib."""

import os
from pathlib import Path
from typing import Annotated

import typer


def katib(
    *,
    listen: Annotated[str, typer.Option(help="Where to listen, HOST:PORT; Katib calls 6789.")] = "[::]:6789",
    namespace: Annotated[
        str | None, typer.Option(help="Namespace of the experiment. Default: that of the pod, if it has one.")
    ] = None,
    trial_dirs: Annotated[
        Path, typer.Option(help="Where Katib mounts the volume of `resumePolicy: FromVolume`.")
    ] = Path("/opt/katib/data"),
    missing_after: Annotated[
        float, typer.Option(min=0, help="A rung waits so long for a run that Katib does not list (seconds).")
    ] = 60.0,
    redis_server: Annotated[Path | None, typer.Option(help="Which Valkey or Redis decides.")] = None,
    log_level: Annotated[str, typer.Option(help="'debug', 'info', 'warning' or 'error'.")] = "info",
    log_format: Annotated[str, typer.Option(help="'json', 'console', or 'auto': text on a terminal.")] = "auto",
) -> None:
    """Serve Katib's suggestions by ASHA, Hyperband and population based training (docs/katib.md).

    It keeps nothing: all that was decided travels with the experiment. Exit codes: 0 after SIGTERM or Ctrl-C; 1 when it
    could not start; 2 for wrong usage.
    """
    # Its handlers crash children that are made beside its threads: the store, if it has to be started again.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        from rungway_server.katib.serve import KatibSettings, serve_katib
    except ModuleNotFoundError as error:
        typer.echo(f"rungway: {error.name} is not installed: pip install 'rungway[server]'", err=True)
        raise typer.Exit(2) from None
    levels, forms = ("debug", "info", "warning", "error"), ("json", "console", "auto")
    for option, found, wanted in (("log-level", log_level, levels), ("log-format", log_format, forms)):
        if found not in wanted:
            typer.echo(f"rungway: --{option}: got {found!r}, wanted one of {', '.join(wanted)}", err=True)
            raise typer.Exit(2)
    raise typer.Exit(
        serve_katib(KatibSettings(listen, namespace, trial_dirs, missing_after, redis_server, log_level, log_format))
    )
