"""Three times more calls than the service can serve: it must refuse the excess, serve the rest, and recover.

Calls arrive at a fixed rate, whatever becomes of those before (open loop), and give up after a deadline. First the peak
is found (closed loop, with some and with as many calls under way as the open loop may have); then half of it is
offered, then `factor` times the peak, then half again. Goodput is what was answered in time per second, until the last
call was answered or given up: the service still works on what came last when no more is offered. It has recovered when
a second's p99 is back within twice that of the quiet stretch before.
"""

import argparse
import asyncio
import time
from collections import Counter, deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from loadtests.experiment import create_experiment
from loadtests.http2 import CallFailed, Connection
from loadtests.meter import percentile
from loadtests.processes import running_stack
from loadtests.workloads import assignments, tell, tell_request
from rungway.v1 import trial_pb2

_EXPERIMENT = "overload"
_CONNECTIONS = 16
_STREAMS = 100
"""Calls that the service takes at once from one connection."""
_IN_FLIGHT = (64, 256, _CONNECTIONS * _STREAMS)
"""Calls under way at which the peak is looked for: the last is as many as there ever are."""
_MOST_LEASES = 16_000
"""Each call under way reports on a lease of its own; more calls than that count as late."""
_DEADLINE = 5.0
_SHED = ("1", "8")
"""CANCELLED: dropped by gRPC before our code has seen it; RESOURCE_EXHAUSTED: refused by our code."""
_TICK = 0.005
_QUIET = 0.5
"""Share of the peak that is offered before and after."""


_Held = tuple[trial_pb2.Lease, int]
"""A lease, and the length reported on it last."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of the test. Rates are calls begun per second of the stretch, by their ends; latencies in ms, of
    those answered in time; `of_peak`: goodput to peak."""

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
        load = _Load(connections)
        await load.hold(max(_IN_FLIGHT))
        peak = await load.find_peak(seconds)
        await load.hold(min(_MOST_LEASES, int(factor * peak * min(seconds, _DEADLINE))))
        before = await load.offer("before", peak * _QUIET, seconds)
        during = await load.offer("overload", peak * factor, seconds)
        after = await load.offer("after", peak * _QUIET, seconds)
        return [before, during, replace(after, recovery_seconds=load.recovery(2 * before.p99_ms))]


@dataclass(slots=True)
class _Seen:
    """What was seen in one second."""

    latencies: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)


class _Load:
    """Tells, in a closed and in an open loop."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections, self._peak = connections, 0.0
        self._idle: deque[_Held] = deque()
        self._seconds: list[_Seen] = []
        self._sent = 0

    async def hold(self, leases: int) -> None:
        """Hold at least so many leases: as many calls may be under way."""
        missing = max(0, leases - len(self._idle))
        given = await assignments(self._connections[0], _EXPERIMENT, missing)
        self._idle.extend((each.lease, each.from_length) for each in given)

    async def find_peak(self, seconds: float) -> float:
        """The most calls per second that the service answered, of all numbers of calls under way."""
        for in_flight in _IN_FLIGHT:
            self._peak = max(self._peak, await self._closed_loop(in_flight, seconds / len(_IN_FLIGHT)))
        return self._peak

    async def _closed_loop(self, in_flight: int, seconds: float) -> float:
        seen, start = _Seen(), time.perf_counter()

        async def slot() -> None:
            while time.perf_counter() - start < seconds:
                await self._call(time.perf_counter(), seen)

        await asyncio.gather(*(slot() for _ in range(in_flight)))
        return len(seen.latencies) / (time.perf_counter() - start)

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
        took = time.perf_counter() - start
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
            of_peak=len(latencies) / took / self._peak,
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
