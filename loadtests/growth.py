"""What a decision costs Redis as an experiment grows: script time per ask and tell, and memory, by number of trials.

The store is called directly, without a server, so that filling an experiment takes seconds (10^6 trials some minutes).
There is one experiment of each size; samples of all are taken in turn, so that other load on the machine affects all
alike. Times are those of single scripts as Redis reports them (SLOWLOG), sent together so that Redis does one after the
other, as a busy one does. Each figure is the lower quartile of some hundred calls, because Redis counts the time for
which the machine took its processor away. Memory is what Redis reports as used, and MEMORY USAGE of each key.
"""

import argparse
import asyncio
import random
import tempfile
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from redis.asyncio import Redis

from loadtests.experiment import CONFIG
from loadtests.judging import Bar, By, at_most, no_bar
from loadtests.meter import lower_quartile
from rungway_server.domain.engine import Assignment, Decision, Lease, Report, Result
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.store import RedisStore

_BATCH = 64
_AT_ONCE = 4
"""Batches on their way at once while an experiment is filled."""
_ROUNDS = 10
"""Samples of each experiment."""
_QUIET_SECONDS = 60
CALLS = 64
"""Calls of one kind in one sample."""
_LOGGED = 64 * CALLS
"""Scripts in one sample at most: models look at results between calls."""
_RESULTS = 16
"""Results in one call of a batch."""
_KEYS = ("trials", "configs", "rungs", "events", "requests")
_KINDS = ("ask", "tell", "tell_batch", "tell_at_rung")
_Grown = TypeVar("_Grown", bound="Grown")


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
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="(%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Cost], list[Cost]]:
    """The rows to print and the rows for the JSON file: the same here."""
    costs = await measure(arguments.trials)
    return costs, costs


def judgements(costs: list[Cost]) -> list[Bar]:
    """The most trials beside the fewest, with the bars."""
    few, many = costs[0], costs[-1]
    name = f"at {many.trials:,} trials to {few.trials:,}"
    stored = many.trials_bytes + many.configs_bytes + many.rungs_bytes
    what = "bytes of Redis per trial"
    found = []
    for call, before, now in (
        ("an ask", few.ask_us, many.ask_us),
        ("a tell", few.tell_us, many.tell_us),
        ("a tell at a rung", few.tell_at_rung_us, many.tell_at_rung_us),
    ):
        note = f"{now:.0f} to {before:.0f} µs"
        found.append(at_most("growth", f"script time of {call} {name}", By.SCRIPT, 1.25, now / before, note))
    return [
        *found,
        no_bar("growth", f"{what} at {many.trials:,}: record, configuration, results at rungs", By.BYTES, stored),
        at_most("growth", f"{what} at {many.trials:,}: all there is, log and answers too", By.BYTES, 550,
                many.bytes_per_trial),
    ]  # fmt: skip


async def measure(sizes: list[int]) -> list[Cost]:
    """The costs at each number of trials, smallest first."""
    grown = await sampled(lambda store, client: [Grown(store, client, size) for size in sorted(sizes)])
    return [one.cost() for one in grown]


async def sampled(make: "Callable[[RedisStore, Redis], list[_Grown]]") -> "list[_Grown]":
    """Fill these experiments on a Redis of their own, and take samples of all in turn."""
    with tempfile.TemporaryDirectory(prefix="rw-load-") as folder:
        async with (
            EmbeddedRedis(Path(folder)) as redis,
            connect(redis.url, timeout_seconds=60) as router,
            plain_client(redis.url, timeout_seconds=60) as client,
        ):
            grown = make(RedisStore(router), client)
            for one in grown:
                await one.fill()
            await _until_quiet(client)
            await client.config_set("slowlog-log-slower-than", 0)
            await client.config_set("slowlog-max-len", _LOGGED)
            for _ in range(_ROUNDS):
                for one in grown:
                    await one.sample()
            return grown


async def _until_quiet(client: Redis) -> None:
    """Wait until Redis is not rewriting the append-only file: meanwhile, writes cause page faults."""
    for _ in range(_QUIET_SECONDS * 10):
        if not (await client.info("persistence"))["aof_rewrite_in_progress"]:
            return
        await asyncio.sleep(0.1)


