"""A Redis that becomes unreachable and returns, with all its data or without the last writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import pytest
from redis import Redis

from rungway_server.domain.engine import AskStatus, Decision, Reason
from rungway_server.domain.errors import StoreUnavailable
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection import router as router_module
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.connection.errors import broken_connections
from rungway_server.store.redis.connection.router import Router
from tests.support.network import Link, link_to
from tests.support.redis_server import port_of, redis_on_port
from tests.support.searches import ask_for, create_planned, plan, tell_one
from tests.support.snapshot import restore, snapshot

T = TypeVar("T")


@pytest.fixture
def link(redis_tcp: str) -> Iterator[Link]:
    """The network between the store and Redis."""
    with link_to(port_of(redis_tcp)) as link:
        yield link


@pytest.fixture(scope="module")
def redis_tcp() -> Iterator[str]:
    with redis_on_port() as url:
        yield url


@pytest.fixture
async def router(link: Link) -> AsyncIterator[Router]:
    async with connect(f"redis://127.0.0.1:{link.port}", timeout_seconds=0.5) as router:
        yield router


@pytest.fixture
async def store(router: Router) -> RedisStore:
    return RedisStore(router)


async def soon(call: Callable[[], Awaitable[T]]) -> T:
    """The reply, as soon as there is one; a connection opened during the outage may still break."""
    for _ in range(50):
        with suppress(StoreUnavailable):
            return await call()
        await asyncio.sleep(0.02)
    return await call()


async def test_every_call_meanwhile_says_so_and_the_next_works(
    link: Link, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan())
    link.go_down()
    for _ in range(3):
        calls = [ask_for(store, ref) for _ in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(answer) for answer in answers} == {StoreUnavailable}
    link.heal()
    await soon(lambda: ask_for(store, ref))


async def test_a_lease_lost_in_a_crash_is_never_given_again(
    redis_tcp: str, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan())
    with Redis.from_url(redis_tcp) as redis:
        before = snapshot(redis)
        (lost,) = await ask_for(store, ref)
        await asyncio.sleep(0.005)  # a Redis takes at least this long to return
        restore(redis, before)
    (given,) = await ask_for(store, ref)
    assert given.lease.trial == lost.lease.trial
    assert await tell_one(store, ref, lost.lease, 1, 0.0) == (Decision.SUPERSEDED, Reason.LEASE_LOST)
    assert (await tell_one(store, ref, given.lease, 1, 0.5))[0] is Decision.PAUSE
    (trial,) = await store.trials(ref, [given.lease.trial], curve=True)
    assert [report.metric for report in trial.curve] == [0.5]


async def test_after_an_outage_workers_have_a_chance_to_renew_first(
    link: Link, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan(trials=1), lease_seconds=1.0)
    (held,) = await ask_for(store, ref)
    await asyncio.sleep(1.1)
    link.go_down()
    with pytest.raises(StoreUnavailable):
        await store.heartbeat(ref, [held.lease])
    link.heal()
    early = await soon(lambda: store.ask(ref, "", 1, "another"))
    assert (early.status, early.retry_after_ms) == (AskStatus.WAIT, 1000)
    assert await tell_one(store, ref, held.lease, 1, 0.5) == (Decision.PAUSE, Reason.NOT_PROMOTED)


async def test_a_worker_that_died_in_an_outage_is_replaced_a_lease_after_it(
    store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan(trials=1), lease_seconds=0.3)
    await ask_for(store, ref)  # by a store that has just started
    assert (await store.ask(ref, "", 1, "another")).status is AskStatus.WAIT
    await asyncio.sleep(0.4)
    (again,) = await ask_for(store, ref)
    assert again.restarts == 1


def away(link: Link) -> None:
    link.go_down()


def silent(link: Link) -> None:
    link.silent = True


@pytest.mark.parametrize("outage", [away, silent], ids=["away", "silent"])
async def test_an_outage_that_only_health_sees_gives_workers_the_same_chance(
    outage: Callable[[Link], None], link: Link, router: Router, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan(trials=1), lease_seconds=1.0)
    (held,) = await ask_for(store, ref)
    outage(link)
    with pytest.raises(ConnectionError):
        await router.check()
    assert router.answers_for() == 0
    await asyncio.sleep(1.1)  # the lease expires, and nobody calls
    link.heal()
    link.reset()
    early = await soon(lambda: store.ask(ref, "", 1, "another"))
    assert (early.status, early.retry_after_ms) == (AskStatus.WAIT, 1000)
    assert await tell_one(store, ref, held.lease, 1, 0.5) == (Decision.PAUSE, Reason.NOT_PROMOTED)


async def test_a_server_that_stood_still_gives_workers_the_same_chance(
    router: Router, store: RedisStore, ref: ExperimentRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "_CHECK_IS_LATE_SECONDS", 0.5)
    await create_planned(store, ref, plan(trials=1), lease_seconds=1.0)
    await ask_for(store, ref)
    await router.check()
    await asyncio.sleep(1.1)
    assert (await store.ask(ref, "", 1, "another")).status is AskStatus.WAIT


@pytest.mark.parametrize("mistake", [RuntimeError("dictionary changed size"), KeyError("node"), ValueError("port")])
async def test_a_mistake_of_ours_is_not_an_outage(
    mistake: Exception, router: Router, store: RedisStore, ref: ExperimentRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create_planned(store, ref, plan())
    before = router.answers_for()

    async def connect(_: str) -> None:
        raise mistake

    with monkeypatch.context() as patch:
        patch.setattr(router.topology, "connect", connect)
        for connection in list(router._connections.values()):
            await connection.close()
        with pytest.raises(type(mistake)):
            await ask_for(store, ref)
        with pytest.raises(type(mistake)):
            await router.check()
        with pytest.raises(type(mistake)):
            await router.on_each(("PING",))
    assert router.answers_for() > before > 0
    await ask_for(store, ref)


def test_the_error_of_uvloop_for_a_broken_connection_is_recognised() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def write_to_a_broken_one() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.transport.abort()
            await writer.wait_closed()
            with pytest.raises(ConnectionError), broken_connections():
                writer.write(b"PING")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, suppress(ConnectionError):
        runner.run(write_to_a_broken_one())
