"""Many people watch one search of 10,000 trials that takes 200 results a second: what this costs the server, and tells.

Workers report on schedule, every fifth result at a rung, each on its own lease. Watchers follow the view as the page
does, by server-sent events in JSON. Rounds without watchers, with one and with twenty take turns; each row is the
median over the rounds.
"""

import argparse
import asyncio
import json
import random
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from loadtests import http2
from loadtests.experiment import CONFIG
from loadtests.meter import median_rows, percentile
from loadtests.processes import Stack, cpu_seconds, running_stack
from loadtests.workloads import TELL, assignments
from rungway import AsyncClient, ClientConfig
from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from rungway_server.domain.engine import Report, Result
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.store import RedisStore

_EXPERIMENT = "watched"
_LADDER = {"max_length": 64, "max_trials": 1_000_000}
_WORKERS, _EVERY = 200, 5
_WARM_UP = 3.0
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Watched:
    """A measurement, or the median of several: `server_cores` of CPU, results per second and how long a tell took,
    views per second and watcher, and their size."""

    watchers: int
    trials: int
    server_cores: float
    results: float
    tell_p50_ms: float
    tell_p99_ms: float
    views: float
    view_kb: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, default=10_000, help="trials of the search (%(default)s)")
    parser.add_argument("--per-second", type=float, default=200.0, help="results per second (%(default)s)")
    parser.add_argument("--watchers", type=int, nargs="+", default=[0, 1, 20], help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each kind (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Watched], list[Watched]]:
    """The medians to print, and every measurement for the JSON file."""
    found = await measure(
        arguments.watchers, arguments.trials, arguments.per_second, arguments.seconds, arguments.rounds
    )
    return medians(found), found


async def measure(watchers: list[int], trials: int, per_second: float, seconds: float, rounds: int) -> list[Watched]:
    """Every measurement of every round."""
    async with AsyncExitStack() as exits:
        stack = await exits.enter_async_context(running_stack())
        client = await exits.enter_async_context(AsyncClient(config=ClientConfig(target=stack.service)))
        searcher = {**CONFIG["searcher"], **_LADDER}  # type: ignore[dict-item]  # a mapping
        await client.create_experiment(_EXPERIMENT, {**CONFIG, "searcher": searcher})
        await _fill(stack.redis_url, trials)
        connection = await http2.Connection.open(stack.service)
        exits.callback(connection.close)
        workers = [_Worker(connection, per_second / _WORKERS) for _ in range(_WORKERS)]
        tasks = [asyncio.ensure_future(each.run(i / per_second)) for i, each in enumerate(workers)]
        found = []
        for _ in range(rounds):
            found += [await _measurement(stack, many, trials, workers, seconds) for many in watchers]
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
    return found


def medians(found: list[Watched]) -> list[Watched]:
    """One row for each number of watchers."""
    return median_rows(found, ("watchers", "trials"))


async def _fill(redis_url: str, trials: int) -> None:
    """Run so many trials to their first rungs, without the server."""
    ref = ExperimentRef("default", _EXPERIMENT)
    async with connect(redis_url, timeout_seconds=30) as router:
        store = RedisStore(router)
        while (await store.progress(ref)).trials_created < trials:
            answer = await store.ask(ref, "", _BATCH, "fill")
            going_on = [(each.lease, each.next_decision_length) for each in answer.assignments]
            while going_on:
                results = [Result(lease, [Report(length, random.random())]) for lease, length in going_on]
                told = await store.tell(ref, "", results)
                going_on = [(each.lease, each.next_decision_length) for each in told.replies if each.to_length]


@dataclass
class _Worker:
    """Reports on schedule on one lease after the other; every few reports is at a rung."""

    connection: http2.Connection
    per_second: float
    latencies: list[float] = field(default_factory=list)

    async def run(self, offset: float) -> None:
        due = time.perf_counter() + offset
        while True:
            (given,) = await assignments(self.connection, _EXPERIMENT, 1)
            lease, length, decision = given.lease, given.from_length, given.next_decision_length
            lengths = deque(sorted({*range(length + 1, decision, max((decision - length) // _EVERY, 1)), decision}))
            while lengths:
                due += 1 / self.per_second
                await asyncio.sleep(due - time.perf_counter())
                verdict = await self._tell(lease, lengths.popleft())
                if verdict.decision != trial_pb2.DECISION_CONTINUE:
                    break
                if not lengths:
                    lengths.append(verdict.next_decision_length)

    async def _tell(self, lease: trial_pb2.Lease, length: int) -> trial_pb2.Verdict:
        report = trial_pb2.Report(length=length, metric=random.random())
        request = pb.TellRequest(
            experiment=_EXPERIMENT,
            request_id=uuid.uuid4().hex,
            results=[trial_pb2.Result(lease=lease, reports=[report])],
        )
        began = time.perf_counter()
        answer = await self.connection.call(TELL, request.SerializeToString())
        self.latencies.append(time.perf_counter() - began)
        return pb.TellResponse.FromString(answer).verdicts[0]


class _Watcher:
    """Follows the view by server-sent events, and counts them."""

    def __init__(self) -> None:
        self.views, self.bytes = 0, 0

    async def run(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 26)
        body = json.dumps({"experiment": _EXPERIMENT}).encode()
        head = (
            f"POST /rungway.v1.ViewService/WatchView HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        try:
            while line := await reader.readline():
                self.views += line.startswith(b"data: ")
                self.bytes += len(line)
        finally:
            writer.close()


@asynccontextmanager
async def _watching(stack: Stack, many: int) -> AsyncIterator[list[_Watcher]]:
    watchers = [_Watcher() for _ in range(many)]
    tasks = [asyncio.ensure_future(each.run(stack.http)) for each in watchers]
    try:
        yield watchers
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _measurement(stack: Stack, many: int, trials: int, workers: list[_Worker], seconds: float) -> Watched:
    async with _watching(stack, many) as watchers:
        await asyncio.sleep(_WARM_UP)
        for worker in workers:
            worker.latencies.clear()
        before = [(each.views, each.bytes) for each in watchers]
        used, begun = cpu_seconds(stack.service_pid), time.perf_counter()
        await asyncio.sleep(seconds)
        took, used = time.perf_counter() - begun, cpu_seconds(stack.service_pid) - used
        views = sum(each.views - was for each, (was, _) in zip(watchers, before, strict=True))
        bytes_ = sum(each.bytes - was for each, (_, was) in zip(watchers, before, strict=True))
    latencies = [each for worker in workers for each in worker.latencies]
    p50, p99 = (1e3 * percentile(latencies, share) for share in (0.5, 0.99))
    return Watched(
        many,
        trials,
        used / took,
        len(latencies) / took,
        p50,
        p99,
        views / took / max(many, 1),
        bytes_ / max(views, 1) / 1e3,
    )
