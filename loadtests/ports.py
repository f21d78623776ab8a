"""The gRPC port and the HTTP port side by side: what a tell costs the server, and how both share one that is busy.

Costs: closed loops of tells between two rungs, over gRPC, HTTP with protobuf and HTTP with JSON in turn, in several
rounds; CPU time of the server per call, medians over the rounds. Shares: as many loops at both ports at once. The share
of a port is its calls times the cost of one of its calls alone, as a part of the sum of both: what it got of the CPU
time.
"""

import argparse
import asyncio
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from loadtests.experiment import create_experiment
from loadtests.meter import Meter, median_rows, percentile
from loadtests.processes import Stack, cpu_seconds, running_stack
from loadtests.slots import PORTS, prepared

_WARM_UP = 0.2
_MOST_CALLS = 200_000


@dataclass(frozen=True, slots=True)
class Port:
    """One port in one measurement, or the median of several. `beside` names the port that was busy at the same time.

    `per_core`: calls per second of a whole core of the server. `share` (0 to 1) of the CPU time, where both were busy.
    """

    port: str
    beside: str
    in_flight: int
    per_second: float
    per_core: float
    p50_ms: float
    p99_ms: float
    server_us: float
    share: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--in-flight", type=int, default=64, help="calls at once at each port (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each; medians are shown (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Port], list[Port]]:
    """The medians to print, and every measurement for the JSON file."""
    found = await measure(arguments.in_flight, arguments.seconds, arguments.rounds)
    return medians(found), found


async def measure(slots: int, seconds: float, rounds: int) -> list[Port]:
    """Every measurement of every round."""
    found: list[Port] = []
    async with running_stack() as stack:
        for _ in range(rounds):
            alone = {kind: (await _measurement(stack, (kind,), slots, seconds))[0] for kind in PORTS}
            found += alone.values()
            for kind in PORTS[1:]:
                pair = await _measurement(stack, (PORTS[0], kind), slots, seconds)
                costs = [each.per_second * alone[each.port].server_us for each in pair]
                found += [replace(each, share=cost / sum(costs)) for each, cost in zip(pair, costs, strict=True)]
    return found


def medians(found: list[Port]) -> list[Port]:
    """One row per port and what was beside it."""
    return median_rows(found, ("port", "beside", "in_flight"))


async def _measurement(stack: Stack, kinds: tuple[str, ...], slots: int, seconds: float) -> list[Port]:
    experiment = f"ports-{uuid.uuid4().hex[:12]}"
    meters = [Meter(_MOST_CALLS) for _ in kinds]
    async with AsyncExitStack() as exits, asyncio.TaskGroup() as group:
        await exits.enter_async_context(create_experiment(stack.service, experiment))
        for kind, meter in zip(kinds, meters, strict=True):
            for run in await prepared(stack, kind, "tell", experiment, slots, exits):
                group.create_task(run(meter))
        await asyncio.sleep(seconds * _WARM_UP)
        used, begun = cpu_seconds(stack.service_pid), time.perf_counter()
        await asyncio.gather(*(meter.record(seconds) for meter in meters))
        took, used = time.perf_counter() - begun, cpu_seconds(stack.service_pid) - used
    calls = max(1, sum(meter.calls for meter in meters))
    rows = []
    for i, (kind, meter) in enumerate(zip(kinds, meters, strict=True)):
        latencies = [each for some in meter.latencies.values() for each in some]
        cost = used / calls
        beside = kinds[1 - i] if len(kinds) > 1 else ""
        rate = meter.calls / took
        p50, p99 = (1e3 * percentile(latencies, share) for share in (0.5, 0.99))
        rows.append(Port(kind, beside, slots, rate, 1 / cost, p50, p99, 1e6 * cost, 1.0))
    return rows
