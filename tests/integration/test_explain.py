"""The history of a trial: the event log says what its workers were told."""

from collections.abc import Sequence

import pytest

from rungway_server.domain.engine import Decision, EventView, Explanation, Outcome, Reason, Release
from rungway_server.domain.errors import UnknownExperiment, UnknownTrial
from rungway_server.service.port import ExperimentRef
from rungway_server.service.trials import TrialUseCases
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create, halving, history_of, report
from tests.support.searches import ask_for

Told = tuple[str, Explanation]


def of(events: Sequence[EventView]) -> list[Told]:
    """Kinds and explanations."""
    return [(event.kind, event.explanation) for event in events if event.explanation]


async def test_a_history_from_start_to_top(stores: list[RedisStore], ref: ExperimentRef) -> None:
    """Started, paused, resumed, promoted at once, completed; rank, size, quota and cut-off are those of the replies."""
    store = stores[0]
    await create(store, ref, halving(9))
    given = await ask_for(store, ref, 9)
    told: dict[int, list[Told]] = {each.lease.trial: [("assign", each.explanation)] for each in given}
    for assignment, metric in zip(given, (0.5, 0.6, 0.7, 0.4, 0.8, 0.9, 0.3, 0.95, 0.96), strict=True):
        reply = await report(store, ref, assignment, metric)
        told[assignment.lease.trial].append((reply.decision.value, reply.explanation))
    (resumed,) = await ask_for(store, ref)
    assert (resumed.lease.trial, resumed.explanation.reason) == (0, Reason.PROMOTED)
    assert resumed.explanation == Explanation(Reason.PROMOTED, 0, 0, 2, 9, 3, 0.5)
    told[0].append(("assign", resumed.explanation))
    reply = await report(store, ref, resumed, 0.2)
    told[0].append((reply.decision.value, reply.explanation))
    for number, events in told.items():
        assert of(await history_of(stores[1], ref, number)) == events
    kinds = [kind for kind, _ in told[0]]
    assert kinds == ["assign", "pause", "assign", "pause"]
    assert told[3][1] == ("continue", Explanation(Reason.PROMOTED, 0, 0, 0, 4, 1, 0.4))
    assert told[6][1] == ("continue", Explanation(Reason.PROMOTED, 0, 0, 0, 7, 2, 0.4))
    assert told[0][1] == ("pause", Explanation(Reason.NOT_PROMOTED, 0, 0, 0, 1, 0, None))


async def test_what_an_event_says_of_its_trial(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9))
    (given,) = (await store.ask(ref, "", 1, "worker with blanks")).assignments
    await report(store, ref, given, 0.5)
    start, pause = await history_of(store, ref)
    assert (start.trial, start.length, start.metric, start.worker) == (0, 0, None, "worker with blanks")
    assert (pause.trial, pause.length, pause.metric, pause.worker) == (0, 1, 0.5, "worker with blanks")
    assert start.time_ms <= pause.time_ms
    assert start.event_id < pause.event_id


@pytest.mark.parametrize("stop_once", [False, True])
async def test_every_way_to_end(stop_once: bool, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9, stop_once=stop_once))
    outcomes = (Outcome.PREEMPTED, Outcome.TRANSIENT, Outcome.INVALID, Outcome.DIVERGED, Outcome.ERROR, Outcome.STOPPED)
    for given, outcome in zip(await ask_for(store, ref, 6), outcomes, strict=True):
        reply, _ = await store.fail(ref, "", given.lease, outcome, "why not")
        *_, last = await history_of(store, ref, given.lease.trial)
        assert last.explanation == reply.explanation
    histories = [[event.kind for event in await history_of(store, ref, number)] for number in range(6)]
    ends = ["release", "retry", "invalid", "failed", "failed", "failed"]
    assert histories == [["assign", end] for end in ends]


async def test_the_stopping_form(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9, stop_once=True))
    first, second = await ask_for(store, ref, 2)
    up = await report(store, ref, first, 0.5)
    down = await report(store, ref, second, 0.6)
    assert down.decision is Decision.STOP
    assert of(await history_of(store, ref, 0))[1:] == [("continue", up.explanation)]
    assert of(await history_of(store, ref, 1))[1:] == [("stop", down.explanation)]
    assert down.explanation == Explanation(Reason.STOPPED_AT_RUNG, 0, 0, 1, 2, 1, 0.5)


async def test_numbers_of_a_larger_is_better_search(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9, smaller_is_better=False))
    for given, metric in zip(await ask_for(store, ref, 3), (0.1, 0.2, 0.9), strict=True):
        reply = await report(store, ref, given, metric)
    assert reply.explanation.cutoff == 0.9
    assert of(await history_of(store, ref, 2))[1:] == [("continue", reply.explanation)]


async def test_an_expired_lease_and_an_enqueued_configuration(store: RedisStore, ref: ExperimentRef) -> None:
    view = await create(store, ref, halving(9))
    start = view.definition.created_ms
    await store.enqueue(ref, "", {"layers": 1, "rate": 0.01})
    (given,) = (await store.ask(ref, "", 1, "lost", now_ms=start)).assignments
    (again,) = (await store.ask(ref, "", 1, "found", now_ms=start + 60_000)).assignments
    await store.release(ref, "", [Release(again.lease)])
    history = await history_of(store, ref, given.lease.trial)
    assert [(event.kind, event.explanation and event.explanation.reason, event.worker) for event in history] == [
        ("assign", Reason.ENQUEUED, "lost"),
        ("retry", Reason.RETRY, "lost"),
        ("assign", Reason.REQUEUED, "found"),
        ("release", Reason.PREEMPTED, "found"),
    ]


async def test_it_changes_nothing(store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9))
    await ask_for(store, ref)
    before = await store.progress(ref)
    await TrialUseCases(store).explain(ref, 0)
    assert await store.progress(ref) == before


@pytest.mark.parametrize("number", [-1, 1, 2**63 - 1])
async def test_a_trial_that_is_not_there(number: int, store: RedisStore, ref: ExperimentRef) -> None:
    await create(store, ref, halving(9))
    await ask_for(store, ref)
    with pytest.raises(UnknownTrial):
        await TrialUseCases(store).explain(ref, number)


async def test_an_experiment_that_is_not_there(store: RedisStore) -> None:
    with pytest.raises(UnknownExperiment):
        await TrialUseCases(store).explain(ExperimentRef("default", "nobody"), 0)


async def test_a_negative_number_in_an_experiment_that_is_not_there(store: RedisStore) -> None:
    with pytest.raises(UnknownExperiment):
        await TrialUseCases(store).explain(ExperimentRef("default", "nobody"), -1)
