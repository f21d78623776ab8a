"""The list of commands.

A command module imports typer and the standard library at its top and everything else inside its functions, so that
`rungway --help` and the healthcheck start quickly.
"""

from typing import Annotated

import typer

from rungway_server.cli import (
    agent,
    commands,
    convert,
    healthcheck,
    katib,
    managing,
    migrate,
    people,
    quotas,
    serve,
    simulate,
    tokens,
    webhook,
)
from rungway_server.cli.options import NAMESPACE, OUTPUT
from rungway_server.cli.whole import Command

app = typer.Typer(
    name="rungway",
    help="Hyperparameter search as a service.",
    no_args_is_help=True,
    epilog="Exit codes: 0 done; 1 refused: the configuration breaks a rule, or the service says no, "
    "or `rungway best` of a search that is over without a result, or has paused itself; 2 wrong usage, "
    "or a file that cannot be read or written; 3 the service cannot be reached; 130 interrupted.",
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
    namespace: Annotated[
        str | None,
        typer.Option(help="The namespace of all experiments of a service; else RUNGWAY_NAMESPACE, or the token's."),
    ] = None,
) -> None:
    NAMESPACE.set(namespace or "")
    OUTPUT.set(None)  # of a command before, in the same process


app.command("serve", cls=Command)(serve.serve)
app.command("katib", cls=Command)(katib.katib)
app.command("healthcheck", cls=Command)(healthcheck.healthcheck)
app.command("demo", cls=Command)(commands.demo)
app.command("preview", cls=Command)(commands.preview)
app.command("simulate", cls=Command)(simulate.simulate)
app.command("open", cls=Command)(commands.open_page)
app.command("run", cls=agent.AfterDashes)(agent.run)
app.command("agent", cls=agent.Verbatim)(agent.agent)
app.command("slurm", cls=agent.Verbatim)(agent.slurm)
app.command("convert", cls=Command)(convert.convert)
app.command("create", cls=Command)(managing.create)
app.command("list", cls=Command)(managing.list_searches)
app.command("status", cls=Command)(commands.status)
app.command("best", cls=Command)(commands.best)
app.command("trials", cls=Command)(commands.trials)
app.command("trial", cls=Command)(commands.trial)
app.command("wait", cls=Command)(people.wait)
app.command("workers", cls=Command)(people.workers)
app.command("plot", cls=Command)(people.plot)
app.command("checkpoints", cls=Command)(people.checkpoints)
app.command("mirror", cls=Command)(people.mirror)
app.command("propose", cls=Command)(people.propose)
app.command("whoami", cls=Command)(people.whoami)
app.command("explain", cls=Command)(commands.explain)
app.command("watch", cls=Command)(commands.watch)
app.command("enqueue", cls=Command)(commands.enqueue)
app.command("update", cls=Command)(managing.update)
app.command("pause", cls=Command)(commands.pause)
app.command("resume", cls=Command)(commands.resume)
app.command("stop", cls=Command)(commands.stop)
app.command("delete", cls=Command)(commands.delete)
app.command("audit", cls=Command)(commands.audit)
app.command("migrate", cls=Command)(migrate.migrate)
app.command("export", cls=Command)(commands.export)
app.command("import", cls=Command)(commands.import_file)
app.add_typer(tokens.app, name="token")
app.add_typer(quotas.app, name="quota")
app.add_typer(webhook.app, name="webhook")
