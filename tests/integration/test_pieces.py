"""Calls for many trials are done in several short scripts under one request id: one effect, one answer, whatever
happens between two of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from rungway_server.domain.engine import Assignment, Decision, Lease, Release, Report, Result, TellAnswer
from rungway_server.domain.errors import InvalidInput, RequestIdReused, StoreUnavailable, UnknownTrial
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.address import Tls, parse_address
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.connection.topology import topology_of
from rungway_server.store.redis.store import STEPS_AT_ONCE, TRIALS_AT_ONCE
from tests.support.audited import assert_sound
from tests.support.calls import unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.searches import ask_for, create_planned, plan

MANY = 2 * TRIALS_AT_ONCE + 6
SCRIPTS = 2 * 3
"""Three pieces: each is checked, then done."""


class Interrupted(Router):
    """A server that dies after so many scripts of a call."""

    left = 10**9

    def run(self, script: str, keys: Sequence[str], args: Sequence[Argument]) -> Awaitable[list[Any]]:
        """Counts them."""
        self.left -= 1
        if self.left < 0:
            raise StoreUnavailable("it died")
        return super().run(script, keys, args)


@pytest.fixture
async def dying(redis_url: str) -> AsyncIterator[Interrupted]:
    async with Interrupted(topology_of(parse_address(redis_url, Tls()), 5)) as router:
        yield router


async def held(store: RedisStore, ref: ExperimentRef, count: int = MANY) -> list[Assignment]:
    """A new search, and so many assignments of it."""
    await create_planned(store, ref, plan(trials=300), lease_seconds=600)
    return [*(await ask_for(store, ref, 64)), *(await ask_for(store, ref, count - 64))]


def results(given: list[Assignment]) -> list[Result]:
    return [Result(each.lease, [Report(1, each.lease.trial * 0.37 % 1)], "c") for each in given]


def said(answer: TellAnswer) -> list[object]:
    """An answer without what differs from search to search."""
    return [(reply.decision, reply.to_length, reply.explanation) for reply in answer.replies]


@pytest.mark.parametrize("done", range(SCRIPTS + 1))
@pytest.mark.parametrize("call", ["release", "tell"])
async def test_a_repeat_finishes_what_a_server_left(
    call: str, done: int, dying: Interrupted, store: RedisStore, ref: ExperimentRef, redis_url: str
) -> None:
    async def run(store: RedisStore, ref: ExperimentRef, given: list[Assignment]) -> TellAnswer:
        if call == "tell":
            return await store.tell(ref, "id", results(given))
        return await store.release(ref, "id", [Release(each.lease, "c", 0) for each in given])

    twin = ExperimentRef("default", unique_name("twin"))
    wanted, whole = said(await run(store, twin, await held(store, twin))), await store.progress(twin)
    given, mortal = await held(store, ref), RedisStore(dying)
    await mortal.progress(ref)
    await mortal.definition(ref)
    before = await store.progress(ref)
    dying.left = done
    if done < SCRIPTS:
        with pytest.raises(StoreUnavailable):
            await run(mortal, ref, given)
        assert ((await store.progress(ref)).revision == before.revision) == (done <= SCRIPTS // 2)
    else:
        assert said(await run(mortal, ref, given)) == wanted
        assert dying.left == 0
    answer = await run(store, ref, given)
    assert said(answer) == wanted
    assert [reply.lease for reply in answer.replies] == [each.lease for each in given]
    after = await store.progress(ref)
    assert after.revision == answer.revision
    assert replace(after, revision=whole.revision) == whole
    assert await run(store, ref, given) == answer
    await assert_sound(redis_url, ref.experiment, ref.namespace)


@pytest.mark.parametrize("wrong", [0, TRIALS_AT_ONCE, MANY - 1])
async def test_what_is_wrong_with_one_item_is_said_before_any_is_done(
    wrong: int, store: RedisStore, ref: ExperimentRef
) -> None:
    given = await held(store, ref)
    before = await store.progress(ref)
    told = results(given)
    told[wrong] = Result(given[wrong].lease, [Report(10, 0.5)], "")
    released = [Release(each.lease) for each in given]
    released[wrong] = Release(given[wrong].lease, "c", 1)
    unknown = [Release(each.lease) for each in given]
    unknown[wrong] = Release(Lease(10_000, 1))
    for call, field in (
        (store.tell(ref, "id", told), f"results[{wrong}].reports[0].length"),
        (store.tell(ref, "id", finished_at_once(given, wrong)), f"results[{wrong}].finished"),
        (store.release(ref, "id", released), f"releases[{wrong}].checkpoint_length"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await call
        assert refused.value.violations[0].field == field
    with pytest.raises(UnknownTrial):
        await store.release(ref, "id", unknown)
    assert await store.progress(ref) == before
    await store.release(ref, "once", [Release(given[wrong].lease)])
    with pytest.raises(RequestIdReused):
        await store.release(ref, "once", [Release(each.lease, "another", 0) for each in given])
    assert (await store.progress(ref)).revision == before.revision + 1


def finished_at_once(given: list[Assignment], wrong: int) -> list[Result]:
    told = results(given)
    told[wrong] = Result(given[wrong].lease, [], "", finished=True)
    return told


async def test_each_lease_has_its_own_answer(store: RedisStore, ref: ExperimentRef) -> None:
    given = await held(store, ref)
    lost = {0, TRIALS_AT_ONCE - 1, TRIALS_AT_ONCE, MANY - 1}
    await store.release(ref, "", [Release(given[at].lease) for at in sorted(lost)])
    beats = await store.heartbeat(ref, [each.lease for each in given])
    assert [beat.lease for beat in beats] == [each.lease for each in given]
    assert {at for at, beat in enumerate(beats) if beat.decision is Decision.SUPERSEDED} == lost
    told = await store.tell(ref, "", results(given))
    assert {at for at, reply in enumerate(told.replies) if reply.decision is Decision.SUPERSEDED} == lost
    again = await store.release(ref, "", [Release(each.lease) for each in given])
    assert [reply.lease for reply in again.replies] == [each.lease for each in given]


async def test_others_get_their_turn_between_two_pieces(store: RedisStore, stores: list[RedisStore]) -> None:
    """An ask that comes while 256 leases are released is answered before all are."""
    ref = ExperimentRef("default", unique_name("turn"))
    await create_planned(store, ref, plan(trials=300), lease_seconds=600)
    leases = [each.lease for _ in range(4) for each in await ask_for(store, ref, 64)]
    (first,) = await ask_for(stores[1], ref)
    releasing = asyncio.ensure_future(store.release(ref, "", [Release(lease) for lease in leases]))
    turns = 0
    while not releasing.done():
        await stores[1].heartbeat(ref, [first.lease])
        turns += 1
    assert len((await releasing).replies) == len(leases)
    assert turns > 2


@pytest.mark.parametrize(
    ("lengths", "count", "scripts"),
    [
        ((1, 3, 9), 1, 1),
        ((1, 3, 9), TRIALS_AT_ONCE, 1),
        ((1, 3, 9), TRIALS_AT_ONCE + 1, 4),
        (tuple(range(1, 65)), 1, 1),
        (tuple(range(1, 65)), STEPS_AT_ONCE // 64, 1),
        (tuple(range(1, 65)), 2 * STEPS_AT_ONCE // 64, 4),
    ],
)
async def test_how_many_scripts_a_tell_is(lengths: tuple[int, ...], count: int, scripts: int) -> None:
    ref = ExperimentRef("default", unique_name("count"))
    with redis_on_socket() as url:
        async with Interrupted(topology_of(parse_address(url, Tls()), 5)) as router:
            store = RedisStore(router)
            await create_planned(store, ref, plan(lengths, trials=300), lease_seconds=600)
            given = await ask_for(store, ref, count)
            router.left = 100
            await store.tell(ref, "", results(given))
            assert 100 - router.left == scripts
