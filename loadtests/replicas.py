"""Tells per second by number of server processes and Redis shards, with the CPU time of a call in each of them.

With more processes than cores, calls per second say little. So `capacity` is what the server processes would carry with
a core each: one second divided by their CPU time per call. `redis_capacity` is the same for one shard. Both hold as
long as neither the network nor one shard is the limit. With several shards, each server process has an experiment per
shard.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtests.experiment import create_experiment
from loadtests.http2 import Connection
from loadtests.meter import Meter, median_rows, percentile
from loadtests.processes import cpu_seconds, service_on
from loadtests.workloads import prepare_tells
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from tests.support.redis_topologies import start

_CONNECTIONS = 8
_MOST_CALLS = 200_000


@dataclass(frozen=True, slots=True)
class Carried:
    """What `servers` processes carried on `shards` shards. CPU times in µs per call, summed over all of a kind."""

    servers: int
    shards: int
    in_flight: int
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
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2], help="server processes (%(default)s)")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 3], choices=[1, 3], help="(%(default)s)")
    parser.add_argument("--in-flight", type=int, default=64, help="calls at once (%(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements; medians are shown (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Carried], list[Carried]]:
    """The medians to print, and every measurement for the JSON file."""
    given = arguments
    found = await measure(given.servers, given.shards, given.in_flight, given.seconds, given.rounds)
    return medians(found), found


async def measure(servers: list[int], shards: list[int], in_flight: int, seconds: float, rounds: int) -> list[Carried]:
    """Every measurement; each round takes all numbers of servers in turn."""
    found: list[Carried] = []
    for count in shards:
        async with AsyncExitStack() as stack:
            url, redis = await _redis(stack, count)
            services = [await stack.enter_async_context(service_on(url)) for _ in range(max(servers))]
            running = [(service.address, service.pid) for service in services]
            for _ in range(rounds):
                for some in servers:
                    found.append(await _Measurement(running[:some], redis, count, in_flight).run(seconds))
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
    def __init__(self, servers: list[tuple[str, int]], redis: list[int], shards: int, in_flight: int) -> None:
        self._servers, self._redis, self._shards, self._in_flight = servers, redis, shards, in_flight

    async def run(self, seconds: float) -> Carried:
        """Tells between rungs, spread evenly over servers and experiments."""
        meter = Meter(_MOST_CALLS)
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
            in_flight=self._in_flight,
            per_second=meter.calls / took,
            p50_ms=1e3 * percentile(meter.latencies["tell"], 0.5),
            p99_ms=1e3 * percentile(meter.latencies["tell"], 0.99),
            server_us=server_us,
            redis_us=redis_us,
            generator_us=generator_us,
            capacity=len(self._servers) * 1e6 / server_us,
            redis_capacity=1e6 / redis_us,
        )

    async def _slots(self, stack: AsyncExitStack) -> list[Callable[[Meter], Coroutine[None, None, None]]]:
        experiments = [f"replicas-{number}" for number in range(self._shards)]
        for name in experiments:
            await stack.enter_async_context(create_experiment(self._servers[0][0], name))
        addresses = [address for address, _ in self._servers]
        connections = [await Connection.open(addresses[i % len(addresses)]) for i in range(_CONNECTIONS)]
        for connection in connections:
            stack.callback(connection.close)
        return [
            await prepare_tells(connections[i % _CONNECTIONS], experiments[i % len(experiments)])
            for i in range(self._in_flight)
        ]

    def _cpu(self) -> tuple[float, float, float]:
        """CPU seconds of the servers, of Redis and of this process so far."""
        servers = sum(cpu_seconds(pid) for _, pid in self._servers)
        return servers, sum(map(cpu_seconds, self._redis)), cpu_seconds(os.getpid())


def medians(found: list[Carried]) -> list[Carried]:
    """One row per number of servers and shards."""
    return median_rows(found, ("servers", "shards", "in_flight"))
