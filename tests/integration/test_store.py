"""The store on a real Redis: pause, resume and stop; delete and create again; several stores with caches."""

import itertools

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import (
    AskStatus,
    Decision,
    ExperimentState,
    Outcome,
    Reason,
    Release,
    Report,
    Result,
    TrialState,
)
from rungway_server.domain.errors import UnknownExperiment, WrongState
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.keys import experiment_keys, index_key
from tests.support.searches import ask_for, create_planned, plan, tell_one

# Pause, resume, stop.


async def test_a_paused_search_assigns_nothing_and_continues_where_it_was(
    store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan())
    first, second, third, fourth = await ask_for(store, ref, 4)
    await tell_one(store, ref, first.lease, 1, 0.5)
    await tell_one(store, ref, second.lease, 1, 0.6)
    await store.set_state(ref, ExperimentState.PAUSED)
    waiting = await store.ask(ref, "", 1, "w")
    assert (waiting.status, waiting.reason) == (AskStatus.WAIT, Reason.EXPERIMENT_PAUSED)
    assert waiting.retry_after_ms > 0
    # The best of three is promotable: it pauses, and is the first to be assigned later.
    assert await tell_one(store, ref, third.lease, 1, 0.1) == (Decision.PAUSE, Reason.EXPERIMENT_PAUSED)
    assert (await store.heartbeat(ref, [fourth.lease]))[0].decision is Decision.CONTINUE
    await store.set_state(ref, ExperimentState.RUNNING)
    (promoted,) = await ask_for(store, ref)
    assert (promoted.lease.trial, promoted.explanation.reason) == (third.lease.trial, Reason.PROMOTED)
    assert (promoted.from_length, promoted.to_length, promoted.checkpoint) == (1, 3, "at 1")


async def test_a_stopped_search_ends_its_trials_at_their_next_call(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan())
    told, beating, released, failed = await ask_for(store, ref, 4)
    await store.set_state(ref, ExperimentState.STOPPED)
    over = await store.ask(ref, "", 1, "w")
    assert (over.status, over.reason) == (AskStatus.DONE, Reason.EXPERIMENT_STOPPED)
    assert await tell_one(store, ref, told.lease, 1, 0.5) == (Decision.STOP, Reason.EXPERIMENT_STOPPED)
    assert (await store.heartbeat(ref, [beating.lease]))[0].decision is Decision.STOP
    await store.release(ref, "", [Release(released.lease)])
    await store.fail(ref, "", failed.lease, Outcome.ERROR, "why")
    states = [trial.state for trial in await store.trials(ref, [told.lease.trial, released.lease.trial])]
    assert states == [TrialState.STOPPED] * 2
    (best,) = await store.best(ref, 5)
    assert (best.trial, best.best_metric) == (told.lease.trial, 0.5)
    for state in (ExperimentState.PAUSED, ExperimentState.RUNNING):
        with pytest.raises(WrongState):
            await store.set_state(ref, state)
    await store.set_state(ref, ExperimentState.STOPPED)  # a repeat


async def test_a_search_paused_at_its_end_is_done_when_resumed(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((1,), trials=1))
    (only,) = await ask_for(store, ref)
    await store.set_state(ref, ExperimentState.PAUSED)
    assert await tell_one(store, ref, only.lease, 1, 0.5) == (Decision.STOP, Reason.COMPLETED)
    assert (await store.progress(ref)).state is ExperimentState.PAUSED
    await store.set_state(ref, ExperimentState.RUNNING)
    assert (await store.progress(ref)).state is ExperimentState.DONE


async def test_every_change_moves_the_revision_once_and_a_repeat_of_none(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan())
    seen = [(await store.progress(ref)).revision]
    assignments = await ask_for(store, ref, 2)
    for change in (
        lambda: store.set_state(ref, ExperimentState.PAUSED),
        lambda: store.set_state(ref, ExperimentState.PAUSED),
        lambda: store.set_state(ref, ExperimentState.RUNNING),
        lambda: store.heartbeat(ref, [assignments[0].lease]),
        lambda: store.tell(ref, "t", [Result(assignments[0].lease, [Report(1, 0.5)])]),
        lambda: store.tell(ref, "t", [Result(assignments[0].lease, [Report(1, 0.5)])]),
        lambda: store.release(ref, "r", [Release(assignments[1].lease)]),
        lambda: store.release(ref, "r", [Release(assignments[1].lease)]),
    ):
        seen.append((await store.progress(ref)).revision)
        await change()
    seen.append((await store.progress(ref)).revision)
    assert [after - before for before, after in itertools.pairwise(seen)] == [1, 1, 0, 1, 0, 1, 0, 1, 0]


# Delete and create again, with caches in between.


