"""`rungway wait`: ends when a search does, with an exit code that says how, for scripts."""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

import typer

from rungway import AsyncClient, Experiment, ExperimentState, Reason, RungwayError, Trial
from rungway_server.cli.connection import follow, service
from rungway_server.cli.ending import is_fruitless
from rungway_server.cli.options import Output
from rungway_server.cli.output import as_json, count, number, text

_LOOK_SECONDS, _LOOK_AT_BEST_SECONDS = 10.0, 2.0
"""Longest time between two looks at a search: an event of it brings the next one forward. A result between two rungs,
which may be the best, is no event."""
_APART_SECONDS = 0.25
"""Least time between two looks, however many events there are."""
_EARLIER_SECONDS = 120.0
"""Events so much older than now are followed, because the clock of this host may be ahead of the service's."""


class Ended(IntEnum):
    """How a wait has ended; the values are exit codes, beside those of all commands."""

    REACHED = 0
    """What was waited for is there."""
    FAILED = 4
    """The search is done without a result, or without the metric that was waited for."""
    STOPPED = 5
    PAUSED = 6
    """It has paused itself because its first trials all failed."""
    TIMEOUT = 7


@dataclass(frozen=True, slots=True)
class Goals:
    """What is waited for: the end of the search, a best metric, or whichever comes first."""

    done: bool
    best: float | None

    def reached_by(self, best: Trial | None, experiment: Experiment) -> bool:
        """Whether the best trial has the metric that is waited for, or a better one."""
        if self.best is None or best is None or best.best_metric is None:
            return False
        smaller = experiment.config.get("searcher", {}).get("smaller_is_better", True)
        return best.best_metric <= self.best if smaller else best.best_metric >= self.best


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a search."""

    experiment: Experiment
    best: Trial | None

    def ended(self, goals: Goals) -> Ended | None:
        """How the wait ends with this; None = it goes on."""
        experiment = self.experiment
        if goals.reached_by(self.best, experiment):
            return Ended.REACHED
        if experiment.reason is Reason.FAILING:
            return Ended.PAUSED
        if experiment.state is ExperimentState.STOPPED:
            return Ended.STOPPED
        if experiment.state is not ExperimentState.DONE:
            return None
        return Ended.REACHED if goals.done and not is_fruitless(experiment) else Ended.FAILED


def read_goals(words: Sequence[str]) -> Goals:
    """`done` and `best=VALUE`; without any, `done`. Raises BadParameter."""
    best = None
    for word in words:
        name, equals, value = word.partition("=")
        if word == "done":
            continue
        with suppress(ValueError):
            if name == "best" and equals and math.isfinite(found := float(value)) and best in (None, found):
                best = found
                continue
        raise typer.BadParameter(f"--for: got {word!r}, wanted 'done', or one 'best=VALUE' with a number")
    return Goals("done" in words or not words, best)


def wait(names: Sequence[str], goals: Goals, timeout: float | None, target: str, output: Output) -> None:
    """Wait for each of these searches, say how it ended, and end with the highest of their exit codes."""
    names = list(dict.fromkeys(names))
    with service(target) as client:
        for name in names:
            client.get_experiment(name)  # without a service the command ends as quickly as any other
    ends: list[Ended] = []

    async def one(client: AsyncClient, name: str) -> None:
        look, ended = await _wait_for(client, name, goals, timeout)
        ends.append(ended)
        print(as_json(_found(look, ended)) if output is Output.JSON else _line(look, ended, timeout), flush=True)

    async def every(client: AsyncClient) -> None:
        await asyncio.gather(*(one(client, name) for name in names))

    follow(target, "", every)
    raise typer.Exit(int(max(ends)))


async def _wait_for(client: AsyncClient, name: str, goals: Goals, most_seconds: float | None) -> tuple[Look, Ended]:
    """The last look at a search, and how the wait ended."""
    changed = asyncio.Event()
    following = asyncio.ensure_future(_follow(client, name, changed, every=goals.best is not None))
    longest = _LOOK_SECONDS if goals.best is None else _LOOK_AT_BEST_SECONDS
    look = await _look(client, name)
    with suppress(TimeoutError):
        async with asyncio.timeout(most_seconds):
            while look.ended(goals) is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(longest):  # wait_for of Python 3.11 may swallow the outer timeout
                        await changed.wait()
                await asyncio.sleep(_APART_SECONDS)
                changed.clear()
                look = await _look(client, name)
    following.cancel()
    ended = look.ended(goals)
    return look, Ended.TIMEOUT if ended is None else ended


async def _look(client: AsyncClient, name: str) -> Look:
    """The search first: the best of one that is over does not change any more."""
    return Look(await client.get_experiment(name), await client.best(experiment=name))


async def _follow(client: AsyncClient, name: str, changed: asyncio.Event, *, every: bool) -> None:
    """Say when there is something new. An error ends only this: the next look meets it, too, or goes without."""
    after = str(int(1000 * (time.time() - _EARLIER_SECONDS)))
    with suppress(RungwayError):
        async for event in client.watch_events(after, experiment=name):
            if every or event.trial is None:
                changed.set()
        changed.set()  # the search is over


def _found(look: Look, ended: Ended) -> dict[str, object]:
    experiment, best = look.experiment, look.best
    return {
        "experiment": experiment.experiment,
        "ended": ended.name.lower(),
        "exit_code": int(ended),
        "state": experiment.state,
        "progress": experiment.progress,
        "best": best and {"trial": best.trial, "metric": best.best_metric, "length": best.best_length},
        "warnings": experiment.warnings,
    }


def _line(look: Look, ended: Ended, timeout: float | None) -> str:
    experiment, best = look.experiment, look.best
    parts = [f"{experiment.experiment}: {experiment.state}"]
    if ended is Ended.TIMEOUT:
        parts.append(f"{experiment.progress:.0%} done after {timeout:g} s of waiting")
    parts += experiment.warnings
    if best:
        metric = experiment.config.get("searcher", {}).get("metric")
        parts.append(f"best {metric} {number(best.best_metric)} at {count(best.best_length)} (trial {best.trial})")
    return str(text("; ".join(parts)))
