"""Thousands of live trials in simulated training loops, through the real SDK: a large search.

Each loop holds one trial and reports every few seconds, at times fixed in advance (open loop). A latency counts from
the time at which a report was due, so that a service that stalls is charged for all waiting loops (no coordinated
omission). The loop is that of the README: `trial.report` for each length, with a checkpoint. At a decision it waits for
the reply; the SDK tells results between decisions in the background, many trials at once, and renews the leases. Each
report has four further metrics.
"""

import argparse
import asyncio
import logging
import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass

from loadtests.experiment import CONFIG
from loadtests.judging import Bar, By, at_least, at_most, no_bar
from loadtests.meter import percentile
from loadtests.processes import cpu_seconds, running_stack
from loadtests.training_host import further_metrics
from rungway import AsyncClient, ClientConfig, Decision, RungwayError

PORTS = ("gRPC", "HTTP")
_EXPERIMENT = "fleet"
_RAMP, _LONGEST_START = 3, 40.0
"""Intervals in which all loops begin, and seconds after which the measurement begins though some hold no trial."""
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


async def run(arguments: argparse.Namespace) -> tuple[list[Fleet], list[Fleet]]:
    """The rows to print and the rows for the JSON file: the same here."""
    rows = [await measure(arguments.trials, arguments.interval, arguments.seconds, arguments.port)]
    return rows, rows


def _bars(seen: Fleet) -> list[Bar]:
    shares, port = (seen.service_cores, seen.redis_cores, seen.generator_cores), seen.port
    note = "{:.2f} of the server, {:.2f} of Redis, {:.2f} of the clients".format(*shares)
    every = f"that report every {seen.interval:g} s over {port}"
    bars = [
        at_least("fleet", f"live trials {every}", By.COUNT, seen.trials, seen.live),
        at_most("fleet", f"errors and lost leases over {port}", By.COUNT, 0, seen.errors + seen.lost_leases),
    ]
    slow, busy = f"p99 of a decision over {port}, ms", f"cores in all, clients too, over {port}"
    if port == "HTTP":  # one process plays all clients, and its HTTP library takes most of its core
        return [
            *bars,
            no_bar("fleet", slow, By.CLOCK, seen.decision_p99_ms),
            no_bar("fleet", busy, By.CPU, sum(shares), note),
        ]
    return [
        *bars,
        at_most("fleet", slow, By.CLOCK, 250, seen.decision_p99_ms),
        at_most("fleet", busy, By.CPU, 1.7, sum(shares), note),
    ]


def judgements(found: list[Fleet]) -> list[Bar]:
    """Each fleet beside its bars."""
    return [bar for seen in found for bar in _bars(seen)]


async def measure(trials: int, interval: float, seconds: float, port: str = "gRPC") -> Fleet:
    """Let so many live trials report every `interval` seconds; measure for `seconds` once all loops hold one."""
    async with running_stack() as stack:
        pids = (stack.service_pid, stack.redis_pid, os.getpid())
        target = stack.service if port == "gRPC" else f"http://{stack.http}"
        async with AsyncClient(config=ClientConfig(target=target, experiment=_EXPERIMENT)) as client:
            searcher = {**CONFIG["searcher"], **_LADDER}  # type: ignore[dict-item]  # a mapping
            lease_seconds = 6 * interval
            await client.create_experiment(
                _EXPERIMENT, {**CONFIG, "searcher": searcher, "lease_seconds": lease_seconds}
            )
            many = int(trials * _SPARE)
            loops = _Loops(client, many, interval)
            tasks = [asyncio.create_task(loops.run(i * _RAMP * interval / many)) for i in range(many)]
            with suppress(TimeoutError):  # those that hold none are missing among the live ones
                await asyncio.wait_for(loops.all_hold.wait(), _RAMP * interval + _LONGEST_START)
            before, start = [cpu_seconds(pid) for pid in pids], time.perf_counter()
            loops.recording = True
            await asyncio.sleep(seconds)
            loops.recording = False
            took = time.perf_counter() - start
            service, redis, generator = ((cpu_seconds(pid) - was) / took for pid, was in zip(pids, before, strict=True))
            live = (await client.get_experiment()).trials.running
            logging.getLogger("rungway").setLevel(logging.ERROR)  # thousands of loops release their trials at once
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return Fleet(
        port,
        trials,
        interval,
        took,
        len(loops.reports) / took,
        len(loops.decisions) / took,
        1e3 * percentile(loops.reports, 0.5),
        1e3 * percentile(loops.reports, 0.99),
        1e3 * percentile(loops.reports, 0.999),
        1e3 * percentile(loops.decisions, 0.99),
        loops.errors,
        loops.lost,
        live,
        service,
        redis,
        generator,
    )


class _Loops:
    """The loops, and what they measure while `recording`."""

    def __init__(self, client: AsyncClient, trials: int, interval: float) -> None:
        self._client, self._trials, self._interval = client, trials, interval
        self._holding = 0
        self.all_hold = asyncio.Event()
        """Set when each loop has a trial."""
        self.recording = False
        self.reports: list[float] = []
        self.decisions: list[float] = []
        self.errors = 0
        self.lost = 0

    async def run(self, offset: float) -> None:
        """One training loop, which starts after `offset` seconds and restarts after an error."""
        due = time.perf_counter() + offset
        await asyncio.sleep(offset)
        while True:
            try:
                await self._train(due)
                return
            except RungwayError:
                self.errors += self.recording
                due = time.perf_counter()

    async def _train(self, due: float) -> None:
        """Train trials one after the other with a report at each length, the first one interval after `due`."""
        asked = None
        async for trial in self._client.trials():
            if asked is None:
                self._note_holding()
            else:
                self._record(self.decisions, asked)
            async with trial:
                async for length in trial.lengths():
                    due += self._interval
                    await asyncio.sleep(due - time.perf_counter())
                    decides = length >= trial.next_decision
                    await trial.report(
                        length, random.random(), checkpoint=f"length {length}", metrics=further_metrics()
                    )
                    self._record(self.reports, due)
                    if decides:
                        self._record(self.decisions, due)
            told = trial.last_reply
            if told is None or told.decision in (Decision.CONTINUE, Decision.SUPERSEDED):
                self.lost += self.recording  # no reply ended it, or its lease had expired
            asked = time.perf_counter()

    def _note_holding(self) -> None:
        self._holding += 1
        if self._holding == self._trials:
            self.all_hold.set()

    def _record(self, latencies: list[float], due: float) -> None:
        if self.recording:
            latencies.append(time.perf_counter() - due)
