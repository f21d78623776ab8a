"""Retention: Redis removes an ended search as a whole after the time that its owner set, and never another."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import ExperimentState, Outcome
from rungway_server.domain.errors import InvalidInput, UnknownExperiment, WrongState
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.transport.wire import listed_message
from tests.integration.live_searches import create, halving, report, run_out, state_of
from tests.support.calls import unique_name
from tests.support.searches import ask_for
from tests.support.waiting import SECONDS

DAY_MS = 86_400_000
HALF_A_SECOND = 0.5 / 86_400


async def lifetimes(redis: Redis, ref: ExperimentRef) -> set[int]:
    """The time to live (ms) of each key of the experiment; -1 = none."""
    keys = await redis.keys(f"rungway:{{{ref.namespace}/{ref.experiment}}}:*")
    return {await redis.pttl(key) for key in keys}


async def is_removed(redis: Redis, ref: ExperimentRef) -> bool:
    """Whether all its keys expire at the same time."""
    deadline = time.monotonic() + SECONDS
    while left := await lifetimes(redis, ref):
        assert max(left) - min(left) < 200
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return True


async def test_without_a_retention_nothing_is_ever_removed(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    await create(store, ref, halving(3))
    await run_out(store, ref)
    assert await state_of(store, ref) is ExperimentState.DONE
    assert await lifetimes(redis, ref) == {-1}


async def test_a_live_search_is_not_removed_a_done_one_is(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    await create(store, ref, halving(3) | {"retention_days": HALF_A_SECOND})
    given = await ask_for(store, ref, 3)
    await store.set_state(ref, ExperimentState.PAUSED)
    assert await lifetimes(redis, ref) == {-1}
    await store.set_state(ref, ExperimentState.RUNNING)
    for each in given:
        await report(store, ref, each, 0.5)
    await run_out(store, ref)
    assert await is_removed(redis, ref)
    with pytest.raises(UnknownExperiment):
        await store.progress(ref)
    with pytest.raises(UnknownExperiment):
        await store.ask(ref, "", 1, "w")


async def test_what_is_written_after_the_end_goes_with_the_rest(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await create(store, ref, halving(9) | {"retention_days": 1})
    first, second, _ = await ask_for(store, ref, 3)
    await store.set_state(ref, ExperimentState.STOPPED)
    assert -1 not in await lifetimes(redis, ref)
    await report(store, ref, first, 0.5)  # the first curve, best list and rung of this search, after its end
    await store.fail(ref, "some id", second.lease, Outcome.ERROR, "broken")
    left = await lifetimes(redis, ref)
    assert len(await redis.keys(f"rungway:{{default/{ref.experiment}}}:*")) >= 7
    assert DAY_MS - 60_000 < min(left) <= max(left) <= DAY_MS


async def test_it_may_be_changed_at_any_time(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    use = ExperimentUseCases(store)
    await create(store, ref, halving(3))
    await run_out(store, ref)
    view = await use.update(ref, Change(retention_days=2))
    assert view.definition.config.retention_days == 2
    assert view.progress.state is ExperimentState.DONE
    assert min(await lifetimes(redis, ref)) > DAY_MS
    await use.update(ref, Change(retention_days=0))
    assert await lifetimes(redis, ref) == {-1}


async def test_a_stopped_search_takes_a_retention_and_nothing_else(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await create(store, ref, halving(9))
    await store.set_state(ref, ExperimentState.STOPPED)
    with pytest.raises(WrongState):
        await ExperimentUseCases(store).update(ref, Change(max_trials=20, retention_days=1))
    assert await lifetimes(redis, ref) == {-1}
    await ExperimentUseCases(store).update(ref, Change(retention_days=1))
    assert -1 not in await lifetimes(redis, ref)


async def test_a_done_search_that_is_raised_is_kept(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    await create(store, ref, halving(3) | {"retention_days": 1})
    await run_out(store, ref)
    assert -1 not in await lifetimes(redis, ref)
    await ExperimentUseCases(store).update(ref, Change(max_trials=6))
    assert await state_of(store, ref) is ExperimentState.RUNNING
    assert await lifetimes(redis, ref) == {-1}


async def test_the_list_forgets_what_has_been_removed(store: RedisStore, redis: Redis) -> None:
    ref = ExperimentRef(unique_name("own"), "removed")  # of a namespace that fits on one page
    await create(store, ref, halving(3) | {"retention_days": HALF_A_SECOND})
    await store.set_state(ref, ExperimentState.STOPPED)
    assert await is_removed(redis, ref)
    for _ in range(2):  # the first listing still has it and notices that it is gone
        views, _ = await ExperimentUseCases(store).page(ref.namespace, 1000, "", listed_message)
    assert ref.experiment not in [view.experiment for view in views]
    assert await redis.zscore(f"rungway:{{{ref.namespace}}}:experiments", ref.experiment) is None


@pytest.mark.parametrize("days", [-1.0, 1e9])
async def test_a_retention_out_of_bounds_is_refused(store: RedisStore, ref: ExperimentRef, days: float) -> None:
    with pytest.raises(InvalidInput, match="retention_days"):
        await create(store, ref, halving(3) | {"retention_days": days})
    await create(store, ref, halving(3))
    with pytest.raises(InvalidInput, match="retention_days"):
        await ExperimentUseCases(store).update(ref, Change(retention_days=days))


async def test_a_change_made_for_another_search_of_the_name_changes_nothing(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    old = await create(stores[0], ref, halving(9))
    await stores[1].delete(ref)
    await create(stores[1], ref, halving(12))
    assert not await stores[0].change_plan(ref, old.definition, old.definition.config, old.definition.plan)
    assert (await stores[0].definition(ref, fresh=True)).plan.max_trials == 12


async def test_two_changes_at_once_both_count(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, halving(9))
    changes = [Change(max_trials=12), Change(retention_days=3), Change(max_concurrent=2)]
    await asyncio.gather(*(ExperimentUseCases(stores[i % 2]).update(ref, change) for i, change in enumerate(changes)))
    view = await ExperimentUseCases(stores[0]).get(ref)
    searcher = view.definition.config.searcher
    assert (searcher.max_trials, searcher.max_concurrent_trials, view.definition.config.retention_days) == (12, 2, 3)


async def test_the_event_log_is_bounded(redis: Redis, redis_url: str, ref: ExperimentRef) -> None:
    async with connect(redis_url, timeout_seconds=5) as router:
        await check_bounded(RedisStore(router, most_events=1_000), redis, ref)


async def check_bounded(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    await create(store, ref, halving(2_000))
    for _ in range(2_000 // 50):
        given = await ask_for(store, ref, 50)
        await asyncio.gather(*(report(store, ref, each, 0.5) for each in given))
    newest = (await store.progress(ref)).trials_created - 1
    events = f"rungway:{{default/{ref.experiment}}}:events"
    assert 1_000 <= await redis.xlen(events) <= 1_200  # Redis drops whole pieces of a hundred
    (gone,), _ = await store.explain(ref, 0)
    assert gone.kind == "dropped"
    assert gone.dropped in (2, 4, 6)  # an assignment and its end, at each rung that it reached
    assert [event.dropped for event in (await store.explain(ref, newest))[0]] == [0, 0]
