"""`rungway mirror`: follows a search and writes it into the tool that its users look at."""

import importlib
import importlib.util
import threading
from typing import cast

import typer

from rungway import Client
from rungway._mirror.changes import Search, Target, TargetAway
from rungway._mirror.follow import Follower, search_of
from rungway_server.cli.connection import service
from rungway_server.cli.options import Exit, MirrorTarget
from rungway_server.cli.output import fail, many
from rungway_server.cli.signals import say, signals

_WRITERS = {
    MirrorTarget.WANDB: "wandb_runs.WandbRuns",
    MirrorTarget.MLFLOW: "mlflow_runs.MlflowRuns",
    MirrorTarget.TENSORBOARD: "event_files.EventFiles",
}


def mirror(experiment: str, to: MirrorTarget, into: str, every: float, target: str, *, once: bool) -> None:
    """Write the search until it is over, or once as it is now."""
    if importlib.util.find_spec(to.value) is None:
        raise fail(Exit.USAGE, f"--to {to.value} needs {to.value}: pip install 'rungway[{to.value}]'")
    with service(target, experiment) as client, signals() as (stop, received):
        search = search_of(client, experiment)
        writer = _open(search, to, into, every, stop)
        if writer is not None:
            _follow(client, writer, search, every, stop, once=once)
    if received:
        raise typer.Exit(128 + received[0])


def _follow(client: Client, writer: Target, search: Search, every: float, stop: threading.Event, *, once: bool) -> None:
    follower = Follower(client, writer, search, say, stop)
    try:
        over = follower.follow(every, once=once)
    finally:
        _close(writer)
    state = "over, and all of it is there" if over else "not over: the same command goes on"
    say(f"{search.name}: {many(follower.runs, 'new run')}, {many(follower.points, 'point')}; the search is {state}")


def _open(search: Search, to: MirrorTarget, into: str, every: float, stop: threading.Event) -> Target | None:
    """The target, as soon as it can be reached; None after a signal."""
    module, _, name = _WRITERS[to].partition(".")
    kind = getattr(importlib.import_module(f"rungway._mirror.{module}"), name)
    waiting = False
    while not stop.is_set():
        try:
            return cast("Target", kind(search, into))
        except TargetAway as error:
            if not waiting:
                say(f"waiting for the target: {error}")
            waiting = True
            stop.wait(every)
    return None


def _close(writer: Target) -> None:
    try:
        writer.close()
    except TargetAway as error:
        say(f"the target is away, and may not have the last points: the same command adds them ({error})")
