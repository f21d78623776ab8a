"""Games worked by hand: trainings that end themselves, restarts without progress, and the brake."""

import math

import pytest

from rungway_server.domain.engine import ExperimentState, Outcome, Report, Result, TrialState
from rungway_server.domain.errors import InvalidInput
from tests.model.hand import LEASE_MS, MAX_RESTARTS, Hand, Start, example, in_short
from tests.model.plans import STOP, async_plan, population_plan, sync_plan


def finish(hand: Hand, trial: int, *reports: tuple[int, float], request: str = "", checkpoint: str = "") -> str:
    """The training is over, with these last reports."""
    result = Result(hand.held[trial], [Report(*report) for report in reports], checkpoint, finished=True)
    return in_short(hand.tell_all([result], request)[0])


@example
def a_finished_trial_is_promoted_without_training(start: Start) -> None:
    """Its result stands in its rung under its true length, and in those above as soon as it is promoted; it is not
    handed out again."""
    hand = start(async_plan(4, 8, 16, trials=4, divisor=2))
    assert hand.ask(4) == [0, 1, 2, 3]
    assert finish(hand, 0, (2, 0.1)) == "stop finished"
    assert (hand.view(0).state, hand.view(0).outcome, hand.view(0).length) == (
        TrialState.COMPLETED,
        Outcome.FINISHED,
        2,
    )
    assert (hand.sizes(), hand.passed()) == ([1, 0, 0], [0, 0, 0])
    assert hand.told(1, 0.2) == "pause not_promoted"
    assert (hand.sizes(), hand.passed()) == ([2, 1, 0], [1, 0, 0])
    assert hand.told(2, 0.05) == "continue promoted"
    assert hand.told(2, 0.05) == "continue promoted"
    assert hand.told(3, 0.5) == "pause not_promoted"
    assert in_short(hand.tell(2, 0.04)) == "stop completed"
    assert hand.engine.progress().state is ExperimentState.DONE
    assert hand.best()[:2] == [2, 0]


@example
def a_finished_trial_reaches_the_top_at_once(start: Start) -> None:
    """The best of all rungs that exist already is promoted through each of them in the same call."""
    hand = start(async_plan(4, 8, 16, trials=4, divisor=2))
    hand.ask(4)
    hand.told(1, 0.3)
    hand.told(2, 0.2)
    hand.told(2, 0.2)
    assert hand.told(3, 0.4) == "pause not_promoted"
    assert finish(hand, 0, (1, 0.1), request="r") == "stop finished"
    assert finish(hand, 0, (1, 0.1), request="r") == "stop finished"
    assert hand.view(0).rung == 2
    assert hand.sizes() == [4, 2, 1]


@example
def a_synchronous_rung_gets_the_result_it_waits_for(start: Start) -> None:
    """A finished trial counts in its rung, and blocks no other trial."""
    hand = start(sync_plan((4, 3, 1), (8, 1, 0)))
    assert hand.ask(3) == [0, 1, 2]
    hand.told(0, 0.3)
    hand.told(1, 0.2)
    assert finish(hand, 2, (3, 0.1)) == "stop finished"
    assert hand.sizes() == [3, 1]
    assert hand.engine.progress().state is ExperimentState.DONE


@example
def the_last_result_stands_without_a_new_one(start: Start) -> None:
    """A training may end after reports that were told before; one that never told anything has no result to stand."""
    hand = start(async_plan(4, 8, trials=2, divisor=2))
    assert hand.ask(2) == [0, 1]
    hand.tell(0, 0.5, at=2)
    assert finish(hand, 0) == "stop finished"
    with pytest.raises(InvalidInput) as refused:
        finish(hand, 1)
    assert [violation.field for violation in refused.value.violations] == ["results[0].finished"]
    assert finish(hand, 1, (1, math.nan)) == "stop finished"
    assert hand.best() == [0]
    assert hand.engine.progress().state is ExperimentState.DONE


