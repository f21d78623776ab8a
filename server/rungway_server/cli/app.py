"""The list of commands.

A command module imports typer and the standard library at its top and everything else inside its functions, so that
`rungway --help` and the healthcheck start quickly.
"""

import typer

from rungway_server.cli import healthcheck, serve

app = typer.Typer(
    name="rungway",
    help="Hyperparameter search as a service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold passwords
)
app.command("serve")(serve.serve)
app.command("healthcheck")(healthcheck.healthcheck)
