"""The cost of one call for Redis is bounded, whatever the plan and however much is told at once."""

from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import Assignment, Decision, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.ladder import MAX_RUNGS
from rungway_server.domain.search.planning import MAX_ALL_RUNGS
from rungway_server.service.admission import Admission
from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.service.search import MOST_REPORTS, MOST_STEPS, SearchUseCases
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
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
                assert written <= 2 * results + 2
            best = await store.best(ref, 300)
            assert {trial.best_metric for trial in best} == {-2 * reports}
            assert len(best) == results
            await assert_sound(url, ref.experiment, ref.namespace)


async def test_trials_that_may_pass_very_many_rungs_are_decided_in_smaller_calls(
    calls: SearchUseCases, store: RedisStore, ref: ExperimentRef
) -> None:
    port: Any = store
    document = config(
        "async_halving", max_trials=1_000, max_length={"epochs": 10**6}, max_concurrent_trials=0, num_rungs=MAX_RUNGS,
        divisor=1.1, stop_once=True,
    )  # fmt: skip
    await create(port, ref, document)
    most = MOST_STEPS // MAX_RUNGS
    first = (await calls.ask(ref, "", 64, "w"))[0].assignments
    assert len(first) == most
    held = [*first, *(await handed_out(calls, ref, most))]
    results = [Result(given.lease, [Report(10**6, 0.5)], "") for given in held]
    with pytest.raises(InvalidInput, match=f"got {2 * most}, wanted at most {most} of a search with so many rungs"):
        await calls.tell(ref, "", results)
    for some in (results[:most], results[most:]):
        answer = await calls.tell(ref, "", some)
        assert len(answer.replies) == most
    trials = await store.trials(ref, list(range(2 * most)))
    assert max(trial.rung for trial in trials) == MAX_RUNGS - 1


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
