"""Three times more calls than the service can carry: it must shed what is too much, serve the rest, and recover.

Calls arrive at a fixed rate, whatever becomes of those before (open loop), and give up after a deadline. First the peak
is found (closed loop); then half of it is offered, then `factor` times the peak, then half again. Goodput is what was
answered in time. The service has recovered when a second's p99 is back within twice that of the quiet stretch before.
"""

import argparse
import asyncio
import time
from collections import Counter, deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from loadtests.experiment import create_experiment
from loadtests.http2 import CallFailed, Connection
from loadtests.meter import Meter, percentile
from loadtests.processes import running_stack
from loadtests.workloads import WORKLOADS, assignments, tell, tell_request
from rungway.v1 import trial_pb2

_EXPERIMENT = "overload"
_CONNECTIONS = 16
_LEASES = 16_000
"""More than calls can be under way: each call reports on a lease of its own."""
_DEADLINE = 5.0
_SHED = ("1", "8")
"""CANCELLED: dropped by gRPC before our code has seen it; RESOURCE_EXHAUSTED: refused by our code."""
_TICK = 0.005
_QUIET = 0.5
"""Share of the peak that is offered before and after."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of the test. Rates are calls per second; latencies in ms, of the calls answered in time."""

    name: str
    offered: float
    answered: float
    shed: float
    late: float
    p50_ms: float
    p99_ms: float
    of_peak: float
    recovery_seconds: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line may say."""
    parser.add_argument("--factor", type=float, default=3.0, help="how much more than the peak (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each stretch (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Stretch], list[Stretch]]:
    """The stretches, twice: they are all there is."""
    stretches = await measure(arguments.factor, arguments.seconds)
    return stretches, stretches


async def measure(factor: float, seconds: float) -> list[Stretch]:
    """Offer `factor` times the peak for `seconds`, between two quiet stretches."""
    async with running_stack() as stack, AsyncExitStack() as exits:
        await exits.enter_async_context(create_experiment(stack.service, _EXPERIMENT))
        connections = [await Connection.open(stack.service) for _ in range(_CONNECTIONS)]
        for connection in connections:
            exits.callback(connection.close)
        peak = await _peak(connections, seconds)
        load = _OpenLoad(connections, await assignments(connections[0], _EXPERIMENT, _LEASES), peak)
        before = await load.offer("before", peak * _QUIET, seconds)
        during = await load.offer("overload", peak * factor, seconds)
        after = await load.offer("after", peak * _QUIET, seconds)
        return [before, during, replace(after, recovery_seconds=load.recovery(2 * before.p99_ms))]


async def _peak(connections: list[Connection], seconds: float) -> float:
    meter = Meter(10**9)
    slots = [await WORKLOADS["tell"](connections[i % _CONNECTIONS], _EXPERIMENT) for i in range(256)]
    async with asyncio.TaskGroup() as group:
        for run in slots:
            group.create_task(run(meter))
        await asyncio.sleep(seconds / 4)
        start = time.perf_counter()
        await meter.record(seconds)
        took = time.perf_counter() - start
    return meter.calls / took


@dataclass(slots=True)
class _Seen:
    """What was seen in one second."""

    latencies: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)


class _OpenLoad:
    """Tells at a fixed rate."""

    def __init__(self, connections: list[Connection], held: list[trial_pb2.Assignment], peak: float) -> None:
        self._connections, self._peak = connections, peak
        self._idle = deque((each.lease, each.from_length) for each in held)
        self._seconds: list[_Seen] = []
        self._sent = 0

    async def offer(self, name: str, rate: float, seconds: float) -> Stretch:
        """Begin `rate` calls a second for so long, then wait for the last of them."""
        self._seconds = [_Seen() for _ in range(int(seconds) + 1)]
        start, begun = time.perf_counter(), 0
        calls: set[asyncio.Task[None]] = set()
        while (now := time.perf_counter() - start) < seconds:
            while begun < now * rate:
                due = start + begun / rate
                call = asyncio.ensure_future(self._call(due, self._seconds[int(begun / rate)]))
                calls.add(call)
                call.add_done_callback(calls.discard)
                begun += 1
            await asyncio.sleep(_TICK)
        if calls:
            await asyncio.wait(calls)
        latencies = [latency for seen in self._seconds for latency in seen.latencies]
        ends = sum((seen.ends for seen in self._seconds), Counter[str]())
        return Stretch(
            name,
            offered=begun / seconds,
            answered=len(latencies) / seconds,
            shed=ends["shed"] / seconds,
            late=ends["late"] / seconds,
            p50_ms=1e3 * percentile(latencies, 0.5),
            p99_ms=1e3 * percentile(latencies, 0.99),
            of_peak=len(latencies) / seconds / self._peak,
        )

    def recovery(self, p99: float) -> float:
        """Seconds from the begin of the last stretch until a second in which the p99 (ms) was no longer exceeded."""
        for second, seen in enumerate(self._seconds):
            if seen.latencies and not seen.ends and 1e3 * percentile(seen.latencies, 0.99) <= p99:
                return float(second)
        return float("inf")

    async def _call(self, due: float, seen: _Seen) -> None:
        if not self._idle:  # more calls wait than there are leases: this one would be late as well
            seen.ends["late"] += 1
            return
        lease, length = self._idle.popleft()
        self._sent += 1
        try:
            request = tell_request(_EXPERIMENT, lease, length + 1)
            async with asyncio.timeout(_DEADLINE):
                await tell(self._connections[self._sent % _CONNECTIONS], request)
        except TimeoutError:  # it may yet arrive: its lease is not used again
            seen.ends["late"] += 1
            return
        except CallFailed as failure:
            if failure.status not in _SHED:
                raise
            seen.ends["shed"] += 1
        else:
            seen.latencies.append(time.perf_counter() - due)
        self._idle.append((lease, length + 1))
