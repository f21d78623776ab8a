"""The record of a trial with a long history stays small, and its history says what was dropped."""

from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import Assignment, Outcome, Release, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from tests.integration.live_searches import history_of
from tests.support.audited import assert_sound
from tests.support.moving import Site, move
from tests.support.searches import ask_for, create_planned, plan

KEPT = 64
"""The most events of a history that a record holds."""
LONG = plan((1_000, 3_000), trials=3)

End = Callable[[RedisStore, ExperimentRef, Assignment, int], Awaitable[object]]


async def failed(store: RedisStore, ref: ExperimentRef, given: Assignment, _: int) -> None:
    await store.fail(ref, "", given.lease, Outcome.TRANSIENT, "no memory left")


async def preempted(store: RedisStore, ref: ExperimentRef, given: Assignment, _: int) -> None:
    await store.fail(ref, "", given.lease, Outcome.PREEMPTED, "")


async def released_with_progress(store: RedisStore, ref: ExperimentRef, given: Assignment, time: int) -> None:
    await store.tell(ref, "", [Result(given.lease, [Report(time + 1, 0.5)], f"at {time + 1}")])
    await store.release(ref, "", [Release(given.lease)])


async def expired(store: RedisStore, ref: ExperimentRef, given: Assignment, time: int) -> None:
    """Do nothing: the next ask expires the lease."""


ENDS: list[End] = [failed, preempted, released_with_progress, expired]


async def live(store: RedisStore, ref: ExperimentRef, end: End, times: range) -> None:
    """Assign trial 0 and end its lease this many times."""
    created = (await store.definition(ref)).created_ms
    for time in times:
        (given,) = (await store.ask(ref, "", 1, "w", now_ms=created + 61_000 * time)).assignments
        assert given.lease.trial == 0
        await end(store, ref, given, time)


async def size_of(redis: Redis, ref: ExperimentRef) -> int:
    return int(await redis.hstrlen(f"rungway:{{default/{ref.experiment}}}:trials", "0"))


@pytest.mark.parametrize("end", ENDS)
async def test_a_record_stays_small_and_says_what_it_left_out(
    end: End, store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, LONG, max_restarts=1_000_000, pause_after=0)
    await live(store, ref, end, range(60))
    before = await size_of(redis, ref)
    await live(store, ref, end, range(60, 200))
    assert await size_of(redis, ref) <= before + 128  # its numbers have more digits
    log = [event for event in (await store.events(ref, "", 1_000))[0] if event.trial == 0]
    history, _ = await store.explain(ref, 0)
    first, (gap,), last = history[: KEPT // 2], history[KEPT // 2 : -KEPT // 2], history[-KEPT // 2 :]
    assert (first, last) == (log[: KEPT // 2], log[-KEPT // 2 :])
    assert (gap.kind, gap.trial, gap.dropped, gap.event_id) == ("dropped", 0, len(log) - KEPT, "")
    assert first[-1].time_ms <= gap.time_ms <= last[0].time_ms


@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 64, 65, 1_000])
async def test_pages_give_the_same_history(size: int, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG, max_restarts=1_000_000, pause_after=0)
    await live(store, ref, failed, range(50))
    assert await history_of(store, ref, size=size) == (await store.explain(ref, 0))[0]


async def test_what_is_dropped_between_two_pages_is_reported(store: RedisStore, ref: ExperimentRef) -> None:
    """Whatever happens meanwhile, each event is on a page or counted."""
    await create_planned(store, ref, LONG, max_restarts=1_000_000, pause_after=0)
    await live(store, ref, failed, range(30))
    page, token = await TrialUseCases(store).explain(ref, 0, 40)
    await live(store, ref, failed, range(30, 80))
    rest, end = await TrialUseCases(store).explain(ref, 0, 40, token)
    assert ([event.dropped for event in page], end) == ([0] * 40, "")
    assert [event.dropped for event in rest] == [160 - 40 - KEPT // 2] + [0] * (KEPT // 2)


async def test_a_record_that_has_grown_long_is_shortened(
    admin_url: str, store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    """A record of an older version is read in pages as it is, and shortened with its next event."""

    def without_bound(name: str, text: str) -> str:
        return text.replace("2 * 32, 2 * 32", "2 * 10000, 2 * 32") if name == "include/events" else text

    async with connect(admin_url, timeout_seconds=10, transform=without_bound) as router:
        before = RedisStore(router)
        await create_planned(before, ref, LONG, max_restarts=1_000_000, pause_after=0)
        await live(before, ref, failed, range(150))
    long = await size_of(redis, ref)
    history = await history_of(store, ref, size=7)
    assert [event.dropped for event in history] == [0] * 300
    await live(store, ref, failed, range(150, 151))
    assert await size_of(redis, ref) < long / 2
    (gap,) = [event.dropped for event in await history_of(store, ref, size=7) if event.dropped]
    assert gap == 302 - KEPT


async def test_events_that_left_the_log_are_counted_as_well(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    """At the beginning of a history, and up to events that the record does not name anyway."""
    await create_planned(store, ref, LONG, max_restarts=1_000_000, pause_after=0)
    await live(store, ref, failed, range(100))
    (log, _), events = await store.events(ref, "", 1_000), f"rungway:{{default/{ref.experiment}}}:events"
    await redis.xtrim(events, minid=log[10].event_id, approximate=False)
    gaps = [(at, event.dropped) for at, event in enumerate(await history_of(store, ref)) if event.dropped]
    assert gaps == [(0, 10), (1 + KEPT // 2 - 10, 200 - KEPT)]
    await redis.xtrim(events, minid=log[150].event_id, approximate=False)
    assert [event.dropped for event in await history_of(store, ref)] == [150 + 50 - KEPT // 2] + [0] * (KEPT // 2)
    await redis.xtrim(events, maxlen=0, approximate=False)
    assert [event.dropped for event in await history_of(store, ref)] == [200]


@pytest.mark.parametrize("end", [failed, released_with_progress])
async def test_a_long_history_survives_an_export(end: End, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    """And continues: events dropped later are added to those dropped before."""
    here, there = sites
    await create_planned(here.store, ref, LONG, max_restarts=1_000_000, pause_after=0)
    await live(here.store, ref, end, range(90))
    await move(here, ref, there)
    before = await history_of(here.store, ref)
    assert await history_of(there.store, ref) == before
    await live(there.store, ref, end, range(90, 110))
    after = await history_of(there.store, ref)
    assert after[: KEPT // 2] == before[: KEPT // 2]
    assert sum(event.dropped or 1 for event in after) == sum(event.dropped or 1 for event in before) + 40
    await assert_sound(there.url, ref.experiment)


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (0, "x"), (0, "-1"), (0, "1e3"), (0, "9" * 16)])
async def test_a_wrong_page(size: int, token: str, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    await ask_for(store, ref)
    with pytest.raises(InvalidInput) as refused:
        await TrialUseCases(store).explain(ref, 0, size, token)
    assert [violation.field for violation in refused.value.violations] == ["page_size" if size else "page_token"]


async def test_a_page_beyond_the_end_is_empty(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, LONG)
    await ask_for(store, ref)
    assert await TrialUseCases(store).explain(ref, 0, 0, "500") == ([], "")
