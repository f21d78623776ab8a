"""The command `rungway`. It is installed with the thin client, too, and then says which packages are missing. Only
`rungway agent` and `rungway slurm` work without them."""

import importlib.util
import os
import signal
import sys


def main() -> None:
    """Entry point of the console script. Exits with 2 when Python is too old or packages are not installed."""
    if sys.argv[1:2] in (["serve"], ["katib"]):
        # Before the imports that take most of the start: process 1 of a container would not get it otherwise.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if sys.argv[1:2] == ["agent"]:  # before the checks: hosts that train have the client alone
        from rungway._agent.main import main as agent

        raise SystemExit(agent(sys.argv[2:]))
    if sys.argv[1:2] == ["slurm"]:  # hosts from which jobs are submitted neither
        from rungway._agent.slurm import main as slurm

        raise SystemExit(slurm(sys.argv[2:]))
    if sys.version_info < (3, 11):  # noqa: UP036 - the client, and so this script, is installed there too
        print("rungway: the command line needs Python 3.11 or newer; the client runs on 3.10 too", file=sys.stderr)
        raise SystemExit(2)
    if any(importlib.util.find_spec(package) is None for package in ("typer", "rich", "yaml")):
        print("rungway: the command line is not installed: pip install 'rungway[cli]'", file=sys.stderr)
        raise SystemExit(2)
    from rungway_server.cli.app import app

    app(prog_name="rungway")