@example
def a_result_of_an_earlier_lease_stands(start: Start) -> None:
    """With its length, though the trial has been restarted since."""
    hand = start(async_plan(4, trials=1))
    hand.ask()
    hand.tell(0, 0.5, at=2, checkpoint="")
    hand.fail(0, Outcome.TRANSIENT)
    hand.ask()
    assert finish(hand, 0) == "stop finished"
    assert (hand.view(0).length, hand.view(0).metric) == (2, 0.5)


@example
def a_training_that_ends_at_its_rung_is_decided_first(start: Start) -> None:
    """With the result of the rung: it stays there, or goes on and ends in the next rung; at the top it is complete."""
    hand = start(async_plan(4, 8, trials=4, divisor=2))
    assert hand.ask(4) == [0, 1, 2, 3]
    assert finish(hand, 0, (4, 0.2)) == "stop finished"
    assert (hand.view(0).rung, hand.view(0).state, hand.view(0).outcome) == (0, TrialState.COMPLETED, Outcome.FINISHED)
    assert finish(hand, 1, (4, 0.1)) == "stop finished"
    assert (hand.view(1).rung, hand.view(1).length) == (1, 4)
    assert hand.told(2, 0.5) == "pause not_promoted"
    assert hand.told(3, 0.6) == "pause not_promoted"
    assert hand.view(0).rung == 1  # without a worker
    assert hand.engine.progress().state is ExperimentState.DONE
    hand = start(async_plan(4, trials=1))
    hand.ask()
    assert finish(hand, 0, (4, 0.1)) == "stop completed"
    assert hand.view(0).outcome is None


@example
def a_training_that_ends_at_its_rung_is_promoted_in_a_pause(start: Start) -> None:
    """There is nothing to wait for: no worker will train it."""
    hand = start(async_plan(4, 8, trials=3, divisor=2))
    assert hand.ask(3) == [0, 1, 2]
    assert hand.told(0, 0.5) == "pause not_promoted"
    hand.pause()
    assert finish(hand, 1, (4, 0.4)) == "stop finished"
    assert (hand.view(1).rung, hand.view(1).state) == (1, TrialState.COMPLETED)
    assert hand.told(2, 0.1) == "pause experiment_paused"


@example
def a_finished_trial_is_not_judged_where_rungs_stop(start: Start) -> None:
    """Its result is one that others are compared with."""
    hand = start(async_plan(4, 8, trials=3, divisor=2, form=STOP))
    assert hand.ask(3) == [0, 1, 2]
    assert finish(hand, 0, (2, 0.5)) == "stop finished"
    assert hand.sizes() == [1, 0]
    assert in_short(hand.tell(1, 0.9)) == "stop stopped_at_rung"
    assert in_short(hand.tell(2, 0.1)) == "continue promoted"


@example
def a_finished_member_of_a_population_stays_in_it(start: Start) -> None:
    """It counts in each later round with the result it has."""
    hand = start(population_plan(2, 4, size=3, cut=1))
    assert hand.ask(3) == [0, 1, 2]
    assert finish(hand, 0, (1, 0.1), checkpoint="c") == "stop finished"
    hand.told(1, 0.2)
    hand.told(2, 0.3)
    assert hand.sizes()[1] == 1


@example
def progress_sets_restarts_back(start: Start) -> None:
    """Failures and expired leases count since the last checkpoint that was longer than any before."""
    hand = start(async_plan(40, trials=1))
    for length in range(1, 12):
        assert hand.ask() == [0]
        hand.tell(0, 0.5, at=length, checkpoint=f"c{length}")
        assert hand.view(0).restarts == 0
        if length % 2:
            assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "pause retry"
        else:
            hand.now += 2 * LEASE_MS
    for _ in range(MAX_RESTARTS - 1):
        hand.ask()
        hand.tell(0, 0.4, at=12, checkpoint="")
        assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "pause retry"
    hand.ask()
    assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "stop failed"


