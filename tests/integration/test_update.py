"""A live search with another number of trials, or another cap on its leases."""

from contextlib import suppress

import pytest

from rungway_server.domain.engine import AskStatus, ExperimentState, Reason
from rungway_server.domain.errors import InvalidInput, WrongState
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from tests.integration.live_searches import create, halving, own, report, run_out, state_of
from tests.model.mutants import Mutant
from tests.support.audited import report_of
from tests.support.calls import config, unique_name
from tests.support.searches import ask_for, started

ADAPTIVE = config(
    "adaptive_asha", max_trials=20, max_length={"epochs": 9}, divisor=3, mode="conservative", max_concurrent_trials=0
)


async def update(store: RedisStore, ref: ExperimentRef, trials: int | None = None, cap: int | None = None) -> None:
    await ExperimentUseCases(store).update(ref, Change(trials, cap))


@pytest.mark.parametrize("document", [config(max_trials=20), halving(20), ADAPTIVE], ids=["random", "asha", "adaptive"])
@pytest.mark.parametrize("trials", [7, 19, 20, 21, 57, 400])
async def test_the_new_budget_is_exact(
    trials: int, document: dict[str, object], stores: list[RedisStore], ref: ExperimentRef
) -> None:
    """Both servers have the old plan in their caches when one of them changes it."""
    await create(stores[0], ref, document)
    given = [*await ask_for(stores[0], ref, 4), *await ask_for(stores[1], ref, 3)]
    before = (await stores[0].progress(ref)).started
    await update(stores[0], ref, trials)
    view = await ExperimentUseCases(stores[1]).get(ref)
    assert view.definition.plan.max_trials == trials
    assert view.definition.config.searcher.max_trials == trials
    assert [bracket.rungs for bracket in view.definition.plan.brackets] == [
        bracket.rungs for bracket in (await stores[0].definition(ref)).plan.brackets
    ]
    assert view.progress.started == before
    for bracket, count in zip(view.definition.plan.brackets, view.progress.started, strict=True):
        assert bracket.max_trials >= count
    for assignment in given:
        await report(stores[0], ref, assignment, 0.5)
    assert 7 + await run_out(stores[1], ref) == trials
    assert await started(stores[0], ref) == trials
    assert await state_of(stores[0], ref) is ExperimentState.DONE


async def test_fewer_than_are_started_are_refused(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, ADAPTIVE)
    await ask_for(store, ref, 7)
    with pytest.raises(InvalidInput, match="at least 7"):
        await update(store, ref, 6)
    assert (await store.definition(ref, fresh=True)).plan.max_trials == 20


async def test_the_store_keeps_a_bracket_from_falling_below_what_it_has_started(
    store: RedisStore, ref: ExperimentRef
) -> None:
    """A worker asked between the read of the progress and the change."""
    view = await create(store, ref, halving(9))
    await ask_for(store, ref, 5)
    small = await create(store, ExperimentRef("default", f"{ref.experiment}-small"), halving(4))
    assert not await store.change_plan(ref, view.definition, view.definition.config, small.definition.plan)
    assert (await store.definition(ref, fresh=True)).plan.max_trials == 9
    assert await run_out(store, ref) == 4


BELOW_STARTED = Mutant(
    "a bracket falls below what it has started",
    "change_plan",
    (("started_there > parts.ladder.most[index]", "false"),),
)


async def test_without_that_check_a_search_would_have_more_than_it_may(admin_url: str) -> None:
    """The test above must notice this mistake, and so must the audit; here it is made on purpose."""
    ref = ExperimentRef("default", unique_name("mistaken"))
    async with connect(admin_url, timeout_seconds=10, transform=BELOW_STARTED.transform) as router:
        mistaken = RedisStore(router)
        view = await create(mistaken, ref, halving(9))
        await ask_for(mistaken, ref, 5)
        small = await create(mistaken, ExperimentRef("default", f"{ref.experiment}-small"), halving(4))
        assert await mistaken.change_plan(ref, view.definition, view.definition.config, small.definition.plan)
        assert await started(mistaken, ref) > (await mistaken.definition(ref, fresh=True)).plan.max_trials
    assert "no_bracket_starts_too_many" in (await report_of(admin_url, ref)).violated


@pytest.mark.parametrize("document", [halving(20), ADAPTIVE], ids=["asha", "adaptive"])
async def test_enqueued_configurations_keep_their_trials(
    document: dict[str, object], store: RedisStore, ref: ExperimentRef
) -> None:
    await create(store, ref, document)
    await ask_for(store, ref, 4)
    for index in range(3):
        await store.enqueue(ref, "", own(0.01 + index / 100))
    with pytest.raises(InvalidInput, match="got 6, wanted at least 7: 4 are started and 3 configurations are enqueued"):
        await update(store, ref, 6)
    assert (await store.definition(ref, fresh=True)).plan.max_trials == 20
    await update(store, ref, 7)
    assert [given.explanation.reason for given in await ask_for(store, ref, 3)] == [Reason.ENQUEUED] * 3
    assert await started(store, ref) == 7


