"""The cost of one call for Redis is bounded, whatever the plan and however much is told at once."""

import math
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import AskStatus, Assignment, Decision, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.ladder import MAX_RUNGS
from rungway_server.domain.search.planning import MAX_ALL_RUNGS
from rungway_server.service.admission import Admission
from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.service.search import MOST_REPORTS, SearchUseCases
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.store import TRIALS_AT_ONCE
from tests.integration.live_searches import create
from tests.support.audited import assert_sound
from tests.support.calls import config
from tests.support.redis_server import redis_on_socket


def adaptive(**searcher: object) -> dict[str, object]:
    common: dict[str, Any] = {"max_trials": 100_000, "max_length": {"epochs": 10**12}, "max_concurrent_trials": 0}
    return config("adaptive_asha", **(common | searcher))


ODD = {
    "one bracket of each size": adaptive(bracket_rungs=list(range(1, 24)), divisor=2),
    "a hundred brackets": adaptive(bracket_rungs=[3] * 100, divisor=2),
    "the most there can be": adaptive(bracket_rungs=[MAX_RUNGS] * 100, divisor=1.1, max_trials=1_000_000),
    "conservative": adaptive(mode="conservative", max_rungs=40, divisor=2, max_trials=10_000_000),
    "synchronous": config(
        "adaptive", max_trials=10**6, max_length={"epochs": 10**9}, bracket_rungs=[9] * 30, divisor=2
    ),
}


@pytest.mark.parametrize("document", ODD.values(), ids=ODD)
def test_a_plan_with_very_many_rungs_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=f"rungs together, wanted at most {MAX_ALL_RUNGS}") as refused:
        plan_search(document)
    assert refused.value.violations[0].field in ("searcher", "searcher.bracket_rungs")


@pytest.mark.parametrize("rungs", [[MAX_RUNGS, MAX_RUNGS, 56], [2] * 100, [16] * 16])
def test_a_plan_with_many_rungs_is_accepted(rungs: list[int]) -> None:
    plan = plan_search(adaptive(bracket_rungs=rungs, divisor=1.1, max_trials=1_000_000)).plan
    assert sum(len(bracket.rungs) for bracket in plan.brackets) == sum(rungs) <= MAX_ALL_RUNGS


async def handed_out(calls: SearchUseCases, ref: ExperimentRef, count: int) -> list[Assignment]:
    found: list[Assignment] = []
    while len(found) < count:
        found += (await calls.ask(ref, "", min(64, count - len(found)), "w"))[0].assignments
    return found


@pytest.fixture
def calls(store: RedisStore) -> SearchUseCases:
    port: Any = store
    return SearchUseCases(port, Admission(100))


def curve(given: Assignment, count: int, *, after: int = 0) -> Result:
    """Reports, each better than the one before."""
    return Result(given.lease, [Report(i, -float(i)) for i in range(after + 1, after + count + 1)], "")


