"""Thousands of workers wait for work while a few report: what that costs, how soon work is taken up, and by whom.

Workers ask as the SDK does: held for up to 30 seconds, then again. In the first part, a search lets 200 trials run at
once; each that pauses at a rung makes room, and one of those who wait takes it. In the second, all wait for the last
results of a synchronous rung, which promotes a quarter of its trials at once; then the search is stopped.
"""

import argparse
import asyncio
import gc
import random
import time
import urllib.request
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from loadtests import http1, http2
from loadtests.experiment import CONFIG
from loadtests.judging import Bar, By, at_least, at_most, no_bar
from loadtests.meter import percentile
from loadtests.processes import Stack, cpu_seconds, resident_bytes, running_stack
from loadtests.workloads import ASK, TELL, Connection
from rungway import AsyncClient, ClientConfig
from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from rungway_server.domain.engine import Lease as StoredLease
from rungway_server.domain.engine import Report, Result
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.store import RedisStore

PORTS = ("gRPC", "HTTP")
_RUNNING, _RUNG = "running", "rung"
_DIVISOR, _PER_CONNECTION, _BATCH = 4, 50, 64
_SETTLED = 2.0
"""Seconds without an answer after which no more is expected."""


@dataclass(frozen=True, slots=True)
class Waited:
    """A measurement: CPU in cores, latencies in ms.

    `alone`: a tell while nobody waits. `took_up`: from the reply that makes room to the answer that hands it out.
    `overtaken`: most workers that had waited a second longer than one who was served. `work` that a rung gave at once,
    those who got it (`woken`), the asks that ran for it, and the seconds until the last had it; `told` the end of the
    search, and how long that took. `refused`: asks of the first part that a busy server refused.
    """

    port: str
    waiting: int
    stragglers: int
    service_cores: float
    redis_cores: float
    tells: int
    tell_p50_ms: float
    tell_p99_ms: float
    alone_p99_ms: float
    taken: int
    took_up_p99_ms: float
    overtaken: int
    server_mb: float
    work: int
    woken: int
    asks: int
    woken_seconds: float
    told: int
    told_seconds: float
    refused: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--waiting", type=int, default=10_000, help="workers that wait (%(default)s)")
    parser.add_argument("--stragglers", type=int, default=200, help="trials that run at once (%(default)s)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between reports of one (%(default)s)")
    parser.add_argument("--rung", type=int, default=5_000, help="trials of the synchronous rung (%(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the measurement (%(default)s)")
    parser.add_argument("--settle", type=float, default=30.0, help="seconds before it (%(default)s)")
    parser.add_argument("--port", choices=PORTS, default="gRPC", help="the port of the service (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Waited], list[Waited]]:
    """The rows to print and the rows for the JSON file: the same here."""
    a = arguments
    rows = [await measure(a.waiting, a.stragglers, a.interval, a.rung, a.seconds, a.port, a.settle)]
    return rows, rows


def judgements(found: list[Waited]) -> list[Bar]:
    """The figures beside their bars."""
    bars = []
    for one in found:
        cores, who = one.service_cores + one.redis_cores, f"{one.waiting:,} waiting over {one.port}"
        note = f"{one.service_cores:.2f} cores of the server, {one.redis_cores:.2f} of Redis"
        reporting, before = f"{who}, {one.stragglers} that report", f"{one.alone_p99_ms:.0f} before"
        woken, work, taken = one.woken / one.work, f"{one.work:,} pieces of work", f"{one.taken} times"
        bars += [
            at_most("waiting", f"cores of server and Redis, {reporting}", By.CPU, 0.2, cores, note),
            at_most("waiting", f"p99 of a tell, {who}, ms", By.CLOCK, 100, one.tell_p99_ms, before),
            at_most("waiting", f"p99 until work is taken up, {who}, ms", By.CLOCK, 200, one.took_up_p99_ms, taken),
            at_most("waiting", "most who had waited a second longer than one served", By.COUNT, 0, one.overtaken),
            at_most("waiting", "those woken by the end of a rung to the work there was", By.COUNT, 1, woken, work),
            at_least("waiting", "the same, at least", By.COUNT, 1, woken, work),
            at_most("waiting", "asks that ran for it to the work there was", By.COUNT, 1, one.asks / one.work, work),
            no_bar("waiting", "seconds until all had it", By.CLOCK, one.woken_seconds, work),
            no_bar("waiting", "seconds until all others knew of the end of the search", By.CLOCK, one.told_seconds),
        ]
    return bars


async def measure(
    waiting: int, stragglers: int, interval: float, rung: int, seconds: float, port: str = "gRPC", settle: float = 30.0
) -> Waited:
    """Both parts, on one service. The first is measured `settle` seconds after all have come: by then the first holds,
    which are shorter, are over."""
    async with running_stack() as stack, AsyncClient(config=ClientConfig(target=stack.service)) as client:
        search = {"name": "async_halving", "max_length": 40, "num_rungs": 2, "max_trials": 1_000_000}
        await _create(client, _RUNNING, search | {"max_concurrent_trials": stragglers})
        floor = _Floor(_RUNNING, stack, port, interval)
        await floor.fill(stragglers)
        floor.recording = True
        await asyncio.sleep(seconds / 3)
        alone, floor.tells, floor.took_up = floor.tells, [], []
        await floor.fill(waiting)
        await asyncio.sleep(settle)
        used, begun = _used(stack), time.perf_counter()
        floor.tells, floor.took_up = [], []
        gc.freeze()  # the collector would stop this process for a second, and each latency has that in it
        await asyncio.sleep(seconds)
        took = time.perf_counter() - begun
        service, redis = ((now - was) / took for now, was in zip(_used(stack), used, strict=True))
        memory = resident_bytes(stack.service_pid) / 2**20
        await floor.end()
        await client.delete_experiment(_RUNNING)
        ended = await _end_of_rung(stack, client, rung, port)
    return Waited(
        port,
        waiting,
        stragglers,
        service,
        redis,
        len(floor.tells),
        1e3 * percentile(floor.tells, 0.5),
        1e3 * percentile(floor.tells, 0.99),
        1e3 * percentile(alone, 0.99),
        len(floor.took_up),
        1e3 * percentile(floor.took_up, 0.99),
        floor.overtaken,
        memory,
        *ended,
        floor.refused,
    )


async def _create(client: AsyncClient, name: str, searcher: dict[str, object]) -> None:
    section = {"metric": "error", "divisor": _DIVISOR, **searcher}
    await client.create_experiment(name, {**CONFIG, "searcher": section})


def _used(stack: Stack) -> tuple[float, float]:
    return cpu_seconds(stack.service_pid), cpu_seconds(stack.redis_pid)


@dataclass
class _Floor:
    """The workers of one search: those that wait, and those that train."""

    experiment: str
    stack: Stack
    port: str
    interval: float = 5.0
    """Seconds between two reports of a trial; 0 = those who are handed one keep it and say nothing."""
    recording: bool = False
    tells: list[float] = field(default_factory=list)
    took_up: list[float] = field(default_factory=list)
    overtaken: int = 0
    refused: int = 0
    assigned: int = 0
    done: int = 0
    answered_at: float = 0.0
    freed: deque[float] = field(default_factory=deque)
    waiting: dict[int, float] = field(default_factory=dict)
    """Since when each worker waits that does."""

    def __post_init__(self) -> None:
        self._exits, self._tasks = AsyncExitStack(), list[asyncio.Task[None]]()

    async def fill(self, workers: int) -> None:
        """Let so many workers come, 500 a second."""
        connections: list[Connection] = []
        first = len(self._tasks)
        for n in range(first, first + workers):
            if self.port == "HTTP" or (n - first) % _PER_CONNECTION == 0:
                connections.append(await self._open())
            self._tasks.append(asyncio.create_task(self._work(n, connections[-1])))
            await asyncio.sleep(0.02 if n % 10 == 0 else 0)
        await asyncio.sleep(_SETTLED)

    async def _open(self) -> Connection:
        connection: http1.Connection | http2.Connection
        if self.port == "HTTP":
            connection = await http1.Connection.open(self.stack.http)
        else:
            connection = await http2.Connection.open(self.stack.service)
        self._exits.callback(connection.close)
        return connection

    async def end(self) -> None:
        """Send the workers away."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._exits.aclose()

    async def _work(self, n: int, connection: Connection) -> None:
        while given := await self._wait(n, connection):
            if not self.interval:
                return
            await self._train(given, connection)

    async def _wait(self, n: int, connection: Connection) -> trial_pb2.Assignment | None:
        since = self.waiting[n] = time.perf_counter()
        while True:
            request = pb.AskRequest(experiment=self.experiment, request_id=uuid.uuid4().hex, worker=f"worker-{n}")
            request.wait.seconds = 30
            request.waited.FromMilliseconds(int(1000 * (time.perf_counter() - since)))
            try:
                answer = pb.AskResponse.FromString(await connection.call(ASK, request.SerializeToString()))
            except (http1.CallFailed, http2.CallFailed):  # as in the SDK, the same request again
                self.refused += 1
                await asyncio.sleep(random.random())
                continue
            if answer.status != pb.ASK_STATUS_WAIT:
                break
            pause = max(answer.retry_after.ToMilliseconds() / 1000, 0.05)
            await asyncio.sleep(pause * random.uniform(1, 1.25))
        self.answered_at = time.perf_counter()
        del self.waiting[n]
        if answer.status == pb.ASK_STATUS_DONE:
            self.done += 1
            return None
        self.assigned += 1
        self._note_taken(since)
        return answer.assignments[0]

    def _note_taken(self, since: float) -> None:
        freed = self.freed.popleft() if self.freed else None
        if self.recording and freed:
            self.took_up.append(self.answered_at - freed)
            self.overtaken = max(self.overtaken, sum(each < since - 1 for each in self.waiting.values()))

    async def _train(self, given: trial_pb2.Assignment, connection: Connection) -> None:
        length, decision = given.from_length + 1, given.next_decision_length
        if not self.recording:  # they have come at the same time, and are to end at different ones
            length = random.randint(length, decision)
        due = time.perf_counter() + random.random() * self.interval
        while True:
            await asyncio.sleep(due - time.perf_counter())
            due += self.interval
            report = trial_pb2.Report(length=length, metric=random.random())
            result = trial_pb2.Result(lease=given.lease, reports=[report], checkpoint=f"length {length}")
            request = pb.TellRequest(experiment=self.experiment, request_id=uuid.uuid4().hex, results=[result])
            began = time.perf_counter()
            answer = pb.TellResponse.FromString(await connection.call(TELL, request.SerializeToString()))
            now, (verdict,) = time.perf_counter(), answer.verdicts
            if self.recording:
                self.tells.append(now - began)
            if verdict.decision != trial_pb2.DECISION_CONTINUE:
                self.freed.append(now)
                return
            if length == decision:
                decision = verdict.next_decision_length
            length += 1


async def _end_of_rung(
    stack: Stack, client: AsyncClient, trials: int, port: str
) -> tuple[int, int, int, float, int, float]:
    """All trials but those that decide have their results; as many workers wait, when these are told."""
    search = {"name": "sync_halving", "max_length": 40, "num_rungs": 2, "max_trials": trials}
    await _create(client, _RUNG, search | {"max_concurrent_trials": 0})
    ref = ExperimentRef("default", _RUNG)
    floor = _Floor(_RUNG, stack, port, interval=0)
    async with connect(stack.redis_url, timeout_seconds=30) as router:
        store = RedisStore(router)
        last = await _all_but_the_last(store, ref, trials)
        await floor.fill(trials)
        asks, began = await _asks(stack), time.perf_counter()
        told = [each for some in _pieces(last) for each in (await store.tell(ref, "", some)).replies]
        go_on = sum(bool(each.to_length) for each in told)
        await _quiet(floor)
        woken, woken_seconds = floor.assigned, floor.answered_at - began
        work = trials // _DIVISOR - go_on
        asks, began = await _asks(stack) - asks, time.perf_counter()
        await client.stop_experiment(_RUNG)
        await _quiet(floor)
    found = work, woken, asks, woken_seconds, floor.done, floor.answered_at - began
    await floor.end()
    return found


async def _quiet(floor: _Floor) -> None:
    """Returns when nobody has been answered for a while."""
    quiet_at = time.perf_counter() + _SETTLED
    while (left := quiet_at - time.perf_counter()) > 0:
        await asyncio.sleep(left)
        quiet_at = max(quiet_at, floor.answered_at + _SETTLED)


async def _all_but_the_last(store: RedisStore, ref: ExperimentRef, trials: int) -> list[Result]:
    """Run the trials to the end of their rung, without the server. Returns the results that are not told: as many as
    the rung promotes, for before these none is promoted."""
    results: list[Result] = []
    while len(results) < trials:
        given = (await store.ask(ref, "", min(_BATCH, trials - len(results)), "fill")).assignments
        results += [_result(each.lease, each.next_decision_length) for each in given]
    last = trials // _DIVISOR
    for some in _pieces(results[:-last]):
        await store.tell(ref, "", some)
    return results[-last:]


def _result(lease: StoredLease, length: int) -> Result:
    return Result(lease, [Report(length, random.random())])


def _pieces(results: list[Result]) -> Iterator[list[Result]]:
    for at in range(0, len(results), _BATCH):
        yield results[at : at + _BATCH]


async def _asks(stack: Stack) -> int:
    """How many asks the service has decided."""
    page = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://{stack.http}/metrics").read().decode())
    return sum(int(float(line.split()[-1])) for line in page.splitlines() if line.startswith("rungway_asks_total{"))
