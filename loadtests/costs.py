"""What a call costs the server and Redis: CPU time per ask and tell, over each port, beside a call that does nothing.

A no-op rpc on the same server stack shows what gRPC in Python costs by itself. Kinds of calls take turns, so that other
load on the machine affects all alike: 2,000 calls of each, then again. CPU time per call is the lower quartile of the
rounds, because a disturbance only adds to it; ratios are those of these figures.

Calls come in two ways. With so many in flight, each slot sends its next call when the last was answered: that is what
calls cost a server that has all the work it can do. At a rate, as many calls a second are sent whatever they cost: a
server that does more calls at a time pays less for each, so calls of two kinds are compared at one rate.

The generator is one Python process with its own HTTP/2 (http2.py). Rates and latencies are for reading only: on a
machine that server, Redis, generator and others share, they say little of the service.
"""

import argparse
import os
import time
import uuid
from asyncio import TaskGroup
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from statistics import median

from loadtests.experiment import create_experiment
from loadtests.judging import Bar, By, at_most, no_bar
from loadtests.meter import Meter, lower_quartile, percentile
from loadtests.processes import Stack, cpu_seconds, machine_cpu_seconds, running_stack
from loadtests.slots import prepared
from loadtests.workloads import BATCH

_WARM_UP_CALLS = 0.1
"""Calls before a measurement, as a share of those measured."""
_LONGEST = 60.0
"""Seconds after which a measurement ends with the calls it has."""


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of call. Whole messages of a batch have 16 results."""

    port: str
    call: str
    rate: float = 0.0
    """Calls per second; 0 = as many as the slots can."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A kind of call, in one round or over several. CPU time in µs per call (of a batch, per result), latencies in ms.

    `load`: calls in flight, or a rate. `to_noop`: CPU time of the server, divided by that of a no-op over gRPC with the
    same load; 0 = not compared yet. If `other_cores` is far from 0, other load ran on the machine.
    """

    port: str
    call: str
    load: str
    calls: int
    server_us: float
    redis_us: float
    generator_us: float
    to_noop: float
    per_second: float
    p50_ms: float
    p99_ms: float
    other_cores: float


_SATURATED = [
    *(Way("gRPC", call) for call in ("no-op", "tell", "ask", "batch")),
    *(Way("HTTP proto", call) for call in ("tell", "ask", "batch")),
    Way("HTTP JSON", "tell"),
]
_RATE, _IN_FLIGHT = 2_500.0, 64
"""Of the bars."""
_PAIRS = [Way("gRPC", "pair"), Way("HTTP proto", "pair")]
FOR_DECISIONS = [
    Way("gRPC", "no-op"),
    *(Way(port, call) for port in ("gRPC", "HTTP proto") for call in ("tell", "pair")),
]
"""What a simulation of many workers needs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--calls", type=int, default=24_000, help="calls of each kind (%(default)s)")
    parser.add_argument("--rounds", type=int, default=12, help="in so many rounds (%(default)s)")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[_IN_FLIGHT], help="calls at once (%(default)s)")
    parser.add_argument("--rate", type=float, default=_RATE, help="calls per second (%(default)s), 0 = none at a rate")


async def run(arguments: argparse.Namespace) -> tuple[list[Cost], list[Cost]]:
    """One row per kind of call to print, and every round for the JSON file."""
    given = arguments
    found = []
    for slots in given.in_flight:
        ways = _SATURATED + _PAIRS + (_at(given.rate) if given.rate and slots == given.in_flight[0] else [])
        found += await measure(ways, slots, given.calls, given.rounds)
    return over_rounds(found), found


