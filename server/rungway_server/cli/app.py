"""The list of commands.

A command module imports typer and the standard library at its top and everything else inside its functions, so that
`rungway --help` and the healthcheck start quickly.
"""

from typing import Annotated

import typer

from rungway_server.cli import commands, healthcheck, quotas, serve, simulate, tokens

app = typer.Typer(
    name="rungway",
    help="Hyperparameter search as a service.",
    no_args_is_help=True,
    epilog="Exit codes: 0 done; 1 refused: the configuration breaks a rule, or the service says no, "
    "or `rungway best` of a search that is over without a result, or has paused itself; 2 wrong usage, "
    "or a file that cannot be read or written; 3 the service cannot be reached; 130 interrupted.",
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold passwords
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from rungway.__about__ import __version__

        print(f"rungway {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command("serve")(serve.serve)
app.command("healthcheck")(healthcheck.healthcheck)
app.command("demo")(commands.demo)
app.command("preview")(commands.preview)
app.command("simulate")(simulate.simulate)
app.command("create")(commands.create)
app.command("status")(commands.status)
app.command("best")(commands.best)
app.command("trials")(commands.trials)
app.command("explain")(commands.explain)
app.command("watch")(commands.watch)
app.command("enqueue")(commands.enqueue)
app.command("update")(commands.update)
app.command("pause")(commands.pause)
app.command("resume")(commands.resume)
app.command("stop")(commands.stop)
app.command("delete")(commands.delete)
app.command("audit")(commands.audit)
app.command("export")(commands.export)
app.command("import")(commands.import_file)
app.add_typer(tokens.app, name="token")
app.add_typer(quotas.app, name="quota")
