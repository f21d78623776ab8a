"""`rungway run`: a whole search of a training command, with a service of this machine if none is named."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import typer

from rungway import Client, Experiment, FailedPrecondition, RungwayError
from rungway._agent.main import print_ending
from rungway._agent.options import Options
from rungway._agent.session import Ending, log_to, run
from rungway._local.place import Place, open_search, place
from rungway._local.processes import ServiceFailed
from rungway._local.view import View, view
from rungway_server.cli.connection import ATTEMPT_SECONDS, TOTAL_SECONDS
from rungway_server.cli.experiments import id_from
from rungway_server.cli.files import read_document
from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import errors, fail

_LOOK_SECONDS = 0.5
"""Between two looks at the search, for the view."""


def run_file(
    file: Path,
    command: list[str],
    options: Options,
    *,
    name: str | None,
    target: str | None,
    data: Path | None,
    output: Output,
) -> None:
    """Create the search of a file, or go on with it, and run the command until it is over."""
    with errors():
        document = read_document(file)
        experiment = name or id_from(document, file)
    with errors(target or ""), ExitStack() as stack:
        try:
            there = stack.enter_context(place(experiment, target, data))
            client = stack.enter_context(Client(config=there.config))
            open_search(client, experiment, document)
            ending = _run(there, client, command, options, stack)
        except ServiceFailed as error:
            first, *more = str(error).split("\n")
            raise fail(Exit.REFUSED, first, [line.strip() for line in more]) from None
        except FailedPrecondition as error:
            if error.reason != "FAILING":
                raise
            more = ["reason: FAILING", "correct the command and run it again: the search is resumed"]
            raise fail(Exit.REFUSED, str(error), more) from None
        except KeyboardInterrupt:  # before the agent has begun
            raise typer.Exit(130) from None
    print_ending(ending, as_json=output is Output.JSON)
    raise typer.Exit(ending.exit_code)


def _run(there: Place, client: Client, command: list[str], options: Options, stack: ExitStack) -> Ending:
    window = stack.enter_context(view(stream=sys.stderr))
    stack.enter_context(log_to(window.say))
    if there.page:
        window.say(f"page: {there.page}#/e/{there.config.experiment}/ladder")
    patience = replace(there.config, attempt_timeout=ATTEMPT_SECONDS, total_timeout=TOTAL_SECONDS)
    looker = stack.enter_context(Client(config=patience))
    return run(client, command, options, _looks(there, looker, window))


def _looks(there: Place, client: Client, window: View) -> Callable[[], None]:
    """What looks at the service and the search, twice a second at most."""
    after = 0.0

    def look() -> None:
        nonlocal after
        there.check()
        if time.monotonic() < after:
            return
        try:
            experiment: Experiment = client.get_experiment()
            window.show(experiment, client.best)
        except RungwayError:
            pass  # the agent says that the service is away; a view that is old for a while needs no word
        after = time.monotonic() + _LOOK_SECONDS

    return look
