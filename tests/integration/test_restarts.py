"""Restarts are counted since the last progress; the brake pauses a search whose trials all fail."""

import pytest

from rungway_server.domain.engine import (
    AskStatus,
    Decision,
    ExperimentState,
    Outcome,
    Reason,
    Report,
    Result,
    TrialState,
)
from rungway_server.domain.engine import Release as Released
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.support.searches import ask_for, create_planned, plan

TOP = 40


@pytest.mark.parametrize("ending", ["fail", "expire", "release"])
@pytest.mark.parametrize("saved", [True, False])
async def test_progress_sets_the_count_back(ending: str, saved: bool, store: RedisStore, ref: ExperimentRef) -> None:
    """A trial whose worker dies every 3 epochs still completes."""
    await create_planned(store, ref, plan((TOP,), trials=1), max_restarts=1, lease_seconds=60)
    now = (await store.definition(ref)).created_ms
    for reached in range(3, TOP, 3):
        answer = await store.ask(ref, "", 1, "w", now_ms=now)
        (given,) = answer.assignments
        assert given.from_length == (reached - 3 if saved else 0)
        assert given.restarts == (0 if ending == "release" or reached == 3 else 1)
        checkpoint = f"at {reached}" if saved else ""
        await store.tell(ref, "", [Result(given.lease, [Report(reached, 0.5)], checkpoint)], now_ms=now)
        if ending == "fail":
            await store.fail(ref, "", given.lease, Outcome.TRANSIENT, "killed", now_ms=now)
        elif ending == "release":
            await store.release(ref, "", [Released(given.lease)], now_ms=now)
        else:
            now += 60_000
    (given,) = (await store.ask(ref, "", 1, "w", now_ms=now)).assignments
    await store.tell(ref, "", [Result(given.lease, [Report(TOP, 0.5)])], now_ms=now)
    (view,) = await store.trials(ref, [0])
    assert view.state is TrialState.COMPLETED


async def test_the_same_length_again_is_no_progress(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=1), max_restarts=2)
    for restarts in range(3):
        (given,) = await ask_for(store, ref)
        assert given.restarts == restarts
        await store.tell(ref, "", [Result(given.lease, [Report(3, 0.5)])])
        reply, _ = await store.fail(ref, "", given.lease, Outcome.TRANSIENT, "killed")
    assert (reply.decision, reply.explanation.reason) == (Decision.STOP, Reason.FAILED)


async def test_a_shorter_checkpoint_is_no_progress(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=1), max_restarts=1)
    lengths = (4, 2, 4)
    for length, restarts in zip(lengths, (0, 1, 1), strict=True):
        (given,) = await ask_for(store, ref)
        assert given.restarts == restarts
        if length > given.from_length:
            await store.tell(ref, "", [Result(given.lease, [Report(length, 0.5)], f"at {length}")])
        else:
            await store.tell(ref, "", [Result(given.lease, [Report(given.from_length + 1, 0.5)])])
            await store.release(ref, "", [Released(given.lease, "back", 2)])
            continue
        reply, _ = await store.fail(ref, "", given.lease, Outcome.TRANSIENT, "killed")
    assert reply.decision is Decision.STOP


async def test_the_third_release_without_progress_counts(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=1), max_restarts=2)
    reasons = []
    for _ in range(5):
        (given,) = await ask_for(store, ref)
        reasons.append((await store.release(ref, "", [Released(given.lease)])).replies[0].explanation.reason)
    assert reasons == [Reason.PREEMPTED, Reason.PREEMPTED, Reason.RETRY, Reason.RETRY, Reason.FAILED]


async def test_a_return_with_progress_costs_nothing(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=1), max_restarts=0)
    for told in (0, 0, 1, 0, 0, 2):  # twice in a row without, then with
        (given,) = await ask_for(store, ref)
        if told:
            await store.tell(ref, "", [Result(given.lease, [Report(told, 0.5)])])
        reply = (await store.release(ref, "", [Released(given.lease)])).replies[0]
        assert reply.explanation.reason is Reason.PREEMPTED


async def fail_next(store: RedisStore, ref: ExperimentRef, outcome: Outcome, message: str) -> None:
    """Ask for a trial and fail it."""
    (given,) = await ask_for(store, ref)
    await store.fail(ref, "", given.lease, outcome, message)


@pytest.mark.parametrize("outcome", [Outcome.TRANSIENT, Outcome.ERROR, Outcome.DIVERGED])
async def test_the_brake_pauses_what_only_fails(outcome: Outcome, store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=99))
    for number in range(10):
        assert (await store.progress(ref)).state is ExperimentState.RUNNING
        await fail_next(store, ref, outcome, f"KeyError {number}")
    progress = await store.progress(ref)
    assert (progress.state, progress.failing) == (ExperimentState.PAUSED, "KeyError 9")
    asked = await store.ask(ref, "", 1, "w")
    assert (asked.status, asked.reason, asked.message) == (AskStatus.WAIT, Reason.FAILING, "KeyError 9")
    last = (await store.events(ref, "", 99))[0][-1]
    assert (last.kind, last.message) == ("failing", "KeyError 9")

    await store.set_state(ref, ExperimentState.RUNNING)
    assert (await store.progress(ref)).failing is None
    for _ in range(10):
        assert (await store.progress(ref)).state is ExperimentState.RUNNING
        await fail_next(store, ref, outcome, "again")
    assert (await store.progress(ref)).failing == "again"


async def test_expired_leases_before_anything_was_told_count(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=99), lease_seconds=60)
    now = (await store.definition(ref)).created_ms
    assert len((await store.ask(ref, "", 10, "w", now_ms=now)).assignments) == 10
    asked = await store.ask(ref, "", 1, "w", now_ms=now + 60_000)
    assert (asked.status, asked.reason, asked.message) == (AskStatus.WAIT, Reason.FAILING, "lease expired")


async def test_after_one_report_the_brake_never_acts(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((9,), trials=99))
    (given,) = await ask_for(store, ref)
    for _ in range(9):
        await fail_next(store, ref, Outcome.ERROR, "KeyError")
    await store.tell(ref, "", [Result(given.lease, [Report(1, 0.5)])])
    for _ in range(20):
        await fail_next(store, ref, Outcome.ERROR, "KeyError")
    assert (await store.progress(ref)).state is ExperimentState.RUNNING


@pytest.mark.parametrize("outcome", [Outcome.INVALID, Outcome.STOPPED, Outcome.PREEMPTED])
async def test_other_endings_are_not_counted_as_failures(
    outcome: Outcome, store: RedisStore, ref: ExperimentRef
) -> None:
    await create_planned(store, ref, plan((9,), trials=99))
    for _ in range(9):
        await fail_next(store, ref, Outcome.ERROR, "KeyError")
    for _ in range(2):
        await fail_next(store, ref, outcome, "")
    assert (await store.progress(ref)).state is ExperimentState.RUNNING
