"""The store on a real Redis: states, deletion, several stores with caches, proposals, pages, request ids, events."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from redis.asyncio import Redis

from rungway_server.domain.decisions import (
    AskStatus,
    Assignment,
    Decision,
    ExperimentState,
    Lease,
    Outcome,
    Reason,
    Release,
    Report,
    Result,
    TrialState,
)
from rungway_server.domain.errors import UnknownExperiment, WrongState
from rungway_server.domain.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.sampling import propose
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection import connect
from rungway_server.store.redis.keys import experiment_keys, index_key
from tests.support.redis_server import redis_on_socket
from tests.support.searches import config_of, stored

Said = tuple[Decision, Reason]

_names = itertools.count()


def plan(
    lengths: tuple[int, ...] = (1, 3, 9),
    *,
    trials: int = 9,
    cap: int = 0,
    form: DecisionForm = DecisionForm.PROMOTE,
) -> Plan:
    """One bracket with divisor 3."""
    rungs = tuple(Rung(length) for length in lengths)
    return Plan((Bracket(rungs, trials, cap or trials),), PromotionRule.ASYNC, form, 3.0, cap, "epochs")


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of these tests alone."""
    with redis_on_socket() as url:
        yield url


@pytest.fixture
async def stores(redis_url: str) -> AsyncIterator[list[RedisStore]]:
    """Two stores on one Redis, each with connections and caches of its own."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(redis_url, timeout_seconds=5, max_connections=4)) for _ in range(2)
        ]
        yield [RedisStore(client) for client in clients]


@pytest.fixture
def store(stores: list[RedisStore]) -> RedisStore:
    return stores[0]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Redis, past the store."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def ref() -> ExperimentRef:
    """A name that no other test of this process uses."""
    return ExperimentRef("default", f"s{next(_names)}")


async def take(store: RedisStore, ref: ExperimentRef, count: int = 1) -> list[Assignment]:
    """Assignments, exactly as many as asked for."""
    answer = await store.ask(ref, "", count, "w")
    assert answer.status is AskStatus.ASSIGNED
    assert len(answer.assignments) == count
    return list(answer.assignments)


async def say(store: RedisStore, ref: ExperimentRef, lease: Lease, length: int, metric: float) -> Said:
    """Tell one result; what was decided, and why."""
    answer = await store.tell(ref, "", [Result(lease, [Report(length, metric)], f"at {length}")])
    return answer.verdicts[0].decision, answer.verdicts[0].explanation.reason


# Pause, resume, stop.


async def test_a_paused_search_hands_nothing_out_and_goes_on_where_it_was(
    store: RedisStore, ref: ExperimentRef
) -> None:
    await stored(store, ref, plan())
    first, second, third, fourth = await take(store, ref, 4)
    await say(store, ref, first.lease, 1, 0.5)
    await say(store, ref, second.lease, 1, 0.6)
    await store.set_state(ref, ExperimentState.PAUSED)
    waiting = await store.ask(ref, "", 1, "w")
    assert (waiting.status, waiting.reason) == (AskStatus.WAIT, Reason.EXPERIMENT_PAUSED)
    assert waiting.retry_after_ms > 0
    # The best of three would go up: it pauses, and is the first to be handed out later.
    assert await say(store, ref, third.lease, 1, 0.1) == (Decision.PAUSE, Reason.EXPERIMENT_PAUSED)
    assert (await store.heartbeat(ref, [fourth.lease]))[0].decision is Decision.CONTINUE
    await store.set_state(ref, ExperimentState.RUNNING)
    (promoted,) = await take(store, ref)
    assert (promoted.lease.trial, promoted.explanation.reason) == (third.lease.trial, Reason.PROMOTED)
    assert (promoted.from_length, promoted.to_length, promoted.checkpoint) == (1, 3, "at 1")


async def test_a_stopped_search_ends_its_trials_at_their_next_word(store: RedisStore, ref: ExperimentRef) -> None:
    await stored(store, ref, plan())
    told, beating, released, failed = await take(store, ref, 4)
    await store.set_state(ref, ExperimentState.STOPPED)
    over = await store.ask(ref, "", 1, "w")
    assert (over.status, over.reason) == (AskStatus.DONE, Reason.EXPERIMENT_STOPPED)
    assert await say(store, ref, told.lease, 1, 0.5) == (Decision.STOP, Reason.EXPERIMENT_STOPPED)
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
    await stored(store, ref, plan((1,), trials=1))
    (only,) = await take(store, ref)
    await store.set_state(ref, ExperimentState.PAUSED)
    assert await say(store, ref, only.lease, 1, 0.5) == (Decision.STOP, Reason.COMPLETED)
    assert (await store.tally(ref)).state is ExperimentState.PAUSED
    await store.set_state(ref, ExperimentState.RUNNING)
    assert (await store.tally(ref)).state is ExperimentState.DONE


async def test_every_change_moves_the_revision_once_and_a_repeat_of_none(store: RedisStore, ref: ExperimentRef) -> None:
    await stored(store, ref, plan())
    seen = [(await store.tally(ref)).revision]
    assignments = await take(store, ref, 2)
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
        seen.append((await store.tally(ref)).revision)
        await change()
    seen.append((await store.tally(ref)).revision)
    assert [after - before for before, after in itertools.pairwise(seen)] == [1, 1, 0, 1, 1, 1, 0, 1, 0]


# Delete and create again, with caches in between.


async def test_keys_share_one_hash_tag_and_deletion_leaves_nothing(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await stored(store, ref, plan())
    for number, assignment in enumerate(await take(store, ref, 9)):
        await say(store, ref, assignment.lease, 1, number / 10)
    await store.ask(ref, "an id", 2, "w")
    tag = f"{{default/{ref.experiment}}}"
    keys = {key async for key in redis.scan_iter(f"*{ref.experiment}*")}
    assert len(keys) >= 10
    assert all(key.startswith(f"rungway:{tag}:") for key in keys)
    assert keys <= set(experiment_keys(ref, plan()))
    assert await redis.zscore(index_key("default"), ref.experiment)
    await store.delete(ref)
    assert [key async for key in redis.scan_iter(f"*{ref.experiment}*")] == []
    assert await redis.zscore(index_key("default"), ref.experiment) is None


async def test_two_stores_notice_that_an_experiment_was_deleted_and_made_anew(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    one, two = stores
    await stored(one, ref, plan())
    (old,) = await take(two, ref)
    before = await two.definition(ref)
    await one.delete(ref)
    with pytest.raises(UnknownExperiment):
        await two.ask(ref, "", 1, "w")
    await stored(one, ref, plan((5,), trials=2))
    (new,) = await take(two, ref)  # two had the old plan, and knows the new one now
    assert (new.to_length, new.lease.trial) == (5, 0)
    assert (await two.definition(ref)).uid != before.uid
    assert new.lease.fence > old.lease.fence


async def test_a_store_with_an_old_plan_in_its_cache_uses_the_new_one(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    one, two = stores
    await stored(one, ref, plan((1, 3, 9)))
    await take(two, ref)
    await one.delete(ref)
    await stored(one, ref, plan((2, 6)))  # two never saw that it was gone
    (assignment,) = await take(two, ref)
    assert assignment.to_length == 2
    tally = await two.tally(ref)
    assert [len(results) for results in tally.rung_results] == [2]
    assert (await two.definition(ref)).plan == plan((2, 6))


async def test_leases_of_a_deleted_experiment_mean_nothing_in_the_new_one(
    stores: list[RedisStore], ref: ExperimentRef
) -> None:
    one, two = stores
    await stored(one, ref, plan())
    old = await take(one, ref, 2)
    await one.delete(ref)
    await stored(two, ref, plan())
    await take(two, ref, 2)
    for store in stores:
        assert await say(store, ref, old[0].lease, 1, -1.0) == (Decision.SUPERSEDED, Reason.LEASE_LOST)
        assert (await store.heartbeat(ref, [old[1].lease]))[0].decision is Decision.SUPERSEDED
        verdict, _ = await store.fail(ref, "", old[1].lease, Outcome.ERROR, "")
        assert verdict.decision is Decision.SUPERSEDED
    assert await two.best(ref, 5) == []
    assert (await two.tally(ref)).running == (2,)


async def test_deleting_twice_finds_nothing(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await stored(stores[0], ref, plan())
    await stores[1].delete(ref)
    for store in stores:
        with pytest.raises(UnknownExperiment):
            await store.delete(ref)


# Proposals.


async def finish(stores: list[RedisStore], ref: ExperimentRef, workers: int) -> dict[int, str]:
    """Run the search to its end with so many workers, spread over the stores; the configuration of every trial."""
    found: dict[int, str] = {}

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
        ref = ExperimentRef("default", f"s{next(_names)}")
        config = config_of(plan((1,), trials=600))
        await stored(stores[0], ref, plan((1,), trials=600))  # more than are proposed at creation
        runs.append(await finish(stores if several else stores[:1], ref, workers))
        trials = await stores[1].trials(ref, list(range(600)))
        assert {trial.trial: trial.hparams for trial in trials} == runs[-1]
    assert runs[0] == runs[1] == runs[2]
    assert sorted(runs[0]) == list(range(600))
    for number in (0, 255, 256, 599):
        assert json.loads(runs[0][number]) == propose(config.space, config.seed, number)
    assert len(set(runs[0].values())) == 600


async def test_a_store_that_starts_in_the_middle_proposes_the_same(
    stores: list[RedisStore], redis_url: str, ref: ExperimentRef
) -> None:
    config = config_of(plan((1,), trials=1000))
    await stored(stores[0], ref, plan((1,), trials=1000))
    for _ in range(5):
        await take(stores[0], ref, 64)
    async with connect(redis_url, timeout_seconds=5, max_connections=2) as client:
        restarted = RedisStore(client)
        for number in range(320, 400):
            (assignment,) = await take(restarted, ref)
            assert assignment.lease.trial == number
            assert json.loads(assignment.hparams) == propose(config.space, config.seed, number)


# Listing.


async def test_pages_of_experiments_are_complete_and_oldest_first(store: RedisStore) -> None:
    namespace = "pages"
    names = [f"n{number}" for number in (5, 3, 9, 1, 7, 2, 8)]
    for name in names:
        await stored(store, ExperimentRef(namespace, name), plan())
        await asyncio.sleep(0.002)
    for size in (1, 2, 3, 7, 8):
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            page, token = await store.experiments(namespace, token, size)
            assert len(page) <= size
            pages.append(page)
        assert [name for page in pages for name in page] == names
    assert await store.experiments("nobody", "", 10) == ([], "")


async def test_experiments_of_the_same_millisecond_are_all_listed(store: RedisStore, redis: Redis) -> None:
    names = sorted(f"tie{number}" for number in range(20))
    for name in names:
        await stored(store, ExperimentRef("ties", name), plan())
    await redis.zadd(index_key("ties"), dict.fromkeys(names, 1_700_000_000_000))
    found: list[str] = []
    token = ""
    while not found or token:
        page, token = await store.experiments("ties", token, 3)
        found += page
    assert found == names


async def test_a_listing_that_was_lost_is_healed_by_whoever_reads_the_experiment(
    stores: list[RedisStore], redis: Redis, ref: ExperimentRef
) -> None:
    await stored(stores[0], ref, plan())
    await redis.zrem(index_key("default"), ref.experiment)  # as when the server died right after the script
    await stores[1].tally(ref)
    definition = await stores[1].definition(ref)
    assert await redis.zscore(index_key("default"), ref.experiment) == definition.created_ms


# Request ids.


async def test_the_memory_for_request_ids_is_bounded_and_the_last_ones_are_kept(
    redis_url: str, redis: Redis, ref: ExperimentRef
) -> None:
    window = 10
    async with connect(redis_url, timeout_seconds=5, max_connections=2) as client:
        store = RedisStore(client, request_window_count=window)
        await stored(store, ref, plan((1,), trials=200))
        generations = experiment_keys(ref, plan())[9:11]
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
    async with connect(redis_url, timeout_seconds=5, max_connections=2) as client:
        store = RedisStore(client, request_window_ms=1_000)
        start = (await stored(store, ref, plan((1,), trials=200), lease_seconds=3600)).created_ms
        first = await store.ask(ref, "first", 1, "w", now_ms=start)
        await store.ask(ref, "second", 1, "w", now_ms=start + 1_001)
        assert await store.ask(ref, "first", 1, "w", now_ms=start + 1_900) == first  # at least one window
        await store.ask(ref, "third", 1, "w", now_ms=start + 2_100)
        again = await store.ask(ref, "first", 1, "w", now_ms=start + 2_200)
        assert again.assignments[0].lease != first.assignments[0].lease


# The event log.


async def events(redis: Redis, ref: ExperimentRef) -> list[list[str]]:
    """Every line of the event log in words."""
    found: list[tuple[str, dict[str, str]]] = await redis.xrange(experiment_keys(ref, plan())[8])  # type: ignore[assignment]  # decoded
    return [fields["e"].split(" ") for _, fields in found]


async def test_every_kind_of_decision_is_explained_in_the_event_log(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    start = (await stored(store, ref, plan((1, 3), trials=9), lease_seconds=60, max_restarts=1)).created_ms
    asked = (await store.ask(ref, "", 9, "w", now_ms=start)).assignments
    leases = [assignment.lease for assignment in asked]

    async def tell(lease: Lease, length: int, metric: float) -> None:
        await store.tell(ref, "", [Result(lease, [Report(length, metric)])], now_ms=start + 1)

    for number, metric in ((0, 0.5), (1, 0.6), (2, 0.25)):
        await tell(leases[number], 1, metric)
    await tell(leases[2], 3, 0.125)
    await store.release(ref, "", [Release(leases[3])], now_ms=start + 2)
    for number, outcome in ((4, Outcome.TRANSIENT), (5, Outcome.DIVERGED), (6, Outcome.INVALID), (7, Outcome.STOPPED)):
        await store.fail(ref, "", leases[number], outcome, "why not", now_ms=start + 3)
    await store.set_state(ref, ExperimentState.PAUSED)
    await store.set_state(ref, ExperimentState.RUNNING)
    await store.ask(ref, "", 1, "w", now_ms=start + 70_000)  # the last one has lapsed
    await store.set_state(ref, ExperimentState.STOPPED)

    log = await events(redis, ref)
    quarter = "bfd0000000000000"
    # kind, trial, reason, bracket, rung, rank, size, quota, cutoff key
    assert log[:9] == [["assign", str(n), "new_trial", "0", "-1", "0", "0", "0", ""] for n in range(9)]
    assert log[9:] == [
        ["pause", "0", "not_promoted", "0", "0", "0", "1", "0", ""],
        ["pause", "1", "not_promoted", "0", "0", "1", "2", "0", ""],
        ["continue", "2", "promoted", "0", "0", "0", "3", "1", quarter],
        ["stop", "2", "completed", "0", "1", "0", "1", "0", ""],
        ["release", "3", "preempted", "0", "-1", "0", "0", "0", ""],
        ["retry", "4", "retry", "0", "-1", "0", "0", "0", ""],
        ["failed", "5", "failed", "0", "0", "3", "4", "1", quarter],
        ["invalid", "6", "invalid", "0", "-1", "0", "0", "0", ""],
        ["failed", "7", "failed", "0", "0", "4", "5", "1", quarter],
        ["paused", "-1"],
        ["running", "-1"],
        ["retry", "8", "retry", "0", "-1", "0", "0", "0", ""],
        ["assign", "3", "requeued", "0", "-1", "0", "0", "0", ""],
        ["stopped", "-1"],
    ]


async def test_decisions_of_the_stopping_form_are_in_the_event_log(
    store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await stored(store, ref, plan((1, 3), trials=2, form=DecisionForm.STOP))
    first, second = await take(store, ref, 2)
    await store.tell(ref, "", [Result(first.lease, [Report(1, 0.25), Report(2, 0.25)])])
    await store.tell(ref, "", [Result(second.lease, [Report(1, 0.5)])])
    await store.tell(ref, "", [Result(first.lease, [Report(3, 0.25)])])
    quarter = "bfd0000000000000"
    assert (await events(redis, ref))[2:] == [
        ["continue", "0", "promoted", "0", "0", "0", "1", "1", quarter],
        ["stop", "1", "stopped_at_rung", "0", "0", "1", "2", "1", quarter],
        ["stop", "0", "completed", "0", "1", "0", "1", "1", quarter],
        ["done", "-1"],
    ]


async def test_verdicts_and_the_event_log_say_the_same(store: RedisStore, redis: Redis, ref: ExperimentRef) -> None:
    await stored(store, ref, plan())
    told = []
    for number, assignment in enumerate(await take(store, ref, 9)):
        answer = await store.tell(ref, "", [Result(assignment.lease, [Report(1, (number * 5 % 9) / 10)])])
        why = answer.verdicts[0].explanation
        told.append([str(part) for part in (why.reason, why.bracket, why.rung, why.rank, why.rung_size, why.quota)])
    logged = [event[2:8] for event in await events(redis, ref) if event[0] in {"pause", "continue"}]
    assert logged == told
