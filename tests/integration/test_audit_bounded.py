"""Searches with entries, a budget and trials that go on: the audit passes sound ones and names what is broken, and an
export carries over all that decides."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rungway_server.domain.engine import Report
from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.numbers import counts_of, ladder_of
from rungway_server.store.redis.layout.records import ATTRIBUTES, packed, unpack
from rungway_server.store.redis.layout.schema import NUMBERS
from tests.support.audited import check_broken, report_of
from tests.support.moving import Site, move
from tests.support.players import trained_alone
from tests.support.redis_server import redis_on_socket
from tests.support.snapshot import Snapshot, restore, snapshot

REF, COPY = ExperimentRef("default", "bounded"), ExperimentRef("default", "copy")
DOCUMENT = {
    "hyperparameters": {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}},
    "searcher": {
        **{"name": "auto", "metric": "loss", "max_trials": 30, "max_length": {"epochs": 9}, "proposals": "random"},
        **{"budget": {"epochs": 500}, "blind": True},
    },
    "seed": 3,
}


def metric(trial: int, length: int) -> float:
    """A result without any luck."""
    return (37 * trial + length) % 101 / 101


async def play(store: RedisStore, ref: ExperimentRef, most: int, now: int) -> list[Any]:
    """One worker trains up to so many assignments, and another one holds a trial meanwhile. What was decided."""
    return await trained_alone(store, ref, most, now, lambda trial, _, end: [Report(end, metric(trial, end))])


async def made(url: str) -> None:
    """A search in the middle of its blind climbs, with a lease held."""
    planned = plan_search(DOCUMENT)
    async with connect(url, timeout_seconds=5) as router:
        store = RedisStore(router)
        now = (await store.create(REF, planned.config, planned.plan, (), "")).created_ms
        await play(store, REF, 60, now)
        await store.ask(REF, "", 1, "slow", now_ms=now)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def saved(url: str) -> Snapshot:
    asyncio.run(made(url))
    with closing(Redis.from_url(url)) as client:
        return snapshot(client)


class Scene:
    """The search in Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.base = "rungway:{default/bounded}"

    def spell_out(self) -> None:
        """Store lists, as layouts before 16 did."""
        found: Any = self.redis.hmget(f"{self.base}:meta", "ladder", "counts")
        ladder, counts = map(unpack, found)
        self.redis.hset(f"{self.base}:meta", "ladder", packed(ladder_of(ladder)))
        self.redis.hset(f"{self.base}:meta", "counts", packed(counts_of(counts, ladder)))

    def set_meta(self, name: str, **changes: object) -> None:
        """Change the tally or the counts."""
        found: Any = self.redis.hget(f"{self.base}:meta", name)
        self.redis.hset(f"{self.base}:meta", name, packed(unpack(found) | changes))

    def counts(self, name: str) -> list[int]:
        """A list of the counts."""
        found: Any = self.redis.hget(f"{self.base}:meta", "counts")
        return list(unpack(found)[name])

    def set_trial(self, number: int, **changes: object) -> None:
        """Change a record."""
        found: Any = self.redis.hget(f"{self.base}:trials", str(number))
        values = dict(zip(ATTRIBUTES, unpack(found), strict=False)) | changes
        self.redis.hset(f"{self.base}:trials", str(number), packed(list(values.values())))


DAMAGES: dict[str, list[Callable[[Scene], object]]] = {
    "waiting_trials_are_listed": [
        lambda s: s.redis.zpopmax(f"{s.base}:ready"),
        lambda s: s.redis.zadd(f"{s.base}:ready", {b"\x80\xff" + bytes(17): 0}),
    ],
    "the_training_handed_out_is_counted": [
        lambda s: s.set_meta("counts", spent=[1, *s.counts("spent")[1:]]),
        lambda s: s.set_meta("counts", spent=[sum(s.counts("spent")) + 5, -5, 0]),
    ],
    "trials_have_entered_where_it_says": [lambda s: s.set_trial(0, entry=1)],
    "the_shares_are_a_whole": [
        lambda s: s.set_meta("counts", share=[4096, 1, 0]),
        lambda s: s.set_meta("counts", share=[4097, -1, 0]),
        lambda s: s.set_meta("counts", credit=[1, 1]),
    ],
    "a_spent_budget_was_spent": [lambda s: s.set_meta("tally", budget_spent=True)],
}
"""Ways to break each invariant, by its name."""


@pytest.mark.parametrize(("name", "which"), [(name, i) for name in DAMAGES for i in range(len(DAMAGES[name]))])
def test_what_is_broken_is_named(url: str, saved: Snapshot, name: str, which: int) -> None:
    def damage(client: Redis) -> object:
        scene = Scene(client)
        scene.spell_out()
        return DAMAGES[name][which](scene)

    check_broken(url, REF, saved, name, damage)


@pytest.mark.parametrize("entries", ["", "\0", "\0" * 200])
def test_a_text_that_is_not_of_its_numbers_is_named(url: str, saved: Snapshot, entries: str) -> None:
    with closing(Redis.from_url(url)) as client:
        restore(client, saved)
        Scene(client).set_meta("counts", entries=entries)
        assert asyncio.run(report_of(url, REF)).violated


def test_an_export_decides_as_the_search_would(url: str, saved: Snapshot) -> None:
    """The search and its copy go on alike: the lease that was held is requeued in both, and its training given back."""

    async def both() -> tuple[list[Any], list[Any], str]:
        async with connect(url, timeout_seconds=5) as router, AsyncRedis.from_url(url) as redis:
            store = RedisStore(router)
            site = Site(url, store, redis)
            text = await move(site, REF, site, COPY.experiment)
            later = (await store.definition(REF)).created_ms + 10**6  # the lease has expired
            return await play(store, REF, 200, later), await play(store, COPY, 200, later), text

    with closing(Redis.from_url(url)) as client:
        restore(client, saved)
        original, copy, text = asyncio.run(both())
        assert original == copy
        assert len(original) > 20
        assert '"entries": [' in text
        assert (schema_of(client, "bounded"), schema_of(client, "copy")) == (NUMBERS, NUMBERS)
        assert asyncio.run(report_of(url, COPY)).violated == {}


def schema_of(client: Redis, name: str) -> int:
    """The layout of a search."""
    found: Any = client.hget(f"rungway:{{default/{name}}}:meta", "schema")
    return int(found)