async def test_keys_share_one_hash_tag_and_deletion_leaves_nothing(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan())
    for number, assignment in enumerate(await ask_for(store, ref, 9)):
        await tell_one(store, ref, assignment.lease, 1, number / 10)
    await store.ask(ref, "an id", 2, "w")
    tag = f"{{default/{ref.experiment}}}"
    keys = {key async for key in redis.scan_iter(f"*{ref.experiment}*")}
    assert len(keys) >= 8
    assert all(key.startswith(f"rungway:{tag}:") for key in keys)
    assert keys <= set(experiment_keys(ref))
    assert await redis.zscore(index_key("default"), ref.experiment)
    await store.delete(ref)
    assert [key async for key in redis.scan_iter(f"*{ref.experiment}*")] == []
    assert await redis.zscore(index_key("default"), ref.experiment) is None


async def test_two_stores_notice_that_an_experiment_was_deleted_and_created_again(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    one, two = stores
    await create_planned(one, ref, plan())
    (old,) = await ask_for(two, ref)
    before = await two.definition(ref)
    await one.delete(ref)
    with pytest.raises(UnknownExperiment):
        await two.ask(ref, "", 1, "w")
    await create_planned(one, ref, plan((5,), trials=2))
    (new,) = await ask_for(two, ref)  # the second store had the old plan in its cache and has the new one now
    assert (new.to_length, new.lease.trial) == (5, 0)
    assert (await two.definition(ref)).uid != before.uid
    assert new.lease.fencing_token > old.lease.fencing_token


async def test_a_store_with_an_old_plan_in_its_cache_uses_the_new_one(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    one, two = stores
    await create_planned(one, ref, plan((1, 3, 9)))
    await ask_for(two, ref)
    await one.delete(ref)
    await create_planned(one, ref, plan((2, 6)))  # the second store never noticed the deletion
    (assignment,) = await ask_for(two, ref)
    assert assignment.to_length == 2
    progress = await two.progress(ref)
    assert [len(results) for results in progress.rung_results] == [2]
    assert (await two.definition(ref)).plan == plan((2, 6))


async def test_leases_of_a_deleted_experiment_are_superseded_in_the_new_one(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    one, two = stores
    await create_planned(one, ref, plan())
    old = await ask_for(one, ref, 2)
    await one.delete(ref)
    await create_planned(two, ref, plan())
    await ask_for(two, ref, 2)
    for store in stores:
        assert await tell_one(store, ref, old[0].lease, 1, -1.0) == (Decision.SUPERSEDED, Reason.LEASE_LOST)
        assert (await store.heartbeat(ref, [old[1].lease]))[0].decision is Decision.SUPERSEDED
        reply, _ = await store.fail(ref, "", old[1].lease, Outcome.ERROR, "")
        assert reply.decision is Decision.SUPERSEDED
    assert await two.best(ref, 5) == []
    assert (await two.progress(ref)).running == (2,)


async def test_deleting_twice_finds_nothing(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create_planned(stores[0], ref, plan())
    await stores[1].delete(ref)
    for store in stores:
        with pytest.raises(UnknownExperiment):
            await store.delete(ref)


async def test_a_search_of_nothing_but_invalid_configurations_ends(store: RedisStore, ref: ExperimentRef) -> None:
    """The configurations are not to blame then, and replacing them would never end."""
    await create_planned(store, ref, plan((1, 3), trials=2))
    invalid = 0
    while (answer := await store.ask(ref, "", 1, "w")).status is AskStatus.ASSIGNED:
        await store.fail(ref, "", answer.assignments[0].lease, Outcome.INVALID, "no")
        invalid += 1
    assert invalid == 100
    assert (answer.status, answer.reason) == (AskStatus.DONE, Reason.EXPERIMENT_STOPPED)
    assert (await store.events(ref, "", 1000))[0][-1].kind == "too_many_invalid"


async def test_a_new_experiment_of_the_same_name_gets_no_configurations_of_the_old_one(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    """A server with the old one in its cache sends suggestions; they must be drawn from the new space."""

    def named(name: str) -> dict[str, object]:
        space = {name: {"type": "double", "minval": 0.0, "maxval": 1.0}}
        searcher = {"name": "random", "metric": "loss", "max_trials": 1000, "max_concurrent_trials": 0}
        return {"hyperparameters": space, "searcher": searcher}

    here, there = stores
    await ExperimentUseCases(here).create(ref, named("old"), "")
    for _ in range(3):  # after 150 trials, so few of the 256 suggestions are left that the next ask brings more
        await here.ask(ref, "", 50, "w")
    await there.delete(ref)
    await ExperimentUseCases(there).create(ref, named("new"), "")
    await here.ask(ref, "", 1, "w")
    for _ in range(6):
        given = (await there.ask(ref, "", 64, "w")).assignments
        assert len(given) == 64
        assert {tuple(each.hparams) for each in given} == {("new",)}