class Grown:
    """An experiment of a number of trials."""

    def __init__(
        self, store: RedisStore, client: Redis, size: int, name: str = "growth", config: Mapping[str, object] = CONFIG
    ) -> None:
        self._store, self._client, self._size, self._config = store, client, size, config
        self._ref = ExperimentRef("default", f"{name}-{size}")
        self._asked = 0
        self._bytes, self._keys = 0, Counter[str]()
        self.times: dict[str, list[float]] = {kind: [] for kind in _KINDS}

    async def fill(self) -> None:
        """Run the trials to their first rungs, and note the memory that they take."""
        before = int((await self._client.info("memory"))["used_memory"])
        await ExperimentUseCases(self._store).create(self._ref, self._config, "")
        await asyncio.gather(*(self._filler() for _ in range(_AT_ONCE)))
        self._bytes = int((await self._client.info("memory"))["used_memory"]) - before
        for key in experiment_keys(self._ref):  # both windows of request ids count together
            self._keys[key.split(":")[2]] += int(await self._client.memory_usage(key, samples=0) or 0)

    async def _filler(self) -> None:
        while (some := min(_BATCH, self._size - self._asked)) > 0:
            self._asked += some
            held = await self.ask(some)
            going_on = [(one.lease, one.next_decision_length) for one in held]
            while going_on:
                going_on = await self._tell(going_on)
            self._asked -= sum(one.from_length > 0 for one in held)  # promoted, so it is no new trial

    async def sample(self) -> None:
        """Some calls of each kind, each on leases of its own."""
        held: list[Assignment] = []

        async def ask() -> None:
            held.extend(await self.ask(1))

        await self._time("ask", [ask] * CALLS)
        await self._time("tell", [self.teller([one], 1) for one in held])
        batches = [held[i : i + _RESULTS] for i in range(0, len(held), _RESULTS)]
        await self._time("tell_batch", [self.teller(batch, 2) for batch in batches], _RESULTS)
        await self._time("tell_at_rung", [self.teller([one], None) for one in held])

    def cost(self) -> Cost:
        """The figures over all samples."""
        times = {f"{kind}_us": lower_quartile(times) for kind, times in self.times.items()}
        memory = {f"{name}_bytes": self._keys[name] / self._size for name in _KEYS}
        return Cost(trials=self._size, bytes_per_trial=self._bytes / self._size, **times, **memory)

    async def _time(self, kind: str, calls: list[Callable[[], Awaitable[None]]], results: int = 1) -> None:
        self.times[kind] += [us / results for us, _sha in await self.timed(call() for call in calls)]

    async def timed(self, calls: Iterable[Awaitable[object]], *, together: bool = True) -> list[tuple[float, str]]:
        """Make these calls together, or one after the other; the time of each script (µs), and its SHA-1, the last one
        first."""
        await self._client.slowlog_reset()
        if together:
            await asyncio.gather(*calls)
        else:
            for call in calls:
                await call
        entries = await self._client.slowlog_get(_LOGGED)
        return [
            (entry["duration"], entry["command"].split()[1].decode())
            for entry in entries
            if entry["command"].startswith(b"EVALSHA")
        ]

    async def ask(self, count: int) -> list[Assignment]:
        """Ask for so many."""
        return list((await self._store.ask(self._ref, uuid.uuid4().hex, count, "growth")).assignments)

    def teller(self, held: list[Assignment], trained: int | None) -> Callable[[], Awaitable[None]]:
        """A function that tells at `trained` more than the assignment began with; None = at its next decision."""

        async def tell() -> None:
            lengths = [one.from_length + trained if trained else one.next_decision_length for one in held]
            await self._tell([(one.lease, length) for one, length in zip(held, lengths, strict=True)])

        return tell

    def metric(self, _trial: int, _length: int) -> float:
        """The metric of a trial at a length: here noise."""
        return random.random()

    async def _tell(self, lengths: list[tuple[Lease, int]]) -> list[tuple[Lease, int]]:
        """Tell metrics at these lengths; returns the leases that continue, with their next lengths."""
        results = [Result(lease, [Report(length, self.metric(lease.trial, length))]) for lease, length in lengths]
        answer = await self._store.tell(self._ref, uuid.uuid4().hex, results)
        return [(one.lease, one.next_decision_length) for one in answer.replies if one.decision is Decision.CONTINUE]
