"""The same seed gives the same configurations, bit for bit: with one worker through one server process, with 64 through
three, and when all servers and Redis are killed and start again in the middle."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import pytest

from rungway import AskStatus, AsyncClient, Decision
from tests.support.calls import config, unique_name
from tests.support.redis_server import free_port, redis_on_port
from tests.support.service import Service

TRIALS = 400
"""More than are suggested at creation, so that servers suggest while they assign."""
SERVERS = 3
UNIT = {"type": "double", "minval": 0.0, "maxval": 1.0}
MIXED = {
    "rate": {"type": "log", "base": 10.0, "minval": -5.0, "maxval": -1.0},
    "model": {"layers": {"type": "int", "minval": 1, "maxval": 64}, "dropout": UNIT},
    "kind": {"type": "categorical", "vals": ["a", 1, None, 0.5]},
    "decay": {"type": "log_uniform", "minval": 1e-9, "maxval": 1e-3},
    "width": {"type": "log_int", "minval": 1, "maxval": 4096},
    "beta": {"type": "reverse_log_uniform", "minval": 0.9, "maxval": 0.9999},
    "noise": {"type": "normal", "mu": 0.0, "sigma": 1.0, "maxval": 1.0},
    "scale": {"type": "lognormal", "mu": -3.0, "sigma": 1.0},
    "size": {"type": "ordinal", "vals": ["s", "m", "l"], "weights": [1, 2, 3]},
}
CONDITIONAL = {
    "low": UNIT,
    "high": UNIT,
    "optimizer": {"type": "categorical", "vals": ["adam", "sgd"]},
    "momentum": {**UNIT, "when": {"optimizer": "sgd"}},
}
SIDES = {name: {"type": "int", "minval": 1, "maxval": 20} for name in "ab"}
SIDE = {"type": "double", "minval": 0.0, "maxval": 0.3, "count": 20}

SEARCHES: dict[str, dict[str, object]] = {
    "random": config(space=MIXED, max_trials=TRIALS, max_concurrent_trials=0),
    "sobol": config(space=MIXED, max_trials=TRIALS, max_concurrent_trials=0, sampler="sobol"),
    "grid": config("grid", space={"a": SIDE, "b": SIDE}, max_trials=TRIALS, max_concurrent_trials=0),
    "small": config(space=SIDES, max_trials=TRIALS, max_concurrent_trials=0),
    "small sobol": config(space=SIDES, max_trials=TRIALS, max_concurrent_trials=0, sampler="sobol"),
    "conditional": config(space=CONDITIONAL, max_trials=TRIALS, max_concurrent_trials=0)
    | {"constraints": ["low + 0.2 <= high", "momentum >= 0.5"]},
}

QUEUED = 40
"""Points of small spaces that are enqueued before the first ask."""

Found = dict[int, str]
"""Trial number to configuration; JSON gives every bit of a number."""


class Cluster:
    """Servers and a Redis that keeps an append-only file, at addresses of their own, so that they can start again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis_port, *ports = [free_port() for _ in range(1 + SERVERS)]
        self.addresses = [f"127.0.0.1:{port}" for port in ports]
        self._running = ExitStack()

    def start(self) -> None:
        """All processes; returns when they are ready."""
        durable = ("--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.folder))
        url = self._running.enter_context(redis_on_port(*durable, port=self.redis_port))
        services = []
        for number, address in enumerate(self.addresses):
            own = self.folder / f"server {number}"
            own.mkdir(exist_ok=True)
            services.append(Service(own, ("--listen", address, "--redis", url)))
            self._running.callback(services[-1].kill)
        for service in services:
            assert service.address

    def kill(self) -> None:
        """All processes, by SIGKILL."""
        self._running.close()


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()


async def work(client: AsyncClient, number: int, found: Found) -> None:
    """A worker that asks for a few trials at a time and tells arbitrary results."""
    luck = random.Random(number)
    while True:
        reply = await client.ask_once(1 + number % 4)
        for assignment in reply.assignments:
            drawn = json.dumps(assignment.hparams, sort_keys=True)
            assert found.setdefault(assignment.trial, drawn) == drawn
        await asyncio.sleep(luck.random() / 100)
        for assignment in reply.assignments:
            assert (await client.tell(assignment, luck.random())).decision is Decision.STOP
        if reply.status is AskStatus.DONE:
            return
        if not reply.assignments:
            await asyncio.sleep(0.1)


async def play(cluster: Cluster, search: str, found: Found, workers: int, servers: int) -> None:
    """A whole search by so many workers, spread over the servers; fills in the configuration of every trial."""
    experiment = unique_name(search.replace(" ", "-"))
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(AsyncClient(address, experiment=experiment))
            for address in cluster.addresses[:servers]
        ]
        await clients[0].create_experiment(experiment, SEARCHES[search])
        for number in range(QUEUED if search.startswith("small") else 0):
            await clients[number % servers].enqueue_trial({"a": 1 + number % 20, "b": 1 + number // 20 * 7})
        await asyncio.gather(*(work(clients[number % servers], number, found) for number in range(workers)))
        listed = {trial.trial: json.dumps(trial.hparams, sort_keys=True) for trial in await clients[0].list_trials()}
    assert listed == found


async def play_all(cluster: Cluster, workers: int, servers: int, *, restart: bool = False) -> dict[str, Found]:
    """All searches at the same time. With `restart`, everything is killed once half of the trials are handed out."""
    found: dict[str, Found] = {search: {} for search in SEARCHES}
    playing = asyncio.gather(*(play(cluster, search, found[search], workers, servers) for search in SEARCHES))
    if restart:
        while sum(map(len, found.values())) < TRIALS * len(SEARCHES) // 2:
            await asyncio.sleep(0.005)
            assert not playing.done()
        await asyncio.to_thread(cluster.kill)
        assert not all(len(trials) == TRIALS for trials in found.values())
        await asyncio.to_thread(cluster.start)
    await playing
    return found


@pytest.mark.slow
@pytest.mark.parametrize("restart", [True, pytest.param(False, marks=pytest.mark.long)])
async def test_the_same_seed_gives_the_same_configurations(tmp_path: Path, restart: bool) -> None:
    with started(tmp_path) as cluster:
        alone = await play_all(cluster, workers=1, servers=1)
        for trials in alone.values():
            assert sorted(trials) == list(range(TRIALS))
            assert len(set(trials.values())) == TRIALS
        assert await play_all(cluster, workers=64, servers=SERVERS, restart=restart) == alone