async def test_a_sum_that_is_reached_ends_the_search(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, config(max_trials=9))
    for given in await ask_for(store, ref, 3):
        await report(store, ref, given, 0.5)
    await update(store, ref, 3)
    assert await state_of(store, ref) is ExperimentState.DONE


async def test_a_search_that_is_done_runs_again_when_it_is_raised(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, halving(3))
    assert await run_out(stores[1], ref) == 3
    await update(stores[0], ref, 5)
    assert await state_of(stores[1], ref) is ExperimentState.RUNNING
    assert await run_out(stores[1], ref) == 2
    assert await started(stores[1], ref) == 5


async def test_a_search_that_was_stopped_stays_so(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(3))
    await store.set_state(ref, ExperimentState.STOPPED)
    with pytest.raises(WrongState):
        await update(store, ref, 5)


async def test_a_paused_search_stays_paused(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(3))
    await store.set_state(ref, ExperimentState.PAUSED)
    await update(store, ref, 5)
    assert await state_of(store, ref) is ExperimentState.PAUSED


BY_BUDGET = config(
    "sync_halving", max_length={"epochs": 9}, num_rungs=2, divisor=3, budget={"epochs": 90}, max_trials=None
)
SYNC = config("sync_halving", max_length={"epochs": 9}, num_rungs=2, divisor=3, max_trials=9)


@pytest.mark.parametrize("document", [BY_BUDGET, SYNC], ids=["budget", "trials"])
async def test_a_synchronous_search_keeps_its_number_of_trials(
    document: dict[str, object], store: RedisStore, ref: ExperimentRef
) -> None:
    trials = (await create(store, ref, document)).definition.plan.max_trials
    for other in (trials - 1, trials + 1):
        with pytest.raises(InvalidInput, match="synchronous"):
            await update(store, ref, other)
    await update(store, ref, cap=2)
    view = await ExperimentUseCases(store).get(ref)
    assert (view.definition.plan.max_trials, view.definition.plan.max_concurrent_trials) == (trials, 2)


GRID_SPACE = {"layers": {"type": "int", "minval": 1, "maxval": 9, "count": 9}}
GRID = config("grid", space=GRID_SPACE, max_trials=9, max_concurrent_trials=0)
TWO_BRACKETS = config(
    "adaptive_asha", max_trials=9, max_length={"epochs": 9}, divisor=3, bracket_rungs=[1, 2], max_concurrent_trials=0
)


@pytest.mark.parametrize(
    ("document", "trials"), [(BY_BUDGET, 0), (GRID, 4), (TWO_BRACKETS, 1)], ids=["budget", "grid", "brackets"]
)
async def test_an_updated_search_can_still_be_read(
    document: dict[str, object], trials: int, store: RedisStore, ref: ExperimentRef
) -> None:
    """Whether the change is made or refused (0 trials = those it has)."""
    planned = (await create(store, ref, document)).definition.plan.max_trials
    with suppress(InvalidInput):
        await update(store, ref, trials or planned)
    assert (await ExperimentUseCases(store).get(ref)).definition.plan.max_trials in {trials, planned}


async def test_the_cap_changes_and_leases_are_not_taken_away(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await create(stores[0], ref, halving(9))
    held = await ask_for(stores[0], ref, 4)
    await update(stores[1], ref, cap=2)
    full = await stores[0].ask(ref, "", 1, "w")
    assert (full.status, full.reason) == (AskStatus.WAIT, Reason.CONCURRENCY_LIMIT)
    assert sum((await stores[0].progress(ref)).running) == 4
    for given in held[:3]:
        await report(stores[0], ref, given, 0.5)
    assert len((await stores[0].ask(ref, "", 9, "w")).assignments) == 1
    await update(stores[0], ref, cap=0)
    assert (await stores[1].definition(ref, fresh=True)).plan.max_concurrent_trials == 0
    assert len((await stores[1].ask(ref, "", 3, "w")).assignments) == 3


async def test_both_at_once(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9))
    view = await ExperimentUseCases(store).update(ref, Change(12, 3))
    assert (view.definition.plan.max_trials, view.definition.plan.max_concurrent_trials) == (12, 3)
    searcher = view.definition.config.searcher
    assert (searcher.max_trials, searcher.max_concurrent_trials) == (12, 3)
    assert len((await store.ask(ref, "", 9, "w")).assignments) == 3


async def test_a_target_still_counts_after_a_change(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9, target_metric=0.25))
    await update(store, ref, 12)
    (given,) = await ask_for(store, ref)
    assert (await report(store, ref, given, 0.2)).explanation.reason is Reason.TARGET_REACHED
