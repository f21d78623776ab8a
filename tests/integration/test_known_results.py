"""Known results of trials of elsewhere: finished trials that everything knows, and what is refused."""

import math
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import BestBy, ExperimentState, Outcome, Reason, Report, TrialState
from rungway_server.domain.errors import InvalidInput, RequestIdReused
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, halving, history_of, own, run_out, state_of
from tests.support.audited import assert_sound
from tests.support.calls import config
from tests.support.moving import Site, exported, move

NO_PLAN: dict[str, Any] = {"max_length": None, "max_trials": None}


async def test_it_is_a_finished_trial(store: RedisStore, ref: ExperimentRef, admin_url: str) -> None:
    await create(store, ref, halving(5))
    use = TrialUseCases(store)
    (first, second) = [await use.enqueue_known(ref, "r", own(0.01), Report(3, 0.25)) for _ in range(2)]
    assert (first.trial, second.trial, first.hparams) == (0, 0, own(0.01))
    with pytest.raises(RequestIdReused):
        await use.enqueue_known(ref, "r", own(0.01), Report(3, 0.5))
    view = await use.get(ref, 0)
    assert (view.state, view.outcome, view.rung, view.worker) == (TrialState.COMPLETED, Outcome.FINISHED, 1, "")
    assert [(point.length, point.metric) for point in view.curve] == [(3, 0.25)]
    (event,) = await history_of(store, ref)
    assert event.explanation
    assert event.explanation.reason is Reason.FINISHED
    assert [trial.trial for trial in await store.best(ref, 5)] == [0]
    assert await use._last(ref, 5, BestBy.FINAL) == [0]
    assert await run_out(store, ref) == 4
    progress = await store.progress(ref)
    assert (progress.trials_created, progress.state) == (5, ExperimentState.DONE)
    await assert_sound(admin_url, ref.experiment)


async def test_it_goes_along_in_an_export(store: RedisStore, ref: ExperimentRef, admin_url: str) -> None:
    await create(store, ref, halving(9))
    for rate, length in ((0.01, 1), (0.02, 3), (0.03, 9), (0.04, 1), (0.05, 1)):
        await TrialUseCases(store).enqueue_known(ref, "", own(rate), Report(length, rate))
    async with Redis.from_url(admin_url) as redis:
        site = Site(admin_url, store, redis)
        text = await move(site, ref, site, name := f"{ref.experiment}-moved")
    other = ExperimentRef("default", name)
    assert await store.trials(other, list(range(9)), curve=True) == await store.trials(ref, list(range(9)), curve=True)
    assert (await exported(store, other)).splitlines()[2:-1] == text.splitlines()[2:-1]
    assert await run_out(store, other) == await run_out(store, ref) == 4


@pytest.mark.parametrize("stop_once", [False, True])
async def test_the_suggestions_of_later_trials_stay(store: RedisStore, ref: ExperimentRef, stop_once: bool) -> None:
    """Many known results come before anything was suggested for their numbers."""
    plain = ExperimentRef("default", f"{ref.experiment}-plain")
    for each in (ref, plain):
        await create(store, each, halving(120, stop_once=stop_once))
    for number in range(100):
        await TrialUseCases(store).enqueue_known(ref, "", own(0.001 + number / 1000), Report(9, 0.5))
    given = (await store.ask(ref, "", 3, "w")).assignments
    expected = (await store.ask(plain, "", 103, "w")).assignments
    assert [each.hparams for each in given] == [each.hparams for each in expected[100:]]


@pytest.mark.parametrize(
    ("result", "field", "text"),
    [
        (Report(2, 0.5), "result.length", "got 2, wanted the length of a rung: 1, 3, 9 epochs"),
        (Report(0, 0.5), "result.length", "got 0"),
        (Report(3, math.nan), "result.metric", "got NaN"),
    ],
)
async def test_what_cannot_rank_is_refused(
    store: RedisStore, ref: ExperimentRef, result: Report, field: str, text: str
) -> None:
    await create(store, ref, halving())
    with pytest.raises(InvalidInput) as refused:
        await TrialUseCases(store).enqueue_known(ref, "", own(0.01), result)
    assert refused.value.violations[0].field == field
    assert text in refused.value.violations[0].description


async def test_a_part_of_a_configuration_is_refused(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving())
    with pytest.raises(InvalidInput, match="layers"):
        await TrialUseCases(store).enqueue_known(ref, "", {"rate": 0.01}, Report(9, 0.5))


@pytest.mark.parametrize(
    "document",
    [
        config("sync_halving", max_trials=9, num_rungs=3, divisor=3, max_length={"epochs": 9}),
        config("pbt", **NO_PLAN, population_size=4, num_rounds=2, length_per_round={"epochs": 1}),
    ],
)
async def test_other_searchers_take_none(store: RedisStore, ref: ExperimentRef, document: dict[str, Any]) -> None:
    await create(store, ref, document)
    with pytest.raises(InvalidInput, match="wanted a search by auto, async_halving"):
        await TrialUseCases(store).enqueue_known(ref, "", own(0.01), Report(9, 0.5))


async def test_its_point_of_a_grid_is_used_up(store: RedisStore, ref: ExperimentRef) -> None:
    space = {"x": {"type": "categorical", "vals": [1, 2, 3]}}
    await create(store, ref, config("grid", space=space, max_trials=None, max_length={"epochs": 3}))
    use = TrialUseCases(store)
    await use.enqueue_known(ref, "", {"x": 2}, Report(3, 0.5))
    with pytest.raises(InvalidInput) as refused:
        await use.enqueue_known(ref, "", {"x": 2}, Report(3, 0.5))
    assert refused.value.reason == "POINT_USED"
    given = (await store.ask(ref, "", 9, "w")).assignments
    assert {each.hparams["x"] for each in given} == {1, 3}
    assert await state_of(store, ref) is ExperimentState.RUNNING
