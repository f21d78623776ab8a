"""What a large read costs others: the slowest tell of another tenant, script and slice, by kind of read.

One experiment of many trials with curves is created, viewed, listed, watched, exported, audited, imported and deleted
through a service, while a worker of another namespace tells without a pause. Script times are those of Redis (SLOWLOG);
slices are processor time of the event loop (sliced_server.py).
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from redis.asyncio import Redis

from loadtests.judging import Bar, By, at_most
from loadtests.meter import percentile
from loadtests.processes import server_process
from rungway import AsyncClient, ClientConfig
from rungway.v1 import experiment_service_pb2 as messages
from rungway.v1 import view_service_pb2 as views
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway.v1.view_service_pb2_grpc import ViewServiceStub
from rungway_server.domain.engine import Report, Result
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.scripts import load_scripts
from rungway_server.store.redis.store import RedisStore

_BIG = ExperimentRef("default", "big")
_OTHER = "another"
_SLOWER_THAN_US, _LONG_US = 200, 5_000
_RUNGWAY = str(Path(sys.executable).parent / "rungway")
_BATCH, _REPORTS = 64, 800
"""Most results and most reports of a call that fills the experiment."""
_LONGEST_MS = 20.0
_LARGE = 1_000_000
_NOTHING = 6
"""For how many pauses nothing is read, for comparison."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """What a read cost others: calls of another tenant meanwhile, scripts and commands (all, and those that
    took longer than 5 ms), the longest slice."""

    read: str
    seconds: float
    tells: int
    tell_p50_ms: float
    tell_p99_ms: float
    slowest_tell_ms: float
    scripts: int
    above_5_ms: int
    slowest_script_ms: float
    longest_slice_ms: float
    note: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, default=100_000, help="trials of the experiment (%(default)s)")
    parser.add_argument("--points", type=int, default=100, help="points of each curve (%(default)s)")
    parser.add_argument("--only", nargs="+", default=[""], metavar="READ", help="reads whose name begins so")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds after each, for what it left (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Noticed], list[Noticed]]:
    """The rows to print and the rows for the JSON file: the same here."""
    a = arguments
    found = [one async for one in measure(a.trials, a.points, tuple(a.only), a.pause)]
    return found, found


def judgements(found: list[Noticed]) -> list[Bar]:
    """The longest script while each read went on."""
    return [
        at_most(
            "reads", f"longest script while {one.read}, ms", By.SCRIPT, _LONGEST_MS, one.slowest_script_ms, one.note
        )
        for one in found
    ]


async def measure(
    trials: int, points: int, only: tuple[str, ...] = ("",), pause: float = 0.5
) -> AsyncIterator[Noticed]:
    """Measure each kind of read whose name begins with one of these in turn, with a pause (seconds) after each."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rw-load-")))
        redis = await stack.enter_async_context(EmbeddedRedis(folder))
        client = await stack.enter_async_context(plain_client(redis.url, timeout_seconds=60))
        router = await stack.enter_async_context(connect(redis.url, timeout_seconds=60))
        await _fill(RedisStore(router), trials, points)
        command = [sys.executable, "-m", "loadtests.sliced_server", "--listen", "127.0.0.1:0", "--redis", redis.url]
        server = await stack.enter_async_context(server_process(*command))
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
        other = await stack.enter_async_context(
            AsyncClient(config=ClientConfig(target=server.address, namespace=_OTHER, experiment="small"))
        )
        watch = _Watch(other, client, server.pid, server.lines, pause)
        await watch.begin()
        for name, read in _Reads(channel, redis.url, folder, trials, pause).each():
            if name.startswith(only):
                yield await watch.noticed(name, read)


