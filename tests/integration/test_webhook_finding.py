"""What the server that sends webhooks finds: the same messages whoever looks, whatever was lost, and not too many."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from rungway_server.domain.engine import ExperimentState
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.webhooks import RedisWebhooks
from rungway_server.webhooks import finding
from rungway_server.webhooks.finding import Finder
from rungway_server.webhooks.notifier import Notifier
from rungway_server.webhooks.signing import read_endpoint
from tests.support.calls import config
from tests.support.redis_server import redis_on_socket
from tests.support.searches import ask_for, create_planned, plan, tell_one
from tests.support.waiting import happens

ENDPOINTS = [read_endpoint("https://all", [b"k"]), read_endpoint("vision=https://vision", [b"k"])]
SEEN = "rungway:webhooks:seen"


@pytest.fixture
async def scene() -> AsyncIterator[tuple[RedisWebhooks, Redis]]:
    """A Redis of this test alone."""
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=5) as router, Redis.from_url(url, decode_responses=True) as redis:
            yield RedisWebhooks(router, RedisStore(router)), redis


async def finder(webhooks: RedisWebhooks, dropped: list[str] | None = None) -> Finder:
    """One that has just become the one that sends."""

    async def drop(key: str, _: str) -> None:
        await webhooks.remove(key)
        found.pending.pop(key)
        if dropped is not None:
            dropped.append(key)

    found = Finder(webhooks, ENDPOINTS, drop)
    await found.begin()
    return found


async def search(store: RedisStore, name: str, *metrics: float, namespace: str = "default", trials: int = 0) -> None:
    """A search of so many trials, of which each of these metrics ended one."""
    ref = ExperimentRef(namespace, name)
    await create_planned(store, ref, plan((1,), trials=trials or len(metrics)))
    await told(store, name, *metrics, namespace=namespace)


async def told(store: RedisStore, name: str, *metrics: float, namespace: str = "default") -> None:
    for metric in metrics:
        ref = ExperimentRef(namespace, name)
        (given,) = await ask_for(store, ref)
        await tell_one(store, ref, given.lease, 1, metric)


def types(found: Finder) -> list[str]:
    """The types and searches of what waits, in order, without new bests."""
    bodies = [json.loads(each["body"]) for each in found.pending.values()]
    return [f"{each['type'].partition('.')[2]} {each['data']['experiment']}" for each in bodies]


async def test_whoever_looks_finds_the_same(scene: tuple[RedisWebhooks, Redis]) -> None:
    webhooks, redis = scene
    first = await finder(webhooks)
    await search(webhooks.store, "one", 0.5)
    await search(webhooks.store, "two", 0.5, namespace="vision")
    await first.look()
    assert types(first) == ["done one", "done two", "done two"]
    second = await finder(webhooks)
    await second.look()
    assert second.pending == first.pending
    await redis.hdel(SEEN, "default/one", "vision/two")  # the first died before it noted what it had found
    third = await finder(webhooks)
    await third.look()
    assert third.pending.keys() == first.pending.keys()
    assert await webhooks.pending() == third.pending


async def test_a_search_that_ends_twice_is_told_twice(scene: tuple[RedisWebhooks, Redis]) -> None:
    webhooks, _ = scene
    found, ref = await finder(webhooks), ExperimentRef("default", "again")
    cases = ExperimentUseCases(webhooks.store)
    await cases.create(ref, config(max_trials=1), "")
    await told(webhooks.store, "again", 0.5)
    await cases.update(ref, Change(max_trials=2))
    await told(webhooks.store, "again", 0.25)
    await cases.create(ExperimentRef("default", "ended"), config(), "")
    await cases.change_state(ExperimentRef("default", "ended"), ExperimentState.STOPPED)
    await found.look()
    assert types(found) == ["done again", "done again", "stopped ended"]
    await found.look()
    assert len({each["id"] for each in found.pending.values()}) == 3


async def test_what_was_before_webhooks_is_no_news(scene: tuple[RedisWebhooks, Redis]) -> None:
    webhooks, redis = scene
    await search(webhooks.store, "over", 0.5)
    await search(webhooks.store, "running", 0.5, trials=4)
    await redis.hset(SEEN, "*", int((await redis.time())[0]) * 1000 + 2_000)
    found = await finder(webhooks)
    await found.look()
    assert found.pending == {}
    await told(webhooks.store, "running", 0.75)
    await found.look()
    assert found.pending == {}
    await told(webhooks.store, "running", 0.25)
    await found.look()
    assert types(found) == ["new_best running"]


async def test_of_too_many_the_oldest_are_given_up(
    scene: tuple[RedisWebhooks, Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    webhooks, _ = scene
    monkeypatch.setattr(finding, "MOST_PENDING", 2)
    dropped: list[str] = []
    found = await finder(webhooks, dropped)
    for i in range(4):
        await search(webhooks.store, f"e{i}", 0.5)
        await found.look()
    assert types(found) == ["done e2", "done e3"]
    assert len(dropped) == 2
    assert await webhooks.pending() == found.pending


async def test_one_server_sends_until_it_retires(scene: tuple[RedisWebhooks, Redis]) -> None:
    webhooks, redis = scene
    assert await webhooks.lead("a", 60_000)
    assert not await webhooks.lead("b", 60_000)
    assert await webhooks.lead("a", 60_000)
    await webhooks.retire("b")
    assert not await webhooks.lead("b", 60_000)
    await webhooks.retire("a")
    assert await webhooks.lead("b", 60_000)
    assert 0 < await redis.pttl("rungway:webhooks:sender") <= 60_000


class Counted(RedisWebhooks):
    tries = 0

    async def lead(self, name: str, lease_ms: int) -> bool:
        self.tries += 1
        return await super().lead(name, lease_ms)


async def test_each_part_says_once_that_redis_is_away() -> None:
    with capture_logs() as lines, ExitStack() as stack:
        url = stack.enter_context(redis_on_socket())
        async with connect(url, timeout_seconds=1) as router:
            webhooks = Counted(router, RedisStore(router))
            sending = asyncio.ensure_future(Notifier(webhooks, ENDPOINTS, None).run())
            await happens(lambda: "webhooks_sender" in [line["event"] for line in lines])
            stack.close()
            before = webhooks.tries
            await happens(lambda: webhooks.tries >= before + 6)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    said = Counter(line["why"] for line in lines if line["event"] == "webhooks_wait")
    assert said
    assert max(said.values()) <= 2  # the part that stays the sender, and the one that looks at searches
