"""What a tell costs by number of server processes and Redis shards: does each more carry as much as the first?

`capacity` is what the server processes would carry with a core each: one second divided by their CPU time per call.
`redis_capacity` is the same for the shards. With more processes than cores, calls per second say nothing. Each server
is sent as many calls a second, however many there are, because a process that does more at a time pays less for each;
for the same reason shards are compared with as many calls a second for each of them, or nearly so. With several shards
there is an experiment on each. CPU time per call is the lower quartile of the rounds, which take all numbers of servers
in turn.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.experiment import create_experiment
from loadtests.http2 import Connection
from loadtests.judging import Bar, By, at_least
from loadtests.meter import Meter, lower_quartile, median_rows, percentile
from loadtests.processes import cpu_seconds, service_on
from loadtests.workloads import prepare_tells
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from tests.support.redis_topologies import start

_CONNECTIONS, _SLOTS = 8, 64
"""Of each server."""
_MOST_CALLS = 200_000
_LINEAR = 0.9
"""Least share of the capacity of the first that each further one adds."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What `servers` processes carried on `shards` shards. CPU times in µs per call, summed over all of a kind."""

    servers: int
    shards: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float
    redis_us: float
    generator_us: float
    capacity: float
    redis_capacity: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2, 4], help="server processes (%(default)s)")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 3], choices=[1, 3], help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=800.0, help="calls a second at each server (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Carried], list[Carried]]:
    """One row per number of servers and shards to print, and every measurement for the JSON file."""
    given = arguments
    found = await measure(given.servers, given.shards, given.rate, given.seconds, given.rounds)
    return over_rounds(found), found


def judgements(found: list[Carried]) -> list[Bar]:
    """How much of the capacity of the first server, and of the first shard, each further one adds."""
    rows, bars = {(one.servers, one.shards): one for one in over_rounds(found)}, list[Bar]()
    least, fewest = min(rows), min(shards for _, shards in rows)
    for (many, on), one in rows.items():
        first = rows[least[0], on]
        if many > least[0]:
            share = one.capacity * least[0] / (first.capacity * many)
            note = f"{one.server_us:.0f} to {first.server_us:.0f} µs a call"
            name = f"capacity of {many} server processes to {many // least[0]} times that of {least[0]}, {_shards(on)}"
            bars.append(at_least("replicas", name, By.CPU, _LINEAR, share, note))
    for on in sorted({shards for _, shards in rows} - {fewest}):
        one, first = rows[max(many for many, shards in rows if shards == on), on], rows[least]
        share = one.redis_capacity * fewest / (first.redis_capacity * on)
        note = f"{one.redis_us:.0f} to {first.redis_us:.0f} µs a call, with {one.servers} and {first.servers} servers"
        name = f"capacity of {_shards(on)} to {on // fewest} times that of {_shards(fewest)}"
        bars.append(at_least("replicas", name, By.CPU, _LINEAR, share, note))
    return bars


def _shards(count: int) -> str:
    return f"{count} shard{'s' if count > 1 else ''} of Redis"


async def measure(servers: list[int], shards: list[int], rate: float, seconds: float, rounds: int) -> list[Carried]:
    """Every measurement; each round takes all numbers of servers in turn."""
    found: list[Carried] = []
    for count in shards:
        async with AsyncExitStack() as stack:
            url, redis = await _redis(stack, count)
            services = [await stack.enter_async_context(service_on(url)) for _ in range(max(servers))]
            running = [(service.address, service.pid) for service in services]
            for _ in range(rounds):
                for some in servers:
                    found.append(await _Measurement(running[:some], redis, count, rate).run(seconds))
    return found


async def _redis(stack: AsyncExitStack, shards: int) -> tuple[str, list[int]]:
    """Run a Redis with `shards` shards; returns its URL and the PIDs that execute scripts."""
    if shards == 1:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rw-load-"))
        redis = await stack.enter_async_context(EmbeddedRedis(Path(folder)))
        return redis.url, [redis.process.pid]
    cluster = stack.enter_context(start("cluster"))
    return cluster.url, [node.process.pid for node in cluster.nodes if node.process]


class _Measurement:
    def __init__(self, servers: list[tuple[str, int]], redis: list[int], shards: int, rate: float) -> None:
        self._servers, self._redis, self._shards, self._rate = servers, redis, shards, rate

    async def run(self, seconds: float) -> Carried:
        """Tells between rungs, spread evenly over servers and experiments."""
        meter = Meter(_MOST_CALLS, self._rate * len(self._servers))
        async with AsyncExitStack() as stack:
            slots = await self._slots(stack)
            async with asyncio.TaskGroup() as group:
                for slot in slots:
                    group.create_task(slot(meter))
                await asyncio.sleep(seconds / 5)
                before, began = self._cpu(), time.perf_counter()
                await meter.record(seconds)
                took = time.perf_counter() - began
                spent = [now - then for now, then in zip(self._cpu(), before, strict=True)]
        server_us, redis_us, generator_us = (1e6 * each / max(meter.calls, 1) for each in spent)
        return Carried(
            servers=len(self._servers),
            shards=self._shards,
            per_second=meter.calls / took,
            p50_ms=1e3 * percentile(meter.latencies["tell"], 0.5),
            p99_ms=1e3 * percentile(meter.latencies["tell"], 0.99),
            server_us=server_us,
            redis_us=redis_us,
            generator_us=generator_us,
            capacity=len(self._servers) * 1e6 / server_us,
            redis_capacity=self._shards * 1e6 / redis_us,
        )

    async def _slots(self, stack: AsyncExitStack) -> list[Callable[[Meter], Coroutine[None, None, None]]]:
        experiments = [f"replicas-{number}" for number in range(self._shards)]
        for name in experiments:
            await stack.enter_async_context(create_experiment(self._servers[0][0], name))
        addresses = [address for address, _ in self._servers]
        many = _CONNECTIONS * len(addresses)
        connections = [await Connection.open(addresses[i % len(addresses)]) for i in range(many)]
        for connection in connections:
            stack.callback(connection.close)
        return [
            await prepare_tells(connections[i % many], experiments[i // many % len(experiments)])
            for i in range(_SLOTS * len(addresses))
        ]

    def _cpu(self) -> tuple[float, float, float]:
        """CPU seconds of the servers, of Redis and of this process so far."""
        servers = sum(cpu_seconds(pid) for _, pid in self._servers)
        return servers, sum(map(cpu_seconds, self._redis)), cpu_seconds(os.getpid())


def over_rounds(found: list[Carried]) -> list[Carried]:
    """One row per number of servers and shards."""
    groups: dict[tuple[int, int], list[Carried]] = {}
    for one in found:
        groups.setdefault((one.servers, one.shards), []).append(one)
    return [_over_rounds(some) for some in groups.values()]


def _over_rounds(some: list[Carried]) -> Carried:
    (row,) = median_rows(some, ("servers", "shards"))
    server_us, redis_us, generator_us = (
        lower_quartile([getattr(one, name) for one in some]) for name in ("server_us", "redis_us", "generator_us")
    )
    return replace(
        row,
        server_us=server_us,
        redis_us=redis_us,
        generator_us=generator_us,
        capacity=1e6 * row.servers / server_us,
        redis_capacity=1e6 * row.shards / redis_us,
    )