@example
def without_checkpoints_a_further_length_is_progress(start: Start) -> None:
    """The same length again is no progress, because the trial restarted."""
    hand = start(async_plan(40, trials=1))
    for length in range(1, 6):
        hand.ask()
        hand.tell(0, 0.5, at=length, checkpoint="")
        assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "pause retry"
    for _ in range(MAX_RESTARTS - 1):
        hand.ask()
        hand.tell(0, 0.5, at=5, checkpoint="")
        assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "pause retry"
    hand.ask()
    hand.tell(0, 0.5, at=4, checkpoint="")
    assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "stop failed"


@example
def a_shorter_checkpoint_is_no_progress(start: Start) -> None:
    """Given back with an older state than before: the third time in a row is counted."""
    hand = start(async_plan(40, trials=1))
    hand.ask()
    hand.tell(0, 0.5, at=10, checkpoint="c10")
    assert in_short(hand.release(0, "c5", 5)) == "pause preempted"
    for length in (6, 7):
        hand.ask()
        hand.tell(0, 0.5, at=length, checkpoint="")
        assert in_short(hand.release(0, f"c{length}", length)) == "pause preempted"
    hand.ask()
    assert in_short(hand.release(0, "c7", 7)) == "pause retry"


@example
def a_lease_that_ends_with_a_decision_was_no_return(start: Start) -> None:
    """Even where it brought no new checkpoint."""
    hand = start(async_plan(4, 8, trials=1, divisor=1))
    hand.ask()
    hand.tell(0, 0.5, at=1, checkpoint="c")
    assert in_short(hand.release(0)) == "pause preempted"
    hand.ask()
    hand.pause()
    assert in_short(hand.tell(0, 0.5, at=4, checkpoint="")) == "pause experiment_paused"
    hand.resume()
    for _ in range(2):
        assert hand.ask() == [0]
        assert in_short(hand.release(0)) == "pause preempted"
    hand.ask()
    assert in_short(hand.release(0)) == "pause retry"


@example
def the_brake_stops_a_search_that_only_fails(start: Start) -> None:
    """Three failures of the first trials, nothing told: paused, with the last error; resumed, it counts from 0."""
    hand = start(async_plan(4, trials=9), pause_after=3)
    for _ in range(2):
        for failures in range(3):
            assert hand.engine.progress().state is ExperimentState.RUNNING, failures
            [trial] = hand.ask()
            hand.fail(trial, Outcome.TRANSIENT if failures % 2 else Outcome.ERROR)
        assert hand.waits() == "wait failing"
        assert hand.answer().message == "it broke"
        assert (hand.engine.progress().state, hand.engine.progress().failing) == (ExperimentState.PAUSED, "it broke")
        hand.resume()
        assert hand.engine.progress().failing is None


@example
def the_brake_counts_expired_leases(start: Start) -> None:
    """Workers that vanish before they tell anything are failures, too."""
    hand = start(async_plan(4, trials=9), pause_after=2)
    assert hand.ask(2) == [0, 1]
    hand.now += 2 * LEASE_MS
    assert hand.waits() == "wait failing"
    assert hand.answer().message == "lease expired"


@example
def one_result_releases_the_brake_for_good(start: Start) -> None:
    """A search that can tell something is no search that only fails."""
    hand = start(async_plan(4, trials=9), pause_after=2)
    assert hand.ask(4) == [0, 1, 2, 3]
    hand.tell(0, 0.5, at=1)
    for trial in (1, 2, 3):
        hand.fail(trial, Outcome.ERROR)
    assert hand.engine.progress().state is ExperimentState.RUNNING


@example
def giving_back_is_no_failure_of_the_search(start: Start) -> None:
    """Neither is what its user stops."""
    hand = start(async_plan(4, trials=9), pause_after=2)
    assert hand.ask(4) == [0, 1, 2, 3]
    hand.release(0)
    hand.fail(1, Outcome.STOPPED)
    hand.fail(2, Outcome.STOPPED)
    hand.fail(3, Outcome.INVALID)
    assert hand.engine.progress().state is ExperimentState.RUNNING
