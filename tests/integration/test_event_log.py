"""The event log explains every decision, with the numbers behind it."""

from rungway_server.domain.engine import (
    ExperimentState,
    Lease,
    Outcome,
    Release,
    Report,
    Result,
)
from rungway_server.domain.search.plan import DecisionForm
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.support.searches import ask_for, create_planned, plan


async def events(store: RedisStore, ref: ExperimentRef) -> list[list[object]]:
    """All events of the log: kind, trial, reason, bracket, rung, rank, size, quota, cut-off."""
    found, _ = await store.events(ref, "", 1000)
    return [[event.kind, event.trial, *event.explanation[:7]] if event.explanation else [event.kind] for event in found]


async def test_every_kind_of_decision_is_explained_in_the_event_log(store: RedisStore, ref: ExperimentRef) -> None:
    start = (await create_planned(store, ref, plan((1, 3), trials=9), lease_seconds=60, max_restarts=1)).created_ms
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
    await store.ask(ref, "", 1, "w", now_ms=start + 70_000)  # the last one has expired
    await store.set_state(ref, ExperimentState.STOPPED)

    log = await events(store, ref)
    assert log[:9] == [["assign", n, "new_trial", 0, -1, 0, 0, 0, None] for n in range(9)]
    assert log[9:] == [
        ["pause", 0, "not_promoted", 0, 0, 0, 1, 0, None],
        ["pause", 1, "not_promoted", 0, 0, 1, 2, 0, None],
        ["continue", 2, "promoted", 0, 0, 0, 3, 1, 0.25],
        ["stop", 2, "completed", 0, 1, 0, 1, 0, None],
        ["release", 3, "preempted", 0, -1, 0, 0, 0, None],
        ["retry", 4, "retry", 0, -1, 0, 0, 0, None],
        ["failed", 5, "failed", 0, 0, 3, 4, 1, 0.25],
        ["invalid", 6, "invalid", 0, -1, 0, 0, 0, None],
        ["failed", 7, "failed", 0, 0, 4, 5, 1, 0.25],
        ["paused"],
        ["running"],
        ["retry", 8, "retry", 0, -1, 0, 0, 0, None],
        ["assign", 3, "requeued", 0, -1, 0, 0, 0, None],
        ["stopped"],
    ]


async def test_decisions_of_the_stopping_form_are_in_the_event_log(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan((1, 3), trials=2, form=DecisionForm.STOP))
    first, second = await ask_for(store, ref, 2)
    await store.tell(ref, "", [Result(first.lease, [Report(1, 0.25), Report(2, 0.25)])])
    await store.tell(ref, "", [Result(second.lease, [Report(1, 0.5)])])
    await store.tell(ref, "", [Result(first.lease, [Report(3, 0.25)])])
    assert (await events(store, ref))[2:] == [
        ["continue", 0, "promoted", 0, 0, 0, 1, 1, 0.25],
        ["stop", 1, "stopped_at_rung", 0, 0, 1, 2, 1, 0.25],
        ["stop", 0, "completed", 0, 1, 0, 1, 1, 0.25],
        ["done"],
    ]


async def test_replies_and_the_event_log_agree(store: RedisStore, ref: ExperimentRef) -> None:
    await create_planned(store, ref, plan())
    told = []
    for number, assignment in enumerate(await ask_for(store, ref, 9)):
        answer = await store.tell(ref, "", [Result(assignment.lease, [Report(1, (number * 5 % 9) / 10)])])
        why = answer.replies[0].explanation
        told.append(list(why[:7]))
    logged = [event[2:] for event in await events(store, ref) if event[0] in {"pause", "continue"}]
    assert logged == told
