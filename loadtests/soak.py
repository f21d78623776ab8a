"""Memory of the server and of Redis while searches are created and deleted for a long time: does anything pile up?

A few loops run one search after another, each with its own client: create it, let SDK workers run it to the end, delete
it. In one more search a trial is assigned and released at a fixed pace; it is deleted and made anew every two minutes,
so that it has stages but no trend. Its keys are subtracted from the memory of Redis, as far as Redis can say (of a
stream it says an estimate, which would be a trend in a search that stayed). Redis keeps no log of slow calls meanwhile:
on a busy machine that fills for minutes. Rows are samples.
Growth is that of a line fitted to the samples after the warm-up, the first five minutes (of a short run the first
third), from its first point to its last.
"""

import argparse
import asyncio
import itertools
import os
import random
import time
from dataclasses import dataclass
from statistics import linear_regression

from redis.asyncio import Redis

from loadtests.experiment import CONFIG
from loadtests.judging import Bar, By, at_most, no_bar
from loadtests.processes import Stack, resident_bytes, running_stack
from rungway import AsyncClient, ClientConfig
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import plain_client
from rungway_server.store.redis.layout.keys import experiment_keys

_SHORT_MINUTES = 1.0
_SAMPLES = 240
_SHOWN = 12
_WARM_UP_MINUTES, _WARM_UP = 5.0, 1 / 3
_LONG_ENOUGH = 15.0
"""Minutes measured after the warm-up below which growth says little."""
_MOST_GROWTH = 1.0
"""Percent."""
_LADDER = {"max_length": 16, "divisor": 4, "max_trials": 30}
_WORKERS = 4
_STEADY = "steady"
_JUDGED = {
    "server_mib": "the server's resident memory (MiB)",
    "redis_mib": "Redis's resident memory, without that of the one search (MiB)",
    "redis_used_mib": "what Redis uses, without that of the one search (MiB)",
    "server_files": "open files of the server",
    "redis_connections": "connections of Redis",
}
_STEADY_PAUSE, _STEADY_SECONDS = 0.05, 120.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample. Memory in MiB: resident, and for Redis also what it reports as used; of Redis, without that of
    the one search."""

    minutes: float
    searches: int
    server_mib: float
    redis_mib: float
    redis_used_mib: float
    server_files: int
    redis_connections: int
    redis_keys: int
    request_ids: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)s)")
    parser.add_argument("--searches", type=int, default=4, help="searches at a time (%(default)s)")
    parser.add_argument("--short", action="store_true", help=f"{_SHORT_MINUTES:g} minute: to see that it runs")


async def run(arguments: argparse.Namespace) -> tuple[list[Sample], list[Sample]]:
    """Some of the samples to print, and all for the JSON file."""
    samples = await measure(_SHORT_MINUTES if arguments.short else arguments.minutes, arguments.searches)
    return samples[:: max(1, len(samples) // _SHOWN)], samples


async def measure(minutes: float, searches: int) -> list[Sample]:
    """Keep `searches` searches running for `minutes`; returns the samples."""
    async with running_stack() as stack, plain_client(stack.redis_url, timeout_seconds=30) as redis:
        await redis.config_set("slowlog-max-len", 0)
        done: list[str] = []
        tasks = [asyncio.create_task(_search_after_search(stack.service, i, done)) for i in range(searches)]
        tasks.append(asyncio.create_task(_steady(stack.service)))
        start, samples = time.monotonic(), list[Sample]()
        while (now := time.monotonic()) < start + 60 * minutes:
            samples.append(await _sample(stack, redis, (now - start) / 60, len(done)))
            ended, _ = await asyncio.wait(tasks, timeout=60 * minutes / _SAMPLES, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return samples


def judgements(samples: list[Sample]) -> list[Bar]:
    """How much each figure grew after the warm-up."""
    warm = min(_WARM_UP_MINUTES, samples[-1].minutes * _WARM_UP)
    measured = [one for one in samples if one.minutes >= warm]
    minutes = [one.minutes for one in measured]
    if len(set(minutes)) < 2:
        return []
    bars = []
    for figure, name in _JUDGED.items():
        values = [float(getattr(one, figure)) for one in measured]
        slope, at_first = linear_regression(minutes, values)
        first, last = at_first + slope * minutes[0], at_first + slope * minutes[-1]
        growth, note = 100 * (last / first - 1), f"{first:.1f} to {last:.1f} in {minutes[-1] - minutes[0]:.0f} minutes"
        if minutes[-1] - minutes[0] >= _LONG_ENOUGH:
            bars.append(at_most("soak", f"growth of {name}, %", By.BYTES, _MOST_GROWTH, growth, note))
        else:
            bars.append(no_bar("soak", f"growth of {name}, %", By.BYTES, growth, f"{note}: too short to say"))
    return bars


async def _search_after_search(target: str, loop: int, done: list[str]) -> None:
    searcher = {**CONFIG["searcher"], **_LADDER}  # type: ignore[dict-item]  # a mapping
    for number in itertools.count():
        name = f"soak-{loop}-{number}"
        async with AsyncClient(config=ClientConfig(target=target, experiment=name)) as client:
            await client.create_experiment(name, {**CONFIG, "searcher": searcher})
            async with asyncio.TaskGroup() as group:
                for _ in range(_WORKERS):
                    group.create_task(_worker(client))
            await client.delete_experiment(name)
        done.append(name)


async def _worker(client: AsyncClient) -> None:
    while (assignment := await client.ask()) is not None:
        await client.tell(assignment, random.random(), checkpoint=f"length {assignment.next_decision}")


async def _steady(target: str) -> None:
    """One worker that asks for a trial, trains a little and releases it, again and again."""
    async with AsyncClient(config=ClientConfig(target=target, experiment=_STEADY)) as client:
        while True:
            await client.create_experiment(_STEADY, CONFIG)
            end = time.monotonic() + _STEADY_SECONDS
            while time.monotonic() < end:
                for held in (await client.ask_once()).assignments:
                    length = held.from_length + 1
                    await client.tell(held, random.random(), length=length)
                    await client.release(held, f"length {length}", length)
                await asyncio.sleep(_STEADY_PAUSE)
            await client.delete_experiment(_STEADY)


async def _sample(stack: Stack, redis: Redis, minutes: float, searches: int) -> Sample:
    keys = experiment_keys(ExperimentRef("default", _STEADY))
    kept = sum([await redis.memory_usage(key, samples=0) or 0 for key in keys])
    ids = [await redis.hlen(key) for key in keys if "requests" in key]
    info = await redis.info()
    return Sample(
        minutes,
        searches,
        resident_bytes(stack.service_pid) / _MIB,
        (resident_bytes(stack.redis_pid) - kept) / _MIB,
        (info["used_memory"] - kept) / _MIB,
        len(os.listdir(f"/proc/{stack.service_pid}/fd")),
        info["connected_clients"],
        await redis.dbsize(),
        sum(ids),
    )
