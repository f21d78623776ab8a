"""Three times more calls than the service can carry: it must refuse the excess, serve the rest, and recover.

Calls begin at a fixed rate whatever happens to earlier ones (open loop), and each has a deadline. First the peak is
measured in a closed loop, with few calls under way and with as many as the open loop may have. Then half of the peak is
offered, then `factor` times the peak, then half again. Goodput is calls answered in time per second, counted until the
last call has ended, because the service still works on the last calls when no more are offered. What refusals and calls
given up cost the server shows in its CPU time per call answered, beside that at the peak. The service has recovered
when the p99 of a second is at most twice that of the quiet stretch before.
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
from loadtests.processes import cpu_seconds, running_stack
from loadtests.workloads import assignments, tell, tell_request
from rungway.v1 import trial_pb2

_EXPERIMENT = "overload"
_CONNECTIONS = 16
_STREAMS = 100
"""Concurrent calls that the service accepts on one connection."""
_IN_FLIGHT = (64, 256, _CONNECTIONS * _STREAMS)
"""Numbers of calls under way at which the peak is measured; the last is the most that the test ever has."""
_MOST_LEASES = 16_000
"""Each call under way needs its own lease; calls beyond that count as late."""
_DEADLINE = 5.0
_SHED = ("1", "8")
"""CANCELLED: dropped by gRPC before our code saw it; RESOURCE_EXHAUSTED: refused by our code."""
_TICK = 0.005
_QUIET = 0.5
"""Share of the peak that is offered before and after."""


_Held = tuple[trial_pb2.Lease, int]
"""A lease and the last length reported on it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of the test. Rates are calls per second of the stretch, by how they ended; latencies in ms, of those
    answered in time; `of_peak`: goodput divided by the peak. `server_us`: CPU time of the server per call answered, all
    others included; `to_peak`: the same, divided by that at the peak."""

    name: str
    offered: float
    answered: float
    shed: float
    late: float
    p50_ms: float
    p99_ms: float
    of_peak: float
    server_us: float
    to_peak: float
    recovery_seconds: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--factor", type=float, default=3.0, help="how much more than the peak (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each stretch (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Stretch], list[Stretch]]:
    """The rows to print and the rows for the JSON file: the same here."""
    stretches = await measure(arguments.factor, arguments.seconds)
    return stretches, stretches


async def measure(factor: float, seconds: float) -> list[Stretch]:
    """Offer `factor` times the peak for `seconds`, between two quiet stretches."""
    async with running_stack() as stack, AsyncExitStack() as exits:
        await exits.enter_async_context(create_experiment(stack.service, _EXPERIMENT))
        connections = [await Connection.open(stack.service) for _ in range(_CONNECTIONS)]
        for connection in connections:
            exits.callback(connection.close)
        load = _Load(connections, stack.service_pid)
        await load.hold(max(_IN_FLIGHT))
        peak = await load.find_peak(seconds)
        await load.hold(min(_MOST_LEASES, int(factor * peak * min(seconds, _DEADLINE))))
        before = await load.offer("before", peak * _QUIET, seconds)
        during = await load.offer("overload", peak * factor, seconds)
        after = await load.offer("after", peak * _QUIET, seconds)
        return [before, during, replace(after, recovery_seconds=load.recovery(2 * before.p99_ms))]


@dataclass(slots=True)
class _Seen:
    """What was measured in one second."""

    latencies: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)


class _Load:
    """Tells, in a closed and in an open loop."""

    def __init__(self, connections: list[Connection], server_pid: int) -> None:
        self._connections, self._server_pid = connections, server_pid
        self._peak, self._peak_us = 0.0, 0.0
        self._idle: deque[_Held] = deque()
        self._seconds: list[_Seen] = []
        self._sent = 0

    async def hold(self, leases: int) -> None:
        """Hold at least this many leases, so that as many calls may be under way."""
        missing = max(0, leases - len(self._idle))
        given = await assignments(self._connections[0], _EXPERIMENT, missing)
        self._idle.extend((each.lease, each.from_length) for each in given)

    async def find_peak(self, seconds: float) -> float:
        """The most calls per second that the service answered, over all numbers of calls under way."""
        for in_flight in _IN_FLIGHT:
            rate, cost = await self._closed_loop(in_flight, seconds / len(_IN_FLIGHT))
            if rate > self._peak:
                self._peak, self._peak_us = rate, cost
        return self._peak

    async def _closed_loop(self, in_flight: int, seconds: float) -> tuple[float, float]:
        """Calls answered per second, and CPU time of the server for each (µs)."""
        seen, start, used = _Seen(), time.perf_counter(), cpu_seconds(self._server_pid)

        async def slot() -> None:
            while time.perf_counter() - start < seconds:
                await self._call(time.perf_counter(), seen)

        await asyncio.gather(*(slot() for _ in range(in_flight)))
        answered, took = len(seen.latencies), time.perf_counter() - start
        return answered / took, self._cost(used, answered)

    def _cost(self, since: float, answered: int) -> float:
        return 1e6 * (cpu_seconds(self._server_pid) - since) / max(answered, 1)

    async def offer(self, name: str, rate: float, seconds: float) -> Stretch:
        """Begin `rate` calls per second for `seconds`, then wait until all have ended."""
        self._seconds = [_Seen() for _ in range(int(seconds) + 1)]
        start, begun, used = time.perf_counter(), 0, cpu_seconds(self._server_pid)
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
        cost = self._cost(used, len(latencies))
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
            server_us=cost,
            to_peak=cost / self._peak_us,
        )

    def recovery(self, p99: float) -> float:
        """Seconds from the start of the last stretch until a second whose p99 (ms) is within the limit."""
        for second, seen in enumerate(self._seconds):
            if seen.latencies and not seen.ends and 1e3 * percentile(seen.latencies, 0.99) <= p99:
                return float(second)
        return float("inf")

    async def _call(self, due: float, seen: _Seen) -> None:
        if not self._idle:  # more calls wait than there are leases, so this one would be late as well
            seen.ends["late"] += 1
            return
        lease, length = self._idle.popleft()
        self._sent += 1
        try:
            request = tell_request(_EXPERIMENT, lease, length + 1)
            async with asyncio.timeout(_DEADLINE):
                await tell(self._connections[self._sent % _CONNECTIONS], request)
        except TimeoutError:  # it may still arrive, so its lease is not used again
            seen.ends["late"] += 1
            return
        except CallFailed as failure:
            if failure.status not in _SHED:
                raise
            seen.ends["shed"] += 1
        else:
            seen.latencies.append(time.perf_counter() - due)
        self._idle.append((lease, length + 1))
