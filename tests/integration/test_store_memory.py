"""What a store proposes, lists and remembers: configurations, pages of experiments, request ids."""

import asyncio
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from rungway_server.domain.engine import AskAnswer, AskStatus, Release
from rungway_server.domain.sampling.sampling import propose
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.keys import experiment_keys, index_key
from rungway_server.store.redis.layout.records import unpack
from tests.support.calls import unique_name
from tests.support.moving import Place, move
from tests.support.searches import config_of, plan, say, stored, take

# Proposals.


async def finish(stores: list[RedisStore], ref: ExperimentRef, workers: int) -> dict[int, Mapping[str, object]]:
    """Run the search to its end with so many workers, spread over the stores; the configuration of every trial."""
    found: dict[int, Mapping[str, object]] = {}

    async def work(store: RedisStore) -> None:
        while (answer := await store.ask(ref, "", 1, "w")).status is not AskStatus.DONE:
            for assignment in answer.assignments:
                number = assignment.lease.trial
                assert found.setdefault(number, assignment.hparams) == assignment.hparams
                await say(store, ref, assignment.lease, assignment.to_length, float(number % 7))
            if not answer.assignments:
                await asyncio.sleep(0.005)

    await asyncio.gather(*(work(stores[number % len(stores)]) for number in range(workers)))
    return found


async def test_the_configuration_of_a_trial_depends_on_nothing_but_seed_and_number(
    stores: list[RedisStore], redis_url: str
) -> None:
    runs = []
    for workers, several in ((1, False), (7, True), (40, True)):
        ref = ExperimentRef("default", unique_name("s"))
        config = config_of(plan((1,), trials=600))
        await stored(stores[0], ref, plan((1,), trials=600))  # more than are proposed at creation
        runs.append(await finish(stores if several else stores[:1], ref, workers))
        trials = await stores[1].trials(ref, list(range(600)))
        assert {trial.trial: trial.hparams for trial in trials} == runs[-1]
    assert runs[0] == runs[1] == runs[2]
    assert sorted(runs[0]) == list(range(600))
    for number in (0, 255, 256, 599):
        assert runs[0][number] == propose(config.space, config.seed, number)
    assert len(set(map(str, runs[0].values()))) == 600


async def test_a_store_that_starts_in_the_middle_proposes_the_same(
    stores: list[RedisStore], redis_url: str, ref: ExperimentRef
) -> None:
    config = config_of(plan((1,), trials=1000))
    await stored(stores[0], ref, plan((1,), trials=1000))
    for _ in range(5):
        await take(stores[0], ref, 64)
    async with connect(redis_url, timeout_seconds=5) as client:
        restarted = RedisStore(client)
        for number in range(320, 400):
            (assignment,) = await take(restarted, ref)
            assert assignment.lease.trial == number
            assert assignment.hparams == propose(config.space, config.seed, number)


# Listing.


async def listed(store: RedisStore, namespace: str, size: int) -> list[str]:
    """All experiments, in pages of this size."""
    found: list[tuple[str, str]] = []
    while page := await store.experiments(namespace, found[-1][1] if found else "", size):
        assert len(page) <= size
        found += page
    return [name for name, _ in found]


async def test_pages_of_experiments_are_complete_and_oldest_first(store: RedisStore) -> None:
    namespace = "pages"
    names = [f"n{number}" for number in (5, 3, 9, 1, 7, 2, 8)]
    for name in names:
        await stored(store, ExperimentRef(namespace, name), plan())
        await asyncio.sleep(0.002)
    for size in (1, 2, 3, 7, 8):
        assert await listed(store, namespace, size) == names
    assert await store.experiments("nobody", "", 10) == []


async def test_experiments_of_the_same_millisecond_are_all_listed(store: RedisStore, redis: Redis) -> None:
    names = sorted(f"tie{number}" for number in range(200))
    for name in names:
        await stored(store, ExperimentRef("ties", name), plan())
    await redis.zadd(index_key("ties"), dict.fromkeys(names, 1_700_000_000_000))
    assert await listed(store, "ties", 3) == names


