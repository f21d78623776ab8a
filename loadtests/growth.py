"""What a decision costs Redis as an experiment grows: script time per ask and tell, and memory, by number of trials.

The store is called directly, without a server, so that filling the experiment takes seconds. Times are those that Redis
itself reports for its scripts (INFO commandstats). Each is the lowest of a few samples, because other load on the
machine can only add to it. Memory is what Redis reports as used, and MEMORY USAGE of each key.
"""

import argparse
import asyncio
import random
import tempfile
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from loadtests.experiment import CONFIG
from rungway_server.domain.engine import Assignment, Decision, Lease, Report, Result
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.store import RedisStore

_REF = ExperimentRef("default", "growth")
_BATCH = 64
_SAMPLES = 8
_QUIET_SECONDS = 20
_CALLS = 64
"""Calls of one kind in one sample."""
_RESULTS = 16
"""Results in one call of a batch."""
_KEYS = ("trials", "configs", "rungs", "events", "requests")


@dataclass(frozen=True, slots=True)
class Cost:
    """Script time (µs per call; of a batch, per result) and memory (bytes per trial, of all and of the largest keys) at
    a number of trials. Replies stored by request id are bounded in number, so their share shrinks with growth."""

    trials: int
    ask_us: float
    tell_us: float
    tell_batch_us: float
    tell_at_rung_us: float
    bytes_per_trial: float
    trials_bytes: float
    configs_bytes: float
    rungs_bytes: float
    events_bytes: float
    requests_bytes: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000], help="(%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Cost], list[Cost]]:
    """The rows to print and the rows for the JSON file: the same here."""
    costs = await measure(arguments.trials)
    return costs, costs


async def measure(sizes: list[int]) -> list[Cost]:
    """The costs at each number of trials, smallest first."""
    with tempfile.TemporaryDirectory(prefix="rw-load-") as folder:
        async with (
            EmbeddedRedis(Path(folder)) as redis,
            connect(redis.url, timeout_seconds=30) as router,
            plain_client(redis.url, timeout_seconds=30) as client,
        ):
            return await _Growth(RedisStore(router), client).costs(sorted(sizes))


class _Growth:
    def __init__(self, store: RedisStore, client: Redis) -> None:
        self._client = client
        self._store = store
        self._trials = 0

    async def costs(self, sizes: list[int]) -> list[Cost]:
        empty = int((await self._client.info("memory"))["used_memory"])
        await ExperimentUseCases(self._store).create(_REF, CONFIG, "")
        costs = []
        for size in sizes:
            while self._trials < size:
                held = await self._ask(min(_BATCH, size - self._trials))
                going_on = [(one.lease, one.next_decision_length) for one in held]
                while going_on:
                    going_on = await self._tell(going_on)
            await self._quiet()
            used = int((await self._client.info("memory"))["used_memory"]) - empty
            keys = await self._memory()
            asks, between, batched, at_rung = zip(*[await self._sample() for _ in range(_SAMPLES)], strict=True)
            times = (min(asks), min(between), min(batched), min(at_rung))
            costs.append(Cost(size, *times, used / size, *(keys[name] / size for name in _KEYS)))
        return costs

    async def _memory(self) -> Counter[str]:
        """Bytes by the name of the key; both windows of request ids count together."""
        bytes_: Counter[str] = Counter()
        for key in experiment_keys(_REF):
            bytes_[key.split(":")[2]] += int(await self._client.memory_usage(key, samples=0) or 0)
        return bytes_

    async def _quiet(self) -> None:
        """Wait until Redis is not rewriting the append-only file: meanwhile, writes cause page faults."""
        for _ in range(_QUIET_SECONDS * 10):
            if not (await self._client.info("persistence"))["aof_rewrite_in_progress"]:
                return
            await asyncio.sleep(0.1)

    async def _sample(self) -> tuple[float, float, float, float]:
        held: list[Assignment] = []

        async def ask() -> None:
            held.extend(await self._ask(1))

        asks = await self._cost([ask] * _CALLS)
        between = await self._cost([self._teller([one], 1) for one in held])
        batches = [held[i : i + _RESULTS] for i in range(0, len(held), _RESULTS)]
        batched = await self._cost([self._teller(batch, 2) for batch in batches]) / _RESULTS
        at_rung = await self._cost([self._teller([one], None) for one in held])
        return asks, between, batched, at_rung

    async def _cost(self, calls: list[Callable[[], Awaitable[None]]]) -> float:
        await self._client.config_resetstat()
        for call in calls:
            await call()
        return float((await self._client.info("commandstats"))["cmdstat_evalsha"]["usec_per_call"])

    async def _ask(self, count: int) -> list[Assignment]:
        answer = await self._store.ask(_REF, uuid.uuid4().hex, count, "growth")
        self._trials += sum(one.lease.trial >= self._trials for one in answer.assignments)
        return list(answer.assignments)

    def _teller(self, held: list[Assignment], trained: int | None) -> Callable[[], Awaitable[None]]:
        """A function that tells at `trained` more than the assignment began with; None = at its next decision."""

        async def tell() -> None:
            lengths = [one.from_length + trained if trained else one.next_decision_length for one in held]
            await self._tell([(one.lease, length) for one, length in zip(held, lengths, strict=True)])

        return tell

    async def _tell(self, lengths: list[tuple[Lease, int]]) -> list[tuple[Lease, int]]:
        """Tell random metrics at these lengths; returns the leases that continue, with their next lengths."""
        results = [Result(lease, [Report(length, random.random())]) for lease, length in lengths]
        answer = await self._store.tell(_REF, uuid.uuid4().hex, results)
        return [(one.lease, one.next_decision_length) for one in answer.replies if one.decision is Decision.CONTINUE]
