"""Games worked by hand: targets, and configurations of users' own (one promise of the rules each)."""

import math

import pytest

from rungway_server.domain.engine import Decision, ExperimentState, Reason, TrialState
from rungway_server.domain.errors import NoTrialsLeft, WrongState
from tests.model.hand import Start, example
from tests.model.plans import STOP, async_plan


@example
def a_result_as_good_as_the_target_ends_the_search(start: Start) -> None:
    """At once for who told it, at their next word for all others; what comes late is kept."""
    hand = start(async_plan(1, 3, trials=6), target=0.25)
    assert hand.ask(3) == [0, 1, 2]
    assert hand.told(0, 0.5) == "pause not_promoted"
    assert hand.told(1, 0.25) == "stop target_reached"
    assert hand.engine.progress().state is ExperimentState.DONE
    assert hand.waits() == "done search_done"
    assert hand.beat(2) == [Decision.STOP]
    assert hand.told(2, 0.125) == "stop search_done"
    assert [hand.view(trial).state for trial in range(3)] == [
        TrialState.PAUSED,
        TrialState.COMPLETED,
        TrialState.STOPPED,
    ]
    assert hand.sizes() == [1, 0]
    assert hand.best() == [2, 1, 0]


@example
def a_target_knows_the_direction_and_no_nan(start: Start) -> None:
    """Larger is better here; NaN is as good as nothing."""
    hand = start(async_plan(1, 3, trials=6), smaller_is_better=False, target=0.75)
    hand.ask(4)
    assert hand.told(0, math.nan) == "pause not_promoted"
    assert hand.told(1, 0.5) == "pause not_promoted"
    assert hand.told(2, -math.inf) == "pause not_promoted"
    assert hand.told(3, 0.75) == "stop target_reached"


@example
def nan_never_reaches_a_target(start: Start) -> None:
    """Neither in the stopping form, nor between rungs."""
    hand = start(async_plan(2, 4, trials=2, form=STOP), target=0.25)
    hand.ask(1)
    assert hand.tell(0, math.nan, 0.5, at=[1, 2]).explanation.reason is not Reason.TARGET_REACHED
    assert hand.engine.progress().state is ExperimentState.RUNNING
    assert hand.tell(0, 0.25, at=3).explanation.reason is Reason.TARGET_REACHED


@example
def enqueued_configurations_come_first_and_in_order(start: Start) -> None:
    """Each once, never more than there are new trials; a repeat is the same entry."""
    hand = start(async_plan(1, trials=3))
    assert [hand.enqueue({"x": 0.1}, "a"), hand.enqueue({"x": 0.2}, "b"), hand.enqueue({"x": 0.1}, "a")] == [0, 1, 0]
    assert hand.enqueue({"x": 0.3}) == 2
    with pytest.raises(NoTrialsLeft):
        hand.enqueue({"x": 0.4})
    assert hand.assigned().explanation.reason is Reason.ENQUEUED
    assert [given.hparams for given in hand.answer(2).assignments] == [{"x": 0.2}, {"x": 0.3}]
    assert hand.view(0).hparams == {"x": 0.1}
    with pytest.raises(NoTrialsLeft):
        hand.enqueue({"x": 0.4})
    hand.stop()
    with pytest.raises(WrongState):
        hand.enqueue({"x": 0.4})


@example
def a_known_result_counts_in_its_rung_alone(start: Start) -> None:
    """It is finished, costs no training, is one of the trials, and moves the slots and ranks of the others."""
    hand = start(async_plan(1, 3, 9, trials=4, divisor=2))
    assert hand.enqueue_known({"x": 0.1}, 3, 0.5, "a") == 0
    assert hand.enqueue_known({"x": 0.1}, 3, 0.5, "a") == 0
    assert hand.sizes() == [0, 1, 0]
    assert hand.engine.progress().trained_length == 0
    view = hand.view(0)
    assert (view.state, view.length, view.metric, view.best_length) == (TrialState.COMPLETED, 3, 0.5, 3)
    assert hand.ask(1) == [1]
    assert hand.told(1, 0.25) == "pause not_promoted"
    assert hand.enqueue_known({"x": 0.2}, 1, 0.75) == 2
    assert hand.ask(1) == [1]
    assert hand.told(1, 0.25) == "continue promoted"
    assert hand.sizes() == [2, 2, 0]
    assert hand.best() == [1, 0, 2]
    assert hand.enqueue({"x": 0.3}) == 0
    with pytest.raises(NoTrialsLeft):
        hand.enqueue_known({"x": 0.4}, 3, 0.5)


@example
def a_known_result_in_a_slot_counts_above_without_training(start: Start) -> None:
    """As that of a trial whose training has ended by itself, also in the stopping form and at the top."""
    hand = start(async_plan(1, 3, 9, trials=6, divisor=2))
    hand.enqueue_known({"x": 0.1}, 1, 0.5)
    hand.enqueue_known({"x": 0.2}, 1, 0.25)
    assert (hand.sizes(), hand.passed()) == ([2, 1, 0], [1, 0, 0])
    hand.enqueue_known({"x": 0.3}, 9, 0.0)
    assert (hand.sizes(), hand.best()) == ([2, 1, 1], [2, 1, 0])
    hand = start(async_plan(1, 3, trials=3, form=STOP, divisor=2))
    hand.enqueue_known({"x": 0.1}, 1, 0.25)
    assert (hand.sizes(), hand.view(0).rung) == ([1, 0], 0)
    assert hand.ask(1) == [1]
    assert hand.tell(1, 0.5, at=1).decision is Decision.STOP


@example
def a_known_result_may_end_a_search(start: Start) -> None:
    """By its target, and as the last of its trials."""
    hand = start(async_plan(1, 3, trials=6), target=0.25)
    hand.enqueue_known({"x": 0.1}, 3, 0.25)
    assert hand.waits() == "done search_done"
    with pytest.raises(WrongState):
        hand.enqueue_known({"x": 0.2}, 3, 0.5)
    hand = start(async_plan(1, trials=1))
    hand.enqueue_known({"x": 0.1}, 1, 0.5)
    assert hand.engine.progress().state is ExperimentState.DONE
