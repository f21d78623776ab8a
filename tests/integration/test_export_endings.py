"""Searches with finished trials, and searches that paused themselves, continue elsewhere as they would have."""

import json
from typing import Any

import pytest

from rungway_server.domain.engine import (
    AskStatus,
    ExperimentState,
    Outcome,
    Reason,
    Release,
    Report,
    Result,
    TrialState,
)
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.integration.live_searches import create
from tests.support.audited import assert_sound
from tests.support.calls import config
from tests.support.moving import Site, move
from tests.support.searches import ask_for, create_planned, plan

FAILURES = [Outcome.ERROR, Outcome.TRANSIENT, Outcome.DIVERGED]
TEXT = "KeyError: 'ä' 🎲\n\x00 …"


async def finish(store: RedisStore, ref: ExperimentRef, *told: tuple[int, float]) -> int:
    """Let one more trial finish after these results; returns its number."""
    (given,) = await ask_for(store, ref)
    reports = [Report(*each) for each in told]
    await store.tell(ref, "", [Result(given.lease, reports, f"at {told[-1][0]}", finished=True)])
    return given.lease.trial


async def fail(store: RedisStore, ref: ExperimentRef, count: int, outcome: Outcome = Outcome.ERROR) -> None:
    for _ in range(count):
        (given,) = await ask_for(store, ref)
        await store.fail(ref, "", given.lease, outcome, TEXT)


async def to_the_end(store: RedisStore, ref: ExperimentRef) -> list[object]:
    """Run the search to its end, with the same result for each; returns the assignments."""
    seen: list[object] = []
    while (answer := await store.ask(ref, "", 1, "w")).status is AskStatus.ASSIGNED:
        (given,) = answer.assignments
        seen.append((given.lease.trial, given.from_length, given.to_length, given.explanation, given.checkpoint))
        length = given.next_decision_length
        while length:
            told = await store.tell(ref, "", [Result(given.lease, [Report(length, 0.5)], f"at {length}")])
            length = told.replies[0].next_decision_length
    assert answer.status is AskStatus.DONE
    return seen


LADDER: dict[str, Any] = {"max_length": {"epochs": 18}, "divisor": 3}
SEARCHES = {
    "promotion": config("async_halving", max_trials=9, num_rungs=3, **LADDER),
    "stopping": config("async_halving", max_trials=9, num_rungs=3, stop_once=True, **LADDER),
    "synchronous": config("sync_halving", max_trials=9, num_rungs=3, **LADDER),
    "brackets": config("adaptive_asha", max_trials=9, max_rungs=3, **LADDER),
}


@pytest.mark.parametrize("name", SEARCHES)
async def test_trials_that_ended_by_themselves(name: str, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create(here.store, ref, SEARCHES[name])
    best, worst = await finish(here.store, ref, (2, 0.01)), await finish(here.store, ref, (1, 9.0))
    text = await move(here, ref, there)
    kept = [json.loads(line) for line in text.splitlines() if '"outcome": "finished"' in line]
    assert [(each["trial"], each["state"], each["length"]) for each in kept] == [
        (best, "completed", 2),
        (worst, "completed", 1),
    ]
    played = [await to_the_end(site.store, ref) for site in sites]
    assert played[0] == played[1]
    assert played[0]
    for site in sites:
        for view in await site.store.trials(ref, [best, worst]):
            assert (view.state, view.outcome) == (TrialState.COMPLETED, Outcome.FINISHED)
            assert view.length == (2 if view.trial == best else 1)
        await assert_sound(site.url, ref.experiment)


async def test_a_trial_that_waits_may_still_end_by_itself_elsewhere(
    sites: tuple[Site, Site], ref: ExperimentRef
) -> None:
    """Without another report: it told one before the move."""
    here, there = sites
    await create_planned(here.store, ref, plan((9,), trials=2))
    (given,) = await ask_for(here.store, ref)
    await here.store.tell(ref, "", [Result(given.lease, [Report(4, 0.25)], "at 4")])
    await here.store.release(ref, "", [Release(given.lease)])
    await move(here, ref, there)
    (again,) = await ask_for(there.store, ref)
    await there.store.tell(ref, "", [Result(again.lease, [], finished=True)])
    (view,) = await there.store.trials(ref, [0])
    assert (view.state, view.length, view.metric, view.outcome) == (TrialState.COMPLETED, 4, 0.25, Outcome.FINISHED)
    await assert_sound(there.url, ref.experiment)


@pytest.mark.parametrize("outcome", FAILURES)
async def test_a_search_that_has_paused_itself(outcome: Outcome, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create_planned(here.store, ref, plan((9,), trials=40))
    await fail(here.store, ref, 10, outcome)
    await move(here, ref, there)
    for site in sites:
        progress, asked = await site.store.progress(ref), await site.store.ask(ref, "", 1, "w")
        assert (progress.state, progress.failing) == (ExperimentState.PAUSED, TEXT)
        assert (asked.status, asked.reason, asked.message) == (AskStatus.WAIT, Reason.FAILING, TEXT)
        await site.store.set_state(ref, ExperimentState.RUNNING)
        await fail(site.store, ref, 9, outcome)
        assert (await site.store.progress(ref)).state is ExperimentState.RUNNING
        await fail(site.store, ref, 1, outcome)
        assert (await site.store.progress(ref)).failing == TEXT
        await assert_sound(site.url, ref.experiment)


@pytest.mark.parametrize("before", [1, 9])
async def test_failures_so_far_are_counted_on(before: int, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create_planned(here.store, ref, plan((9,), trials=40))
    await fail(here.store, ref, before)
    await move(here, ref, there)
    await fail(there.store, ref, 9 - before)
    assert (await there.store.progress(ref)).failing is None
    await fail(there.store, ref, 1)
    assert (await there.store.progress(ref)).failing == TEXT


@pytest.mark.parametrize("pause_after", [0, 3])
async def test_the_brake_is_set_as_it_was(pause_after: int, sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create_planned(here.store, ref, plan((9,), trials=40), pause_after=pause_after)
    await move(here, ref, there)
    await fail(there.store, ref, pause_after or 40)
    assert ((await there.store.progress(ref)).failing == TEXT) == bool(pause_after)


async def test_one_that_its_user_paused_says_nothing_of_failures(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await create_planned(here.store, ref, plan((9,), trials=40))
    await fail(here.store, ref, 3)
    await here.store.set_state(ref, ExperimentState.PAUSED)
    await move(here, ref, there)
    asked = await there.store.ask(ref, "", 1, "w")
    assert (asked.reason, asked.message) == (Reason.EXPERIMENT_PAUSED, "")
    assert (await there.store.progress(ref)).failing is None
