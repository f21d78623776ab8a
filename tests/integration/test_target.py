"""A result that reaches the target metric ends the search: at once for its worker, with their next tell for others."""

import math

import pytest

from rungway_server.domain.engine import AskStatus, Decision, ExperimentState, Outcome, Reason, Report, TrialState
from rungway_server.domain.engine import Release as Released
from rungway_server.domain.errors import WrongState
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, halving, report, state_of
from tests.support.searches import ask_for


@pytest.mark.parametrize("stop_once", [False, True])
async def test_reaching_it_ends_the_search(stop_once: bool, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(target_metric=0.25, stop_once=stop_once))
    first, telling, beating, leaving, failing = await ask_for(store, ref, 5)
    await report(store, ref, telling, 0.26)
    (telling,) = [telling] if stop_once else await ask_for(store, ref)
    reply = await report(store, ref, first, 0.25)  # equal is good enough
    assert (reply.decision, reply.explanation.reason) == (Decision.STOP, Reason.TARGET_REACHED)
    assert await state_of(store, ref) is ExperimentState.DONE
    over = await store.ask(ref, "", 1, "w")
    assert (over.status, over.reason) == (AskStatus.DONE, Reason.SEARCH_DONE)

    told = await report(store, ref, telling, 0.1, length=2 if stop_once else 1)
    assert (told.decision, told.explanation.reason) == (Decision.STOP, Reason.SEARCH_DONE)
    assert (await store.heartbeat(ref, [beating.lease]))[0].decision is Decision.STOP
    await store.release(ref, "", [Released(leaving.lease)])
    await store.fail(ref, "", failing.lease, Outcome.TRANSIENT, "lost its machine")
    views = {trial.trial: trial for trial in await store.trials(ref, list(range(9)))}
    assert views[first.lease.trial].state is TrialState.COMPLETED
    for ended in (telling, leaving, failing):
        assert views[ended.lease.trial].state is TrialState.STOPPED
    assert sum((await store.progress(ref)).running) == 1  # a worker that only sent a heartbeat still has its lease
    assert [trial.trial for trial in await store.best(ref, 1)] == [telling.lease.trial]  # late results are stored


@pytest.mark.parametrize("stop_once", [False, True])
async def test_a_report_between_rungs_reaches_it_too(stop_once: bool, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(target_metric=0.25, stop_once=stop_once, num_rungs=1))
    (given,) = await ask_for(store, ref)
    reply = await report(store, ref, given, 0.2, length=4)
    assert (reply.decision, reply.explanation.reason, reply.explanation.rung) == (
        Decision.STOP,
        Reason.TARGET_REACHED,
        -1,
    )
    (view,) = await store.trials(ref, [0], curve=True)
    assert (view.state, view.curve) == (TrialState.COMPLETED, (Report(4, 0.2),))


@pytest.mark.parametrize(
    ("smaller", "metric", "ends"),
    [
        (True, 0.5, True),
        (True, 0.5000001, False),
        (True, -math.inf, True),
        (True, math.inf, False),
        (True, math.nan, False),
        (False, 0.5, True),
        (False, 0.4999999, False),
        (False, math.inf, True),
        (False, -math.inf, False),
        (False, math.nan, False),
    ],
)
async def test_the_direction_decides_and_nan_never_reaches_it(
    smaller: bool, metric: float, ends: bool, store: RedisStore, ref: ExperimentRef
) -> None:
    await create(store, ref, halving(target_metric=0.5, smaller_is_better=smaller))
    (given,) = await ask_for(store, ref)
    reply = await report(store, ref, given, metric)
    assert (reply.explanation.reason is Reason.TARGET_REACHED) == ends
    assert await state_of(store, ref) is (ExperimentState.DONE if ends else ExperimentState.RUNNING)


@pytest.mark.parametrize("target", [0.0, -0.0])
async def test_the_sign_of_zero_does_not_matter(target: float, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(target_metric=target))
    (given,) = await ask_for(store, ref)
    assert (await report(store, ref, given, -target)).explanation.reason is Reason.TARGET_REACHED


async def test_a_paused_search_ends_by_it_and_never_runs_again(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(target_metric=0.25))
    (given,) = await ask_for(store, ref)
    await store.set_state(ref, ExperimentState.PAUSED)
    await report(store, ref, given, 0.0)
    with pytest.raises(WrongState):
        await store.set_state(ref, ExperimentState.RUNNING)
    with pytest.raises(WrongState):
        await ExperimentUseCases(store).update(ref, Change(20))
    assert await state_of(store, ref) is ExperimentState.DONE


async def test_the_log_says_that_the_search_is_done(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(target_metric=0.25))
    (given,) = await ask_for(store, ref)
    await report(store, ref, given, 0.0)
    assert [event.kind for event in (await store.events(ref, "", 10))[0]] == ["assign", "stop", "done"]
