"""Searches in which another library proposes and decides, by its own code in its own environment.

The library is told results as they come on the simulated clock; the workers and the curves are those of the simulations
of Rungway (`rungway_server.simulation.engine`).
"""

import heapq
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from loadtests.peers.entrants import Adapter, Entrant, running
from rungway_server.simulation.curves import Curves
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.records import Job
from rungway_server.simulation.rows import Column

Hparams = Mapping[str, object]
Place = Callable[[int, Hparams], Hparams | None]
"""Gives a new trial what its library proposed; returns what it trains with, None if nothing is left."""

LIBRARIES: Mapping[str, Entrant] = {
    name: Entrant(name, adapter, "memory", decides, environment)
    for name, adapter, decides, environment in (
        ("Optuna TPE, SuccessiveHalving", "optuna_decides", "SuccessiveHalving", "optuna"),
        ("Optuna TPE, Hyperband", "optuna_decides", "Hyperband", "optuna"),
        ("Syne Tune ASHABORE", "syne_tune_decides", "ASHABORE", "syne-tune"),
        ("Syne Tune BOHB", "syne_tune_decides", "BOHB", "syne-tune"),
        ("Vizier", "vizier_decides", "none", "vizier"),
    )
}
_DIVISOR = 3
_SECONDS = 600.0
"""The longest that a library may take for one answer."""


class Library:
    """A library that plays one search after the other; `cpu`: the processor seconds that it took for this one."""

    def __init__(self, adapter: Adapter, columns: Sequence[Column]) -> None:
        self._adapter = adapter
        self._columns = [each for each in columns if each.choices or each.lower < each.upper]
        self._fixed = {each.name: each.lower for each in columns if each not in self._columns}
        self.cpu = 0.0

    async def begin(self, longest: int, seed: int) -> None:
        """Begin a search of trials of at most this length."""
        space = [_parameter(each) for each in self._columns]
        await self._ask(do="begin", space=space, longest=longest, seed=seed)
        self.cpu = 0.0

    async def start(self, trial: int, place: Place) -> bool:
        """Start a trial with what the library suggests; returns whether there was anything left to start."""
        suggested = (await self._ask(do="suggest"))["config"]
        given = place(trial, self._fixed | {each.name: _value(each, suggested[each.name]) for each in self._columns})
        if given is None:
            return False
        config = {each.name: _sent(each, given[each.name]) for each in self._columns}
        await self._ask(do="start", trial=trial, config=config)
        return True

    async def told(self, trial: int, length: int, value: float, over: bool) -> bool:
        """Tell a value, the smaller the better; returns whether the trial goes on."""
        answer = await self._ask(do="tell", trial=trial, length=length, value=value, over=over)
        return bool(answer["go_on"])

    async def _ask(self, **request: Any) -> dict[str, Any]:
        answer = await self._adapter.ask(_SECONDS, **request)
        self.cpu += answer["cpu"]
        return answer


@asynccontextmanager
async def library(name: str, columns: Sequence[Column]) -> AsyncIterator[Library]:
    """Run a library of LIBRARIES on the space of these columns. Raises NotInstalled, and AdapterFailed in its calls."""
    async with running(LIBRARIES[name], "", "") as adapter:
        yield Library(adapter, columns)


async def play(library: Library, curves: Curves, place: Place, fleet: Fleet, most: int = 1_000_000) -> list[Job]:
    """The jobs of a search by a library that has begun, in the order of their ends, until the fleet's horizon or `most`
    units of training are over.

    The library is told results at lengths 1, 3, 9, … and where the fleet reports.
    """
    rungs = sorted({*(_DIVISOR**k for k in range(curves.max_length) if _DIVISOR**k < curves.max_length)})
    sign = 1 if curves.smaller_is_better else -1
    jobs, events, idle = list[Job](), list[tuple[float, int, Job]](), list(range(fleet.workers))
    now, trials, trained = 0.0, 0, 0

    def train(worker: int, trial: int, start: int) -> None:
        goal = min((rung for rung in rungs if rung > start), default=curves.max_length)
        end = min(fleet.next_report(start, goal), curves.ends(trial))
        ended = now + curves.seconds(trial, start, end)
        heapq.heappush(events, (ended, worker, Job(worker, trial, 0, start, end, goal, now, ended, told=True)))

    while trained < most:
        while idle and await library.start(trials, place):
            train(idle.pop(0), trials, 0)
            trials += 1
        if not events or events[0][0] > fleet.horizon:
            break
        now, worker, job = heapq.heappop(events)
        jobs.append(job)
        trained += job.end - job.start
        value = sign * curves.metric(job.trial, job.end)
        over = job.end >= min(curves.max_length, curves.ends(job.trial))
        if await library.told(job.trial, job.end, value, over):
            train(worker, job.trial, job.end)
        else:
            idle.append(worker)
    end = min(now, fleet.horizon) if trained >= most else fleet.horizon
    return jobs + [_unfinished(job, end) for _, _, job in sorted(events)]


def _unfinished(job: Job, end: float) -> Job:
    return Job(*(job.worker, job.trial, 0, job.start, job.end, job.goal, job.began, end), told=False)


def _parameter(each: Column) -> dict[str, Any]:
    if each.ordered:
        return {"name": each.name, "lower": 0, "upper": len(each.choices) - 1, "integer": True}
    if each.choices:
        return {"name": each.name, "choices": list(each.choices)}
    return {"name": each.name, "lower": each.lower, "upper": each.upper, "log": each.log}


def _value(each: Column, sent: Any) -> Any:
    """What a parameter is in a configuration, from what the library knows."""
    return each.choices[int(sent)] if each.ordered else sent


def _sent(each: Column, value: Any) -> Any:
    """The reverse of `_value`."""
    return each.choices.index(value) if each.ordered else value