async def _fill(store: RedisStore, trials: int, points: int) -> None:
    """Run all trials to their end, with a report at each length."""
    await ExperimentUseCases(store).create(_BIG, _config(trials, points), "")
    while given := (await store.ask(_BIG, "", _BATCH, "fill")).assignments:
        reports = [Report(length, random.random()) for length in range(1, points + 1)]
        some = max(1, min(_BATCH, _REPORTS // points))
        for at in range(0, len(given), some):
            results = [Result(each.lease, reports, f"s3://bucket/{each.lease.trial}") for each in given[at : at + some]]
            await store.tell(_BIG, "", results)


def _config(trials: int, points: int) -> dict[str, object]:
    space = {f"p{i}": {"type": "double", "minval": 0.0, "maxval": 1.0} for i in range(6)}
    searcher = {"name": "random", "metric": "loss", "max_trials": trials, "max_length": {"epochs": points}}
    return {"hyperparameters": space, "searcher": searcher | {"max_concurrent_trials": 0}, "seed": 1}


class _Reads:
    """The reads that are measured."""

    def __init__(self, channel: grpc.aio.Channel, url: str, folder: Path, trials: int, pause: float) -> None:
        self._stub: Any = ExperimentServiceStub(channel)  # its type hints are those of a synchronous channel
        self._views: Any = ViewServiceStub(channel)
        self._url, self._file, self._trials, self._pause = url, folder / "export", trials, pause

    def each(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        """All reads by name, ordered so that each finds its data."""
        return [
            ("nothing", self.nothing),
            ("CreateExperiment, 1,000,000 trials or more", self.created),
            ("GetExperiment", self.get),
            ("GetView, the whole", self.viewed),
            ("ListTrials, all pages", self.listed),
            ("BestTrials, 1,000", self.best),
            ("WatchEvents, all", self.watched),
            ("ExportExperiment", self.exported),
            ("rungway audit", self.audited),
            ("DeleteExperiment", self.deleted),
            ("rungway import", self.imported),
        ]

    async def nothing(self) -> str:
        await asyncio.sleep(_NOTHING * self._pause)
        return "for comparison"

    async def created(self) -> str:
        trials = max(self._trials, _LARGE)
        text = json.dumps(_config(trials, 1))
        request = messages.CreateExperimentRequest(experiment="new", request_id="new", config_text=text)
        await self._stub.CreateExperiment(request)
        return f"{trials} trials"

    async def viewed(self) -> str:
        found = await self._views.GetView(views.GetViewRequest(experiment=_BIG.experiment))
        return f"{found.ByteSize() >> 10} KiB"

    async def get(self) -> str:
        await self._stub.GetExperiment(messages.GetExperimentRequest(experiment=_BIG.experiment))
        return ""

    async def listed(self) -> str:
        token, count = "", 0
        while count == 0 or token:
            request = messages.ListTrialsRequest(experiment=_BIG.experiment, page_size=1000, page_token=token)
            page = await self._stub.ListTrials(request)
            token, count = page.next_page_token, count + len(page.trials)
        return f"{count} trials"

    async def best(self) -> str:
        found = await self._stub.BestTrials(messages.BestTrialsRequest(experiment=_BIG.experiment, count=1000))
        return f"{len(found.trials)} trials"

    async def watched(self) -> str:
        count = 0
        async for _ in self._stub.WatchEvents(messages.WatchEventsRequest(experiment=_BIG.experiment)):
            count += 1
        return f"{count} events"

    async def exported(self) -> str:
        size, request = 0, messages.ExportExperimentRequest(experiment=_BIG.experiment)
        with self._file.open("w") as file:
            async for piece in self._stub.ExportExperiment(request):
                size += file.write(piece.text)
        return f"{size >> 20} MiB"

    async def audited(self) -> str:
        return await _command("audit", _BIG.experiment, "--redis", self._url)

    async def deleted(self) -> str:
        await self._stub.DeleteExperiment(messages.DeleteExperimentRequest(experiment=_BIG.experiment))
        return ""

    async def imported(self) -> str:
        return await _command("import", str(self._file), "--redis", self._url)


async def _command(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(_RUNGWAY, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, words
    return out.decode().splitlines()[0][:60]


class _Watch:
    """A worker of another tenant, and the records of Redis and of the event loop."""

    def __init__(self, other: AsyncClient, redis: Redis, pid: int, lines: list[str], pause: float) -> None:
        self._other, self._redis, self._pid, self._lines, self._pause = other, redis, pid, lines, pause
        self._names = {script.sha: script.name for script in load_scripts().values()}
        self._tells: list[float] = []

    async def begin(self) -> None:
        """Start a trial of the other tenant to report on."""
        space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
        searcher = {"name": "single", "metric": "loss", "max_length": {"epochs": 10**9}}
        await self._other.create_experiment("small", {"hyperparameters": space, "searcher": searcher})
        given = await self._other.ask()
        assert given is not None
        self._given, self._length = given, 0
        await self._redis.config_set("slowlog-log-slower-than", _SLOWER_THAN_US)
        await self._redis.config_set("slowlog-max-len", 100_000)

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        self._tells = []

        async def work() -> None:
            while True:
                self._length += 1
                began = time.perf_counter()
                await self._other.tell(self._given, 0.5, length=self._length)
                self._tells.append(time.perf_counter() - began)

        task = asyncio.ensure_future(work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def noticed(self, name: str, read: Callable[[], Awaitable[str]]) -> Noticed:
        """Run a read and measure what it costs."""
        await self._redis.slowlog_reset()
        await self._redis.config_resetstat()
        await self._slices()
        async with self._working():
            began = time.perf_counter()
            note = await read()
            seconds = time.perf_counter() - began
            await asyncio.sleep(self._pause)
        slice_ms, whose = await self._slices()
        took, script = await self._scripts()
        stats = await self._redis.info("commandstats")
        return Noticed(
            read=name,
            seconds=seconds,
            tells=len(self._tells),
            tell_p50_ms=1000 * percentile(self._tells, 0.5),
            tell_p99_ms=1000 * percentile(self._tells, 0.99),
            slowest_tell_ms=1000 * max(self._tells),
            scripts=sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval")),
            above_5_ms=sum(one > _LONG_US for one in took),
            slowest_script_ms=max(took, default=0) / 1000,
            longest_slice_ms=slice_ms,
            note=f"{note} ({script}; {whose})",
        )

    async def _slices(self) -> tuple[float, str]:
        count = len(self._lines)
        os.kill(self._pid, signal.SIGUSR1)
        while True:
            await asyncio.sleep(0.01)
            for line in self._lines[count:]:
                if '"slices"' in line:
                    said = json.loads(line)
                    return said["longest_ms"], said["whose"]

    async def _scripts(self) -> tuple[list[int], str]:
        """Times (µs) of the commands that took long, and the name of the longest; scripts have their own names."""
        found: list[tuple[int, str]] = []
        for entry in await self._redis.slowlog_get(100_000):
            words = entry["command"].decode(errors="replace").split(" ")
            if words[0] != "SLOWLOG":
                found.append((entry["duration"], self._names.get(words[1] if len(words) > 1 else "", words[0])))
        longest = max(found, default=(0, f"none above {_SLOWER_THAN_US} µs"))
        return [took for took, _ in found], longest[1]