async def test_a_lost_listing_is_repaired_by_the_next_read(
    stores: list[RedisStore], redis: Redis, ref: ExperimentRef
) -> None:
    await stored(stores[0], ref, plan())
    await redis.zrem(index_key("default"), ref.experiment)  # as when the server died right after the script
    await stores[1].progress(ref)
    definition = await stores[1].definition(ref)
    assert await redis.zscore(index_key("default"), ref.experiment) == definition.created_ms


# Request ids.


async def test_the_memory_for_request_ids_is_bounded_and_the_last_ones_are_kept(
    redis_url: str, redis: Redis, ref: ExperimentRef
) -> None:
    window = 10
    async with connect(redis_url, timeout_seconds=5) as client:
        store = RedisStore(client, request_window_count=window)
        await stored(store, ref, plan((1,), trials=200))
        generations = experiment_keys(ref)[9:11]
        answers = []
        for number in range(55):
            answers.append(await store.ask(ref, f"id {number}", 1, "w"))
            kept = [await redis.hlen(key) for key in generations]
            assert max(kept) <= window
            for back in range(min(window, number + 1)):  # a window's worth is always remembered
                assert await store.ask(ref, f"id {number - back}", 1, "w") == answers[number - back]
        assert sum(kept) > window
        forgotten = await store.ask(ref, "id 0", 1, "w")
        assert forgotten.assignments[0].lease.trial == 55


async def test_request_ids_are_forgotten_with_time(redis_url: str, redis: Redis, ref: ExperimentRef) -> None:
    async with connect(redis_url, timeout_seconds=5) as client:
        store = RedisStore(client, request_window_ms=1_000)
        start = (await stored(store, ref, plan((1,), trials=200), lease_seconds=3600)).created_ms
        first = await store.ask(ref, "first", 1, "w", now_ms=start)
        await store.ask(ref, "second", 1, "w", now_ms=start + 1_001)
        assert await store.ask(ref, "first", 1, "w", now_ms=start + 1_900) == first  # at least one window
        await store.ask(ref, "third", 1, "w", now_ms=start + 2_100)
        again = await store.ask(ref, "first", 1, "w", now_ms=start + 2_200)
        assert again.assignments[0].lease != first.assignments[0].lease


LONG = 4_096
"""Longest checkpoint."""


async def test_the_memory_for_request_ids_is_bounded_in_bytes(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    """Whatever is in the answers: 64 assignments with the longest checkpoints, 260 kB each time."""
    await stored(store, ref, plan((1_000,), trials=64), max_restarts=1_000_000, pause_after=0)
    generations = experiment_keys(ref)[9:11]
    last: list[AskAnswer] = []
    for number in range(150):
        last = [*last[-50:], await store.ask(ref, f"id {number}", 64, "w")]
        releases = [Release(given.lease, "c" * LONG, 0) for given in last[-1].assignments]
        await store.release(ref, "", releases)
        assert len(releases) == 64
    sizes = [await redis.memory_usage(key, samples=0) or 0 for key in generations]
    most = 21 * 2**20  # 16 MiB of answers, in pieces as large as Redis makes them
    assert max(sizes) < most < sum(sizes)
    for back, answer in enumerate(reversed(last)):
        assert await store.ask(ref, f"id {number - back}", 64, "w") == answer
    forgotten = await store.ask(ref, "id 0", 64, "w")
    assert forgotten.assignments[0].lease.fencing_token > last[-1].assignments[0].lease.fencing_token


async def test_an_imported_search_begins_with_no_answers(places: tuple[Place, Place], ref: ExperimentRef) -> None:
    """And with none counted, or it would forget its own too early."""
    here, there = places
    await stored(here.store, ref, plan((1_000,), trials=64))
    await here.store.ask(ref, "of the original", 64, "w")
    await move(here, ref, there)
    redis: Any = there.redis
    progress = unpack(await redis.hget(experiment_keys(ref)[0], "tally"))
    assert progress["remembered"] == 0
