"""A training that finishes before its assignment ends: its last result counts, and it is never assigned again."""

import math

import pytest

from rungway_server.domain.engine import (
    AskStatus,
    Assignment,
    Decision,
    ExperimentState,
    Outcome,
    Reason,
    Report,
    Result,
    TellReply,
    TrialState,
)
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, halving, report, state_of
from tests.support.searches import ask_for, create_planned, plan


async def finish(store: RedisStore, ref: ExperimentRef, given: Assignment, *told: tuple[int, float]) -> TellReply:
    """Tell these results as the last ones of the training."""
    result = Result(given.lease, [Report(*each) for each in told], finished=True)
    return (await store.tell(ref, "", [result])).replies[0]


async def test_a_random_search_ends_when_its_trials_do(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((10,), trials=2))
    for given in await ask_for(store, ref, 2):
        await report(store, ref, given, 0.5, length=3)
        reply = await finish(store, ref, given, (4, 0.4))
        assert (reply.decision, reply.explanation.reason) == (Decision.STOP, Reason.FINISHED)
    assert (await store.ask(ref, "", 1, "w")).status is AskStatus.DONE
    for view in await store.trials(ref, [0, 1]):
        assert (view.state, view.outcome, view.length, view.restarts) == (
            TrialState.COMPLETED,
            Outcome.FINISHED,
            4,
            0,
        )
    assert (await store.progress(ref)).trained_length == 8


async def test_a_finished_trial_is_promoted_to_the_top_without_training(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((2, 6, 18), trials=9))
    given = await ask_for(store, ref, 9)
    reply = await finish(store, ref, given[0], (1, 0.01))
    assert (reply.explanation.rung, reply.explanation.rank, reply.explanation.rung_size) == (0, 0, 1)
    for other in given[1:]:
        await report(store, ref, other, 0.5, length=2)
    progress = await store.progress(ref)
    assert (progress.rung_results[0][0], progress.rung_results[0][1]) == (9, 1 + 0)
    told = 1
    while (asked := await store.ask(ref, "", 1, "w")).status is AskStatus.ASSIGNED:
        assert asked.assignments[0].lease.trial != 0
        await report(store, ref, asked.assignments[0], 0.6, length=asked.assignments[0].to_length)
        told += 1
    assert await state_of(store, ref) is ExperimentState.DONE
    (view,) = await store.trials(ref, [0])
    assert (view.state, view.rung, view.length, view.metric) == (TrialState.COMPLETED, 2, 1, 0.01)
    lines, _ = await store.explain(ref, 0)
    history = [(line.kind, line.explanation.reason, line.explanation.rung) for line in lines if line.explanation]
    assert history == [
        ("assign", Reason.NEW_TRIAL, -1),
        ("stop", Reason.FINISHED, 0),
        ("finished", Reason.FINISHED, 1),
        ("finished", Reason.FINISHED, 2),
    ]


async def test_the_reports_that_come_with_it_are_judged_first(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((1, 3, 9), trials=9))
    *others, best = await ask_for(store, ref, 3)
    for other in others:
        await report(store, ref, other, 0.5)
    reply = await finish(store, ref, best, (1, 0.1))
    assert (reply.decision, reply.explanation.reason, reply.explanation.rung) == (
        Decision.STOP,
        Reason.FINISHED,
        1,
    )
    (again,) = await ask_for(store, ref)
    assert (again.lease.trial, again.explanation.reason) == (3, Reason.NEW_TRIAL)


async def test_a_result_told_under_an_earlier_lease_counts(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=2))
    (given,) = await ask_for(store, ref)
    for length in range(1, 9):
        await store.tell(ref, "", [Result(given.lease, [Report(length, 1 / length)])])
    await store.fail(ref, "", given.lease, Outcome.TRANSIENT, "lost its machine")
    (again,) = await ask_for(store, ref)
    assert again.from_length == 0
    reply = await finish(store, ref, again)
    assert reply.explanation.reason is Reason.FINISHED
    (view,) = await store.trials(ref, [given.lease.trial])
    assert (view.length, view.metric) == (8, 1 / 8)


@pytest.mark.parametrize("points", [16, 17])
async def test_the_last_result_is_found_behind_a_full_piece_of_the_curve(
    points: int, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan((99,), trials=1))
    (given,) = await ask_for(store, ref)
    for length in range(1, points + 1):
        await report(store, ref, given, 0.5, length=length)
    await finish(store, ref, given)
    (view,) = await store.trials(ref, [0])
    assert (view.length, view.state) == (points, TrialState.COMPLETED)


async def test_without_any_result_it_is_refused(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=2))
    given, other = await ask_for(store, ref, 2)
    with pytest.raises(InvalidInput) as refused:
        await store.tell(ref, "", [Result(other.lease, [Report(1, 0.5)]), Result(given.lease, [], finished=True)])
    assert [violation.field for violation in refused.value.violations] == ["results[1].finished"]
    (view,) = await store.trials(ref, [other.lease.trial])
    assert view.metric is None  # the whole call was refused


async def test_the_same_request_has_one_effect(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=2))
    (given,) = await ask_for(store, ref)
    told = [await store.tell(ref, "id", [Result(given.lease, [Report(1, 0.5)], finished=True)]) for _ in range(2)]
    assert told[0].replies[0].explanation == told[1].replies[0].explanation
    assert (await store.progress(ref)).rung_results == ((1,),)


async def test_in_the_stopping_form_others_are_compared_with_it(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(stop_once=True))
    first, second = await ask_for(store, ref, 2)
    await report(store, ref, first, 0.1, length=1)
    reply = await finish(store, ref, first, (3, 0.05)) if first.to_length > 3 else await finish(store, ref, first)
    assert reply.explanation.reason is Reason.FINISHED
    (view,) = await store.trials(ref, [first.lease.trial])
    assert (view.state, view.outcome) == (TrialState.COMPLETED, Outcome.FINISHED)
    judged = await report(store, ref, second, 0.9, length=second.to_length)
    assert judged.explanation.reason is Reason.STOPPED_AT_RUNG


async def test_one_without_a_real_metric_ranks_last(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((2, 6), trials=3))
    given = await ask_for(store, ref, 3)
    await finish(store, ref, given[0], (1, math.nan))
    for other, metric in zip(given[1:], (math.inf, math.inf), strict=True):
        await report(store, ref, other, metric, length=2)
    (up,) = await ask_for(store, ref)
    assert up.lease.trial == given[1].lease.trial


@pytest.mark.parametrize("paused", [False, True])
async def test_one_that_ends_at_its_rung_is_never_assigned_again(
    paused: bool, store: RedisStore, ref: ExperimentRef
) -> None:
    """Finished with the result at the rung or after it: either way only the rung decides about it."""
    await create_planned(store, ref, plan((2, 6), trials=6))
    given = await ask_for(store, ref, 6)
    if paused:
        await store.set_state(ref, ExperimentState.PAUSED)
    assert (await finish(store, ref, given[0], (2, 0.1))).explanation.reason is Reason.FINISHED
    assert (await finish(store, ref, given[1], (1, 0.4), (2, 0.3))).explanation.reason is Reason.FINISHED
    for other in given[2:]:
        await report(store, ref, other, 0.5, length=2)
    if paused:
        await store.set_state(ref, ExperimentState.RUNNING)
    views = await store.trials(ref, [0, 1])
    assert [(view.state, view.outcome, view.rung, view.length) for view in views] == [
        (TrialState.COMPLETED, Outcome.FINISHED, 1, 2)
    ] * 2
    assert (await store.ask(ref, "", 1, "w")).status is AskStatus.DONE
