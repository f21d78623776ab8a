"""Searches with several objectives in a real Redis: what lacks an objective is refused, and the best are a front."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import AskStatus, Assignment, BestBy, Decision, Further, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.transport import wire
from tests.support.audited import report_of
from tests.support.moving import Site, exported, move
from tests.support.redis_server import redis_on_socket

REF, COPY = ExperimentRef("default", "objectives"), ExperimentRef("default", "copy")
METRICS = [{"name": "error", "goal": "minimize"}, {"name": "size", "goal": "minimize", "at": "final"}]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=60) as router, Redis.from_url(url) as redis:
            yield Site(url, RedisStore(router), redis)


async def create(store: RedisStore, **searcher: Any) -> None:
    """A search of two rungs."""
    section = {
        "name": "async_halving",
        "metrics": METRICS,
        "outcome_constraints": ["heat <= 1"],
        "max_length": {"epochs": 4},
        "num_rungs": 2,
        "divisor": 2,
        "max_trials": 30,
        **searcher,
    }
    space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    section = {key: value for key, value in section.items() if value is not None}
    planned = plan_search({"hyperparameters": space, "searcher": section, "seed": 3})
    await store.create(REF, planned.config, planned.plan, planned.notes, "")


async def given(store: RedisStore) -> Assignment:
    """The next work."""
    [assignment] = (await store.ask(REF, "", 1, "w")).assignments
    return assignment


async def tell(store: RedisStore, work: Assignment, *reports: Report, finished: bool = False) -> Decision:
    """Tell these reports."""
    [reply] = (await store.tell(REF, "", [Result(work.lease, reports, "c", finished)])).replies
    return reply.decision


async def refused(store: RedisStore, work: Assignment, *reports: Report, finished: bool = False) -> tuple[str, str]:
    """The reason, and the field."""
    with pytest.raises(InvalidInput) as refusal:
        await tell(store, work, *reports, finished=finished)
    return refusal.value.reason, refusal.value.violations[0].field


async def test_a_report_without_an_objective_is_refused_where_it_is_needed(site: Site) -> None:
    await create(site.store)
    work = await given(site.store)
    wanted = "OBJECTIVE_MISSING", 'results[0].reports[1].metrics["heat"]'
    assert await refused(site.store, work, Report(1, 0.5), Report(2, 0.5)) == wanted
    assert (await site.store.progress(REF)).trained_length == 0  # nothing was taken
    assert await tell(site.store, work, Report(1, 0.5)) is Decision.CONTINUE
    assert await refused(site.store, work, finished=True) == ("OBJECTIVE_MISSING", "results[0].finished")
    assert await tell(site.store, work, Report(2, 0.5, Further({"heat": 0.0}))) is Decision.PAUSE
    other = await given(site.store)
    assert await tell(site.store, other, Report(2, 0.25, Further({"heat": 0.0}))) is Decision.CONTINUE
    wanted = "OBJECTIVE_MISSING", 'results[0].reports[0].metrics["size"]'
    assert await refused(site.store, other, Report(4, 0.25, Further({"heat": 0.0}))) == wanted
    done = Report(4, 0.25, Further({"heat": 0.0, "size": 3.0}))
    assert await tell(site.store, other, done) is Decision.STOP
    assert (await report_of(site.url, REF)).violated == {}


async def test_all_results_of_a_call_are_checked_first(site: Site) -> None:
    await create(site.store)
    works = [await given(site.store) for _ in range(2)]
    right, wrong = Report(2, 0.5, Further({"heat": 0.0})), Report(2, 0.5)
    results = [Result(work.lease, [each]) for work, each in zip(works, (right, wrong), strict=True)]
    with pytest.raises(InvalidInput, match=r'results\[1\]\.reports\[0\]\.metrics\["heat"\]'):
        await site.store.tell(REF, "", results)
    assert (await site.store.progress(REF)).trained_length == 0


async def play(store: RedisStore, ref: ExperimentRef = REF) -> list[tuple[int, int, str]]:
    """One worker until the end: what it trained, and what it was told."""
    said = []
    while (answer := await store.ask(ref, "", 1, "w")).status is AskStatus.ASSIGNED:
        [work] = answer.assignments
        length, decision = work.next_decision_length, Decision.CONTINUE
        while decision is Decision.CONTINUE:
            x = float(str(work.hparams["x"]))
            further = Further({"heat": x + 0.25, "size": 1 - x})
            [reply] = (await store.tell(ref, "", [Result(work.lease, [Report(length, x, further)], "c")])).replies
            decision = reply.decision
            said.append((work.lease.trial, length, str(reply.explanation)))
            length = reply.next_decision_length
    return said


async def test_the_best_are_the_front_and_feasible_ones_come_first(site: Site) -> None:
    await create(site.store, name="random", num_rungs=None, divisor=None)
    await play(site.store)
    best = await TrialUseCases(site.store).best(REF, 30, wire.trial_message)
    xs = {trial.trial: trial for trial in await site.store.trials(REF, range(30))}
    meets = {number for number, trial in xs.items() if float(str(trial.hparams["x"])) <= 0.75}
    assert {each.trial for each in best[: len(meets)]} == meets  # all on one front: error and size are opposed
    assert {each.objectives.front for each in best[: len(meets)]} == {0}
    rest = [each.objectives.violation for each in best[len(meets) :]]
    assert rest == sorted(rest)
    assert rest[0] > 0
    first = min(meets, key=lambda number: xs[number].metric or 0.0)
    assert best[0].trial == first
    assert [each.trial for each in await site.store.best(REF, 1)] == [first]
    with pytest.raises(InvalidInput, match="by: got last"):
        await TrialUseCases(site.store).best(REF, 1, wire.trial_message, BestBy.LAST)


async def test_a_copy_goes_on_as_the_search_would(site: Site) -> None:
    await create(site.store, name="adaptive_asha", num_rungs=None, max_trials=24, max_length={"epochs": 8})
    for _ in range(12):
        work = await given(site.store)
        x = float(str(work.hparams["x"]))
        await tell(site.store, work, Report(work.next_decision_length, x, Further({"heat": x, "size": 1 - x})))
    assert '"rungway_export": 6' in (await exported(site.store, REF)).splitlines()[0]
    await move(site, REF, site, COPY.experiment)
    copied, before = [await site.store.trials(ref, range(24)) for ref in (COPY, REF)]
    assert [each.objectives for each in copied] == [each.objectives for each in before]
    assert (await site.store.progress(COPY)).rung_promotable == (await site.store.progress(REF)).rung_promotable
    assert await play(site.store, COPY)
    assert (await report_of(site.url, COPY)).violated == {}