@pytest.mark.parametrize(("results", "reports"), [(1, MOST_REPORTS + 1), (2, 2_049), (256, 17)])
async def test_the_reports_of_a_call_are_counted_together(
    results: int, reports: int, calls: SearchUseCases, store: RedisStore, ref: ExperimentRef
) -> None:
    port: Any = store
    await create(port, ref, config(max_trials=300, max_length={"epochs": 10**6}, max_concurrent_trials=0))
    held = await handed_out(calls, ref, results)
    with pytest.raises(InvalidInput) as refused:
        await calls.tell(ref, "", [curve(given, reports) for given in held])
    assert refused.value.violations[0].field in ("results", "results[0].reports")
    assert f"{MOST_REPORTS}" in str(refused.value)
    (trial,) = await store.trials(ref, [0], curve=True)
    assert trial.curve == ()
    answer = await calls.tell(ref, "", [curve(given, MOST_REPORTS // results) for given in held])
    assert {reply.decision for reply in answer.replies} == {Decision.CONTINUE}


@pytest.mark.parametrize("goal", [None, -1e9], ids=["between rungs", "with a target"])
@pytest.mark.parametrize(("results", "reports"), [(1, 4_000), (16, 250), (200, 2)])
async def test_a_best_metric_is_written_once_for_all_reports_of_a_result(
    results: int, reports: int, goal: float | None, ref: ExperimentRef
) -> None:
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=20) as router, Redis.from_url(url, decode_responses=True) as redis:
            store: Any = RedisStore(router)
            calls = SearchUseCases(store, Admission(100))
            long: dict[str, Any] = {"max_trials": 300, "max_length": {"epochs": 10**6}, "max_concurrent_trials": 0}
            await create(store, ref, config(**(long if goal is None else long | {"target_metric": goal})))
            held = await handed_out(calls, ref, results)
            for told in range(2):
                await redis.config_resetstat()
                await calls.tell(ref, "", [curve(given, reports, after=told * reports) for given in held])
                done = await redis.info("commandstats")
                written = sum(done.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("zadd", "zrem"))
                assert written <= 2 * results + 2 + 3 * math.ceil(results / TRIALS_AT_ONCE)
            best = await store.best(ref, 300)
            assert {trial.best_metric for trial in best} == {-2 * reports}
            assert len(best) == results
            await assert_sound(url, ref.experiment, ref.namespace)


async def test_trials_that_may_pass_very_many_rungs_are_decided_in_smaller_steps(
    ref: ExperimentRef,
) -> None:
    document = config(
        "async_halving", max_trials=1_000, max_length={"epochs": 10**6}, max_concurrent_trials=0, num_rungs=MAX_RUNGS,
        divisor=1.1, stop_once=True,
    )  # fmt: skip
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=20) as router, Redis.from_url(url) as redis:
            store: Any = RedisStore(router)
            calls = SearchUseCases(store, Admission(100))
            await create(store, ref, document)
            held = await handed_out(calls, ref, 64)
            await redis.config_resetstat()
            answer = await calls.tell(ref, "", [Result(given.lease, [Report(10**6, 0.5)], "") for given in held])
            done = await redis.info("commandstats")
            assert done["cmdstat_evalsha"]["calls"] + done["cmdstat_eval"]["calls"] == 2 * 64 + 1  # one was unknown
            assert len(answer.replies) == 64
            trials = await store.trials(ref, list(range(64)))
            assert max(trial.rung for trial in trials) == MAX_RUNGS - 1


async def test_an_ask_passes_few_trials_through_rungs_of_equal_lengths_at_once(
    calls: SearchUseCases, store: RedisStore, ref: ExperimentRef, redis_url: str
) -> None:
    """What is left then is handed out by the next one: in the end each trial is where its results say."""
    port: Any = store
    document = config(
        "async_halving", max_trials=256, max_length={"epochs": 1}, max_concurrent_trials=0, num_rungs=16, divisor=1.1
    )
    await create(port, ref, document)
    held = await handed_out(calls, ref, 256)
    await calls.tell(ref, "", [Result(given.lease, [Report(1, float(n))], "") for n, given in enumerate(held)])
    asks, entries = 0, [sum(map(sum, (await store.progress(ref)).rung_results))]
    while (answer := (await calls.ask(ref, "", 64, "w"))[0]).status is AskStatus.WAIT:
        assert answer.retry_after_ms >= 100
        entries.append(sum(map(sum, (await store.progress(ref)).rung_results)))
        assert entries[-1] - entries[-2] <= 64 + 16
        asks += 1
    assert answer.status is AskStatus.DONE
    assert asks > 3
    await assert_sound(redis_url, ref.experiment, ref.namespace)


async def test_an_ask_hands_out_so_many_bytes_and_the_next_one_more(
    calls: SearchUseCases, store: RedisStore, ref: ExperimentRef
) -> None:
    port: Any = store
    space = {f"p{i}": {"type": "double", "minval": 0.0, "maxval": 1.0} for i in range(1_000)}
    await create(port, ref, config(space=space, max_trials=64, max_concurrent_trials=0))
    first = (await calls.ask(ref, "id", 64, "w"))[0].assignments
    assert 40 < len(first) < 64
    assert (await calls.ask(ref, "id", 64, "w"))[0].assignments == first
    rest = (await calls.ask(ref, "", 64, "w"))[0].assignments
    assert [each.lease.trial for each in (*first, *rest)] == list(range(64))


async def test_a_usual_search_is_told_256_results_at_once(
    calls: SearchUseCases, store: RedisStore, ref: ExperimentRef
) -> None:
    port: Any = store
    document = config(
        "async_halving", max_trials=1_000, max_length={"epochs": 4**15}, max_concurrent_trials=0, num_rungs=16
    )
    await create(port, ref, document)
    held = await handed_out(calls, ref, 256)
    answer = await calls.tell(ref, "", [curve(given, 1) for given in held])
    assert len(answer.replies) == 256
