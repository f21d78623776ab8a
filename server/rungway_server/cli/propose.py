"""`rungway propose`: another library proposes the configurations of a search."""

import typer

from rungway_server.cli.connection import service
from rungway_server.cli.output import many
from rungway_server.cli.signals import say, signals
from rungway_server.proposers.follow import Follower
from rungway_server.proposers.library import open_library


def propose(experiment: str, library: str, every: float, target: str) -> None:
    """Propose until the search is over."""
    with service(target, experiment) as client, signals() as (stop, received):
        follower = Follower(client, experiment, open_library(library), say, stop)
        over = follower.follow(every)
        state = "over" if over else "not over: the same command goes on"
        say(f"{experiment}: {many(follower.proposed, 'proposal')} by {library}; the search is {state}")
    if received:
        raise typer.Exit(128 + received[0])