def judgements(costs: list[Cost]) -> list[Bar]:
    """The costs with 64 calls in flight and at a rate beside their bars, if all of them are there."""
    rows = over_rounds(costs)
    busy = {(one.port, one.call): one for one in rows if one.load == f"{_IN_FLIGHT} in flight"}
    paced = {one.call: one for one in rows if one.load.endswith("/s")}
    if not paced or not busy:
        return []
    tell, ask, steady = busy["gRPC", "tell"], busy["gRPC", "ask"], paced["tell"]
    at_a_rate = f"{steady.server_us:.0f} to {paced['no-op'].server_us:.0f} µs at {steady.load}"
    asked = f"server, an ask over gRPC to the no-op, {ask.load}"
    found = [
        at_most("costs", "server, a tell over gRPC to the no-op, both at one rate", By.CPU, 1.15, steady.to_noop,
                at_a_rate),
        no_bar("costs", f"the same, {tell.load}", By.CPU, tell.to_noop, f"{tell.server_us:.0f} µs"),
        no_bar("costs", asked, By.CPU, ask.to_noop, f"{ask.server_us:.0f} µs"),
    ]  # fmt: skip
    for port in ("HTTP proto", "HTTP JSON"):
        one, note = busy[port, "tell"], f"{busy[port, 'tell'].server_us / tell.server_us:.2f} of one over gRPC"
        found.append(at_most("costs", f"server, a tell over {port}, µs", By.CPU, 100, one.server_us, note))
    found += [
        at_most("costs", "Redis, a tell, µs", By.CPU, 50, tell.redis_us, f"gRPC, {tell.load}"),
        at_most("costs", "Redis, an ask, µs", By.CPU, 90, ask.redis_us, f"gRPC, {ask.load}"),
    ]
    for port in ("gRPC", "HTTP proto"):
        batch = busy[port, "batch"]
        both = f"{batch.server_us:.0f} + {batch.redis_us:.0f} µs"
        name = f"server and Redis, a result in batches of {BATCH} over {port}, µs"
        found.append(at_most("costs", name, By.CPU, 50, batch.server_us + batch.redis_us, both))
    for call, what in (("tell", "tells"), ("ask", "asks"), ("batch", "results in batches")):
        for port in ("gRPC", "HTTP proto"):
            one = busy[port, call]
            note = f"{one.load}; others used {one.other_cores:.1f} cores"
            found.append(no_bar("costs", f"{what} per second over {port}", By.CLOCK, one.per_second, note))
    return found


async def judge(calls: int, rounds: int) -> list[Bar]:
    """Judge the bars by only the measurements that they need."""
    return judgements(await measure(_SATURATED + _at(_RATE), _IN_FLIGHT, calls, rounds))


def _at(rate: float) -> list[Way]:
    return [Way("gRPC", call, rate) for call in ("no-op", "tell")]


async def measure(ways: Sequence[Way], slots: int, calls: int, rounds: int) -> list[Cost]:
    """Every round of each kind of call."""
    found: list[Cost] = []
    async with running_stack() as stack:
        for _ in range(rounds):
            found += [await _measurement(stack, way, slots, max(1, calls // rounds)) for way in ways]
    return found


async def _measurement(stack: Stack, way: Way, slots: int, calls: int) -> Cost:
    noop = way.call == "no-op"
    each = BATCH if way.call == "batch" else 1
    warm_up, meter = max(1, int(calls * _WARM_UP_CALLS / each)), Meter(max(1, calls // each), way.rate)
    pids = (stack.noop_pid if noop else stack.service_pid, stack.redis_pid, os.getpid())
    experiment = f"costs-{uuid.uuid4().hex[:12]}"

    def now() -> list[float]:
        return [time.perf_counter(), machine_cpu_seconds(), *map(cpu_seconds, pids)]

    async with AsyncExitStack() as exits:
        if not noop:
            await exits.enter_async_context(create_experiment(stack.service, experiment))
        prepared_slots = await prepared(stack, way.port, way.call, experiment, slots, exits)
        async with TaskGroup() as group:
            for run in prepared_slots:
                group.create_task(run(meter))
            await meter.warmed_up(warm_up)
            before = now()
            await meter.record(_LONGEST)
            took, machine, *used = (after - was for after, was in zip(now(), before, strict=True))
    results = max(1, meter.calls) * each
    latencies = [one for some in meter.latencies.values() for one in some]
    server, redis, generator = (1e6 * cpu / results for cpu in used)
    return Cost(
        way.port, way.call, f"{way.rate:,.0f}/s" if way.rate else f"{slots:,} in flight", results,
        server, redis, generator, 0.0, results / took,
        1e3 * percentile(latencies, 0.5), 1e3 * percentile(latencies, 0.99), (machine - sum(used)) / took,
    )  # fmt: skip


def over_rounds(found: list[Cost]) -> list[Cost]:
    """One row per kind of call and load."""
    groups: dict[tuple[str, str, str], list[Cost]] = {}
    for one in found:
        groups.setdefault((one.port, one.call, one.load), []).append(one)
    rows = {key: _over_rounds(some) for key, some in groups.items()}
    return [replace(row, to_noop=row.server_us / rows["gRPC", "no-op", row.load].server_us) for row in rows.values()]


def _over_rounds(some: list[Cost]) -> Cost:
    return replace(
        some[0],
        calls=sum(one.calls for one in some),
        server_us=lower_quartile([one.server_us for one in some]),
        redis_us=lower_quartile([one.redis_us for one in some]),
        generator_us=lower_quartile([one.generator_us for one in some]),
        per_second=median(one.per_second for one in some),
        p50_ms=median(one.p50_ms for one in some),
        p99_ms=median(one.p99_ms for one in some),
        other_cores=median(one.other_cores for one in some),
    )
