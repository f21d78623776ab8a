"""Thousands of live trials in simulated training loops, through the real SDK: a large search.

Each loop holds one trial and reports every few seconds, at times fixed in advance (open loop). A latency counts from
the time at which a report was due, so that a service that stalls is charged for all waiting loops (no coordinated
omission). The loop is that of the README: `trial.report` for each length, with a checkpoint. At a decision it waits for
the reply; the SDK tells results between decisions in the background, many trials at once, and renews the leases. Each
report has four further metrics. The loops run in processes of their own (fleet_host.py).
"""

import argparse
import asyncio
import json
import sys
import time
from asyncio import gather
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from loadtests.experiment import CONFIG
from loadtests.fleet_host import EXPERIMENT, RAMP, Seen
from loadtests.judging import Bar, By, at_least, at_most, no_bar
from loadtests.meter import percentile
from loadtests.processes import cpu_seconds, running_stack
from rungway import AsyncClient, ClientConfig

PORTS = ("gRPC", "HTTP")
_LONGEST_START = 40.0
"""Seconds after which the measurement begins though some loops hold no trial."""
_STOP_SECONDS, _LONGEST_LINE = 60.0, 1 << 27
_SPARE = 1.01
"""Loops for each trial that is to be live: at any moment, some loops are between two trials."""
_LADDER = {"max_length": 81, "divisor": 3, "max_trials": 1_000_000}


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the loops measured. Latencies in ms from the time due; CPU in cores over the measured time."""

    port: str
    trials: int
    interval: float
    seconds: float
    reports_per_second: float
    decisions_per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    decision_p99_ms: float
    errors: int
    lost_leases: int
    live: int
    service_cores: float
    redis_cores: float
    generator_cores: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, default=10_000, help="live trials (%(default)s)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between reports of one (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the measurement (%(default)s)")
    parser.add_argument("--port", choices=PORTS, default="gRPC", help="the port of the service (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="in which the loops run (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Fleet], list[Fleet]]:
    """The rows to print and the rows for the JSON file: the same here."""
    rows = [await measure(arguments.trials, arguments.interval, arguments.seconds, arguments.port, arguments.processes)]
    return rows, rows


def _bars(seen: Fleet) -> list[Bar]:
    shares, port = (seen.service_cores, seen.redis_cores, seen.generator_cores), seen.port
    note = "{:.2f} of the server, {:.2f} of Redis, {:.2f} of the clients".format(*shares)
    every = f"that report every {seen.interval:g} s over {port}"
    bars = [
        at_least("fleet", f"live trials {every}", By.COUNT, seen.trials, seen.live),
        at_most("fleet", f"errors and lost leases over {port}", By.COUNT, 0, seen.errors + seen.lost_leases),
    ]
    slow = f"p99 of a decision over {port}, ms"
    return [
        *bars,
        at_most("fleet", slow, By.CLOCK, 250, seen.decision_p99_ms)
        if port == "gRPC"
        else no_bar("fleet", slow, By.CLOCK, seen.decision_p99_ms),
        at_most("fleet", f"cores in all, clients too, over {port}", By.CPU, 1.7, sum(shares), note),
    ]


def judgements(found: list[Fleet]) -> list[Bar]:
    """Each fleet beside its bars."""
    return [bar for seen in found for bar in _bars(seen)]


async def measure(trials: int, interval: float, seconds: float, port: str = "gRPC", processes: int = 2) -> Fleet:
    """Let so many live trials report every `interval` seconds; measure for `seconds` once all loops hold one."""
    async with running_stack() as stack, AsyncExitStack() as exits:
        target = stack.service if port == "gRPC" else f"http://{stack.http}"
        # not over gRPC, which would not let this process start others in peace
        config = ClientConfig(target=f"http://{stack.http}", experiment=EXPERIMENT)
        client = await exits.enter_async_context(AsyncClient(config=config))
        searcher = {**CONFIG["searcher"], **_LADDER}  # type: ignore[dict-item]  # a mapping
        await client.create_experiment(EXPERIMENT, {**CONFIG, "searcher": searcher, "lease_seconds": 6 * interval})
        hosts = [
            await exits.enter_async_context(_host(target, int(trials * _SPARE) // processes, interval, i / processes))
            for i in range(processes)
        ]
        with suppress(TimeoutError):  # those that hold none are missing among the live ones
            await asyncio.wait_for(gather(*(host.line() for host in hosts)), RAMP * interval + _LONGEST_START)
        pids = (stack.service_pid, stack.redis_pid, *(host.pid for host in hosts))
        before, start = [cpu_seconds(pid) for pid in pids], time.perf_counter()
        for host in hosts:
            host.next()
        await asyncio.sleep(seconds)
        for host in hosts:
            host.next()
        took = time.perf_counter() - start
        service, redis, *generators = ((cpu_seconds(pid) - was) / took for pid, was in zip(pids, before, strict=True))
        seen = _together([Seen(**json.loads(await host.line())) for host in hosts])
        live = (await client.get_experiment()).trials.running
    return Fleet(
        port,
        trials,
        interval,
        took,
        len(seen.reports) / took,
        len(seen.decisions) / took,
        1e3 * percentile(seen.reports, 0.5),
        1e3 * percentile(seen.reports, 0.99),
        1e3 * percentile(seen.reports, 0.999),
        1e3 * percentile(seen.decisions, 0.99),
        seen.errors,
        seen.lost,
        live,
        service,
        redis,
        sum(generators),
    )


def _together(seen: list[Seen]) -> Seen:
    return Seen(
        [one for each in seen for one in each.reports],
        [one for each in seen for one in each.decisions],
        sum(each.errors for each in seen),
        sum(each.lost for each in seen),
    )


class _Host:
    """A process of `fleet_host`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin
        assert process.stdout
        self.pid, self._input, self._output = process.pid, process.stdin, process.stdout

    async def line(self) -> bytes:
        """The next line that it prints. Raises RuntimeError if it has ended."""
        if line := await self._output.readline():
            return line
        raise RuntimeError("a process with training loops has ended")

    def next(self) -> None:
        """Let it go on to its next step."""
        self._input.write(b"\n")


@asynccontextmanager
async def _host(target: str, loops: int, interval: float, first: float) -> AsyncIterator[_Host]:
    command = (sys.executable, "-m", "loadtests.fleet_host", target, str(loops), str(interval), str(first))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=_LONGEST_LINE)
    try:
        yield _Host(process)
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
