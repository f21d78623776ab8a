"""A thousand experiments at once: what a tell costs beside tells of one experiment, and what it costs to create one.

Rounds with all experiments and rounds with one take turns, with as many calls in flight; each slot goes from experiment
to experiment. CPU time per call is the lower quartile of the rounds.
"""

import argparse
import asyncio
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from loadtests.experiment import CONFIG
from loadtests.http2 import Connection
from loadtests.judging import Bar, By, at_most, no_bar
from loadtests.meter import Meter, lower_quartile
from loadtests.processes import Stack, cpu_seconds, resident_bytes, running_stack
from loadtests.slots import GRPC_CONNECTIONS
from loadtests.workloads import assignments, tell, tell_request
from rungway import AsyncClient, ClientConfig
from rungway.v1 import trial_pb2

_SLOTS, _AT_ONCE = 64, 16
_MOST_TIMES = 1.25
_Held = tuple[str, trial_pb2.Lease]
"""An experiment, and a lease of it."""


@dataclass(frozen=True, slots=True)
class Many:
    """So many experiments: CPU time (µs) of a tell in server and Redis, and memory of both (KB) for each experiment."""

    experiments: int
    calls: int
    server_us: float
    redis_us: float
    created_us: float
    server_kb: float
    redis_kb: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--experiments", type=int, default=1_000, help="(%(default)s)")
    parser.add_argument("--calls", type=int, default=20_000, help="calls of each kind (%(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="in so many rounds (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Many], list[Many]]:
    """The rows to print and the rows for the JSON file: the same here."""
    rows = await measure(arguments.experiments, arguments.calls, arguments.rounds)
    return rows, rows


def judgements(rows: list[Many]) -> list[Bar]:
    """Many experiments beside one."""
    one, many = rows
    server, redis = f"{many.server_us:.0f} to {one.server_us:.0f} µs", f"{many.redis_us:.0f} to {one.redis_us:.0f} µs"
    beside = f"a tell, {many.experiments:,} experiments at once to one"
    return [
        at_most("experiments", f"server, {beside}", By.CPU, _MOST_TIMES, many.server_us / one.server_us, server),
        at_most("experiments", f"Redis, {beside}", By.CPU, _MOST_TIMES, many.redis_us / one.redis_us, redis),
        no_bar("experiments", "server and Redis, creating one, µs", By.CPU, many.created_us),
        no_bar("experiments", "memory of the server for one, KB", By.BYTES, many.server_kb),
        no_bar("experiments", "memory of Redis for one, KB", By.BYTES, many.redis_kb),
    ]


async def measure(experiments: int, calls: int, rounds: int) -> list[Many]:
    """Create the experiments, then tell."""
    async with running_stack() as stack, AsyncExitStack() as exits:
        client = await exits.enter_async_context(AsyncClient(config=ClientConfig(target=stack.service)))
        connections = [await Connection.open(stack.service) for _ in range(GRPC_CONNECTIONS)]
        for connection in connections:
            exits.callback(connection.close)
        await client.create_experiment("one", CONFIG)
        alone = [("one", each.lease) for each in await assignments(connections[0], "one", _SLOTS)]
        memory, used = _memory_kb(stack), _cpu(stack)
        names = [f"many-{number}" for number in range(experiments)]
        for at in range(0, experiments, _AT_ONCE):
            await asyncio.gather(*(client.create_experiment(name, CONFIG) for name in names[at : at + _AT_ONCE]))
        created_us = 1e6 * sum(now - was for now, was in zip(_cpu(stack), used, strict=True)) / experiments
        held = [(name, (await assignments(connections[0], name, 1))[0].lease) for name in names]
        server_kb, redis_kb = ((now - was) / experiments for now, was in zip(_memory_kb(stack), memory, strict=True))
        length = itertools.count(1)
        found: dict[int, list[tuple[float, float]]] = {1: [], experiments: []}
        for _ in range(rounds):
            for some in (alone, held):
                cost = await _round(stack, connections, some, calls // rounds, length)
                found[1 if some is alone else experiments].append(cost)
    return [_row(count, calls, costs, created_us, server_kb, redis_kb) for count, costs in found.items()]


def _row(
    count: int, calls: int, costs: list[tuple[float, float]], created_us: float, server_kb: float, redis_kb: float
) -> Many:
    server_us, redis_us = (lower_quartile(of) for of in zip(*costs, strict=True))
    return Many(count, calls, server_us, redis_us, created_us, server_kb, redis_kb)


async def _round(
    stack: Stack, connections: list[Connection], held: Sequence[_Held], calls: int, length: "itertools.count[int]"
) -> tuple[float, float]:
    """Tell on all leases in turn; returns the CPU time of server and Redis per call (µs)."""
    meter = Meter(calls)

    async def slot(number: int) -> None:
        while meter.running:
            for name, lease in held[number::_SLOTS]:
                if not meter.running:
                    return
                call = tell(connections[number % len(connections)], tell_request(name, lease, next(length)))
                await meter.timed("tell", call)

    async with asyncio.TaskGroup() as group:
        for number in range(min(_SLOTS, len(held))):
            group.create_task(slot(number))
        await meter.warmed_up(max(1, calls // 10))
        used = _cpu(stack)
        await meter.record(60.0)
        server, redis = (now - was for now, was in zip(_cpu(stack), used, strict=True))
    return 1e6 * server / max(1, meter.calls), 1e6 * redis / max(1, meter.calls)


def _cpu(stack: Stack) -> tuple[float, float]:
    return cpu_seconds(stack.service_pid), cpu_seconds(stack.redis_pid)


def _memory_kb(stack: Stack) -> list[float]:
    return [resident_bytes(pid) / 1e3 for pid in (stack.service_pid, stack.redis_pid)]
