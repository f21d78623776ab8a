"""What the SDK costs a training process: CPU time and bytes per report, at a decision and between two.

A process of its own reports as fast as it can, with four further metrics in each report (training_host.py). Its bytes
pass through a relay that counts them, in both directions.
"""

import argparse
import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from loadtests.experiment import CONFIG
from loadtests.judging import Bar, By, at_most, no_bar
from loadtests.meter import lower_quartile
from loadtests.processes import running_stack
from rungway import AsyncClient, ClientConfig

PORTS = ("gRPC", "HTTP")
_PHASES = ("decisions", "between")


@dataclass(frozen=True, slots=True)
class Reported:
    """Reports of one kind over one port: CPU time (µs) of the process that trains, and bytes, per report."""

    port: str
    phase: str
    reports: int
    cpu_us: float
    bytes: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--reports", type=int, default=10_000, help="of each kind (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="in so many processes, one after the other (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Reported], list[Reported]]:
    """The rows to print and the rows for the JSON file: the same here."""
    rows = await measure(arguments.reports, arguments.rounds)
    return rows, rows


def judgements(found: list[Reported]) -> list[Bar]:
    """The figures over gRPC beside their bars, and those over HTTP."""
    bars = []
    for one in found:
        name = "at a decision" if one.phase == "decisions" else "between decisions"
        figure = f"CPU of the SDK, a report {name} over {one.port}, µs"
        note = f"{one.bytes:,.0f} bytes both ways, four further metrics included"
        if one.port == "gRPC":
            bars.append(at_most("sdk", figure, By.CPU, 150 if one.phase == "decisions" else 30, one.cpu_us, note))
        else:
            bars.append(no_bar("sdk", figure, By.CPU, one.cpu_us, note))
    return bars


async def measure(reports: int, rounds: int) -> list[Reported]:
    """Both kinds of reports over both ports, in turn; the lower quartile of the rounds."""
    times: dict[tuple[str, str], list[float]] = {(port, phase): [] for port in PORTS for phase in _PHASES}
    sizes = dict.fromkeys(times, 0)
    each = max(1, reports // rounds)
    async with running_stack() as stack, AsyncClient(config=ClientConfig(target=f"http://{stack.http}")) as client:
        for _ in range(rounds):
            for port, phase in times:
                await client.create_experiment(f"sdk-{phase}", _config(phase))
                async with _Relay(stack.service if port == "gRPC" else stack.http) as relay:
                    target = relay.address if port == "gRPC" else f"http://{relay.address}"
                    times[port, phase].append(await _report(target, phase, each))
                    sizes[port, phase] += relay.bytes
                await client.delete_experiment(f"sdk-{phase}")
    return [
        Reported(port, phase, rounds * each, lower_quartile(of), sizes[port, phase] / (rounds * each))
        for (port, phase), of in times.items()
    ]


def _config(phase: str) -> dict[str, object]:
    if phase == "between":
        return CONFIG
    searcher = {"name": "random", "metric": "error", "max_trials": 10_000_000, "max_length": 1}
    return {**CONFIG, "searcher": searcher | {"max_concurrent_trials": 0}}


async def _report(target: str, phase: str, reports: int) -> float:
    command = (sys.executable, "-m", "loadtests.training_host", target, phase, str(reports))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the training process ended with {process.returncode}")
    return float(json.loads(printed)["us"])


class _Relay:
    """Passes connections on to an address and counts their bytes."""

    def __init__(self, upstream: str) -> None:
        self._upstream, self.address, self.bytes = upstream.rpartition(":"), "", 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A new connection."""
        host, _, port = self._upstream
        answers, requests = await asyncio.open_connection(host, int(port))
        for source, sink in ((reader, requests), (answers, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                self.bytes += len(data)
                sink.write(data)
                await sink.drain()
        sink.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
