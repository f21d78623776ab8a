"""Asks and tells per second with their latency, compared with a no-op rpc on the same server stack in the same run.

Closed loop: each of `in_flight` slots sends its next call when the last one is answered. Rounds are interleaved (no-op,
tell, ask, pair; then again), so that other load on the machine affects all kinds alike. Figures are medians over the
rounds; the ratio to the no-op is the median of the ratios of the rounds. The generator is one Python process with its
own HTTP/2 (http2.py), which needs a quarter of the CPU time of the server per call. If a server uses less than a core,
the generator or the machine is the limit, and CPU time per call says more than calls per second.
"""

import argparse
import asyncio
import os
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from loadtests.experiment import create_experiment
from loadtests.http2 import Connection
from loadtests.meter import Meter, median_rows, percentile
from loadtests.processes import Stack, cpu_seconds, machine_cpu_seconds, running_stack
from loadtests.workloads import BATCH, WORKLOADS

_CONNECTIONS = 8
_WARM_UP = 0.2
"""Length of the warm-up as a share of the measured time."""
_MOST_CALLS = 200_000
"""The most calls of one measurement, which bounds what a run adds to memory and disk."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One kind of call in one measurement, or the median of several. Latencies in ms, CPU time in µs per call.

    `per_second` counts results if a call has several.

    `to_noop`: calls of all kinds per second, divided by those of the no-op in the same round. CPU time per call (of
    server, Redis and generator) and cores used (by the server, and by everything outside this test) are over all kinds.
    If `other_cores` is far from 0, other load ran on the machine: trust only the ratios.
    """

    in_flight: int
    kind: str
    per_second: float
    p50_ms: float
    p99_ms: float
    to_noop: float
    server_us: float
    redis_us: float
    generator_us: float
    server_cores: float
    other_cores: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[16, 64, 256], help="calls at once (%(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="measurements of each kind; medians are shown (%(default)s)"
    )


async def run(arguments: argparse.Namespace) -> tuple[list[Measured], list[Measured]]:
    """The medians to print, and every measurement for the JSON file."""
    found = await measure(dict.fromkeys(arguments.in_flight, WORKLOADS), arguments.seconds, arguments.rounds)
    return medians(found), found


async def measure(workloads: Mapping[int, Iterable[str]], seconds: float, rounds: int) -> list[Measured]:
    """Every measurement of every round; each takes `seconds` after its warm-up.

    `workloads`: names of workloads, the no-op first, by calls in flight.
    """
    found: list[Measured] = []
    async with running_stack() as stack:
        for _ in range(rounds):
            for slots, names in workloads.items():
                noop = 0.0
                for name in names:
                    kinds = await _measurement(stack, name, slots, seconds, noop)
                    noop = noop or kinds[0].per_second
                    found += kinds
    return found


def medians(found: list[Measured]) -> list[Measured]:
    """One row per kind and number of calls in flight: medians over the rounds."""
    return median_rows(found, ("in_flight", "kind"))


async def _measurement(stack: Stack, name: str, slots: int, seconds: float, noop: float) -> list[Measured]:
    address, pid = (stack.noop, stack.noop_pid) if name == "no-op" else (stack.service, stack.service_pid)
    experiment = f"load-{uuid.uuid4().hex[:12]}"
    meter = Meter(_MOST_CALLS)
    async with AsyncExitStack() as exits:
        if name != "no-op":
            await exits.enter_async_context(create_experiment(address, experiment))
        connections = [await Connection.open(address) for _ in range(min(slots, _CONNECTIONS))]
        for connection in connections:
            exits.callback(connection.close)
        prepared = [await WORKLOADS[name](connections[i % len(connections)], experiment) for i in range(slots)]
        async with asyncio.TaskGroup() as group:
            for run in prepared:
                group.create_task(run(meter))
            await asyncio.sleep(seconds * _WARM_UP)
            took, machine, server, redis, generator = await _record(meter, (pid, stack.redis_pid, os.getpid()), seconds)
    calls = max(meter.calls, 1)
    return [
        Measured(
            in_flight=slots,
            kind=kind,
            per_second=len(latencies) * (BATCH if kind == "batch" else 1) / took,
            p50_ms=1e3 * percentile(latencies, 0.5),
            p99_ms=1e3 * percentile(latencies, 0.99),
            to_noop=calls / took / noop if noop else 1.0,
            server_us=1e6 * server / calls,
            redis_us=1e6 * redis / calls,
            generator_us=1e6 * generator / calls,
            server_cores=server / took,
            other_cores=(machine - server - redis - generator) / took,
        )
        for kind, latencies in sorted(meter.latencies.items())
    ]


async def _record(meter: Meter, pids: tuple[int, ...], seconds: float) -> list[float]:
    """Let the meter record. Returns the seconds that passed and the CPU seconds of the machine and of each process."""

    def now() -> list[float]:
        return [time.perf_counter(), machine_cpu_seconds(), *map(cpu_seconds, pids)]

    before = now()
    await meter.record(seconds)
    return [after - start for start, after in zip(before, now(), strict=True)]
