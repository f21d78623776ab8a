"""Games worked by hand: who is promoted, who stops, what counts where (one promise of the rules each)."""

import math

from rungway_server.domain.engine import Decision, Explanation, Outcome, Reason, TrialState
from tests.model.hand import Start, example, in_short
from tests.model.plans import STOP, async_plan, sync_plan

UP, WAITS, DONE = "continue promoted", "pause not_promoted", "stop completed"
STOPPED = "stop stopped_at_rung"


@example
def the_best_third_is_promoted(start: Start) -> None:
    """Nine trials, divisor 3: of n results of a rung the best floor(n / 3) are promoted."""
    hand = start(async_plan(1, 3, 9, trials=9))
    assert hand.ask(9) == list(range(9))
    assert [hand.told(0, 0.5), hand.told(1, 0.6)] == [WAITS, WAITS]  # floor(2 / 3) = 0
    assert hand.told(2, 0.4) == UP  # best of 3
    assert hand.told(3, 0.3) == UP  # best of 4: it displaces trial 2, which stays up
    assert [hand.told(4, 0.9), hand.told(5, 0.8)] == [WAITS, WAITS]  # best two of 6: trials 3 and 2, both up
    assert hand.told(6, 0.45) == WAITS  # third of 7
    assert hand.told(7, 0.35) == UP  # second of 8
    assert hand.told(8, 0.95) == WAITS  # best three of 9: trials 3, 7, 2
    assert hand.passed() == [3, 0, 0]
    assert [hand.told(2, 0.4), hand.told(3, 0.3)] == [WAITS, WAITS]
    assert hand.told(7, 0.35) == WAITS  # best of 3 at length 3 is trial 3
    given = hand.assigned()
    assert (given.lease.trial, given.from_length, given.to_length, given.rung) == (3, 3, 9, 2)
    assert given.explanation == Explanation(Reason.PROMOTED, 0, 1, 0, 3, 1, 0.3)
    assert hand.told(3, 0.2) == DONE
    assert hand.waits() == "done search_done"
    assert hand.sizes() == [9, 3, 1]


@example
def a_result_lets_another_up(start: Start) -> None:
    """A result may widen the top-k for an older one: the next ask resumes that trial from its checkpoint."""
    hand = start(async_plan(1, 3, 9, trials=9))
    hand.ask(3)
    assert [hand.told(0, 0.1), hand.told(1, 0.2), hand.told(2, 0.3)] == [WAITS] * 3
    given = hand.assigned()
    assert (given.lease.trial, given.checkpoint, given.from_length, given.to_length) == (0, "saved", 1, 3)
    assert given.explanation == Explanation(Reason.PROMOTED, 0, 0, 0, 3, 1, 0.1)
    assert hand.ask() == [3]


@example
def older_result_wins_a_tie(start: Start) -> None:
    """Promotion: of equal results the one told earlier ranks first, whatever the trial's number."""
    hand = start(async_plan(1, 2, trials=3, divisor=2))
    hand.ask(3)
    assert [hand.told(2, 0.5), hand.told(0, 0.5)] == [WAITS, WAITS]
    assert hand.ask() == [2]
    reply = hand.tell(1, 0.5)
    assert reply.explanation == Explanation(Reason.NOT_PROMOTED, 0, 0, 2, 3, 1, 0.5)


@example
def larger_may_be_better(start: Start) -> None:
    """The direction of the metric turns ranks, cutoff and best around."""
    hand = start(async_plan(1, 2, trials=4, divisor=2), smaller_is_better=False)
    hand.ask(4)
    assert hand.told(0, 0.5) == WAITS
    reply = hand.tell(1, 0.7)
    assert reply.explanation == Explanation(Reason.PROMOTED, 0, 0, 0, 2, 1, 0.7)
    assert hand.told(2, math.inf) == UP
    assert hand.told(3, -math.inf) == WAITS
    assert hand.best() == [2, 1, 0, 3]


@example
def displaced_result_waits_again(start: Start) -> None:
    """A result that waits in the top-k leaves it when a better one comes before anyone asks."""
    hand = start(async_plan(1, 2, trials=5, divisor=2))
    hand.ask(5)
    assert [hand.told(0, 0.2), hand.told(1, 0.4)] == [WAITS, WAITS]  # trial 0 is promotable now
    assert hand.told(2, 0.1) == UP  # best of 3: only one is promotable, so trial 0 is not any more
    assert hand.waits() == "wait waiting_for_results"
    assert hand.told(3, 0.9) == WAITS  # best two of 4: trial 0 may again
    assert hand.ask() == [0]


@example
def first_of_a_rung_goes_on(start: Start) -> None:
    """Stopping: on iff fewer than max(floor(n / 3), 1) results are strictly better, the newcomer counted in n."""
    hand = start(async_plan(1, 3, 9, trials=9, form=STOP))
    given = hand.answer(9).assignments[0]
    assert (given.to_length, given.next_decision_length) == (9, 1)
    reply = hand.tell(0, 0.5)
    assert reply.explanation == Explanation(Reason.PROMOTED, 0, 0, 0, 1, 1, 0.5)
    assert (reply.to_length, reply.next_decision_length) == (9, 3)
    assert hand.told(1, 0.6) == STOPPED
    assert hand.told(2, 0.5) == UP  # none strictly better: a tie goes on
    assert hand.told(3, 0.4) == UP
    assert hand.told(4, 0.45) == STOPPED  # one better of 5
    assert hand.told(5, 0.45) == UP  # one better of 6, and floor(6 / 3) = 2
    stopped = hand.tell(6, 0.47)
    assert stopped.explanation == Explanation(Reason.STOPPED_AT_RUNG, 0, 0, 3, 7, 2, 0.45)
    view = hand.view(6)
    assert (view.state, view.outcome, view.rung) == (TrialState.STOPPED, None, 0)
    assert hand.sizes() == [7, 0, 0]


@example
def one_report_passes_several_rungs(start: Start) -> None:
    """Stopping: a report counts in each rung whose length it has reached, once per rung."""
    hand = start(async_plan(1, 3, 9, trials=3, form=STOP))
    hand.ask(3)
    assert in_short(hand.tell(0, 0.5, at=2)) == UP
    assert hand.sizes() == [1, 0, 0]
    assert in_short(hand.tell(0, 0.5, 0.6, at=[5, 7])) == UP
    assert hand.sizes() == [1, 1, 0]
    assert in_short(hand.tell(0, 0.5, at=8)) == "continue between_rungs"
    assert in_short(hand.tell(1, 0.4, at=9)) == DONE
    assert hand.sizes() == [2, 2, 1]
    assert hand.passed() == [2, 2, 0]


@example
def reports_after_the_stop_enter_the_curve_alone(start: Start) -> None:
    """Stopping: a batch is judged in order; what follows the report that stopped the trial is kept, not judged."""
    hand = start(async_plan(1, 3, 9, trials=2, form=STOP))
    hand.ask(2)
    hand.told(0, 0.1)
    reply = hand.tell(1, 0.5, 0.01, 0.02, at=[1, 3, 4])
    assert in_short(reply) == STOPPED
    assert hand.sizes() == [2, 0, 0]
    view = hand.view(1)
    assert [report.length for report in view.curve] == [1, 3, 4]
    assert (view.length, view.best_metric, view.best_length, view.checkpoint_length) == (4, 0.01, 3, 4)


@example
def equal_rungs_cost_no_training(start: Start) -> None:
    """A result that is promoted to a rung whose length it has reached counts there at once, by tell and by ask."""
    hand = start(async_plan(1, 1, 1, 4, trials=4, divisor=2))
    hand.ask(4)
    assert hand.told(0, 0.5) == WAITS
    reply = hand.tell(1, 0.4)  # best of 2 is promoted to rung 1, where it is alone
    assert reply.explanation == Explanation(Reason.NOT_PROMOTED, 0, 1, 0, 1, 0, None)
    assert hand.sizes() == [2, 1, 0, 0]
    reply = hand.tell(2, 0.3)  # best of 3; then best of 2 in rung 1; then alone in rung 2
    assert reply.explanation == Explanation(Reason.NOT_PROMOTED, 0, 2, 0, 1, 0, None)
    assert hand.told(3, 0.9) == WAITS  # the best two of 4 are promoted already
    assert hand.sizes() == [4, 2, 1, 0]
    assert hand.waits() == "done search_done"


@example
def an_ask_promotes_through_equal_rungs(start: Start) -> None:
    """An ask takes a waiting result up as far as its length counts; where it stays, the next candidate is served."""
    hand = start(async_plan(1, 1, 4, trials=6, divisor=2))
    hand.ask(4)
    assert [hand.told(0, 0.1), hand.told(1, 0.2)] == [WAITS, WAITS]
    assert hand.ask(2) == [4, 5]  # trial 0 is promoted, but stays in rung 1, alone: two new trials instead
    assert (hand.sizes(), hand.view(0).rung) == ([2, 1, 0], 1)
    assert [hand.told(2, 0.3), hand.told(3, 0.4)] == [WAITS, WAITS]  # best two of 4: trial 1 is promotable
    given = hand.assigned()  # it stays in rung 1, second of 2, and lets trial 0 go on from there
    assert (given.lease.trial, given.from_length, given.to_length, given.rung) == (0, 1, 4, 2)
    assert given.explanation == Explanation(Reason.PROMOTED, 0, 1, 0, 2, 1, 0.1)
    assert (hand.view(1).state, hand.view(1).rung) == (TrialState.PAUSED, 1)


@example
def an_ask_promotes_to_training(start: Start) -> None:
    """A waiting result that passes the equal rung as well trains on; the explanation is of the last rung it passed."""
    hand = start(async_plan(1, 1, 4, trials=4, divisor=2))
    hand.ask(4)
    hand.told(0, 0.3)
    hand.told(1, 0.4)
    assert hand.waits() == "wait waiting_for_results"  # trial 0 is in rung 1 now, alone
    hand.pause()
    assert hand.told(2, 0.1) == "pause experiment_paused"  # best of 3
    hand.resume()
    given = hand.assigned()  # best of 3 in rung 0, best of 2 in rung 1
    assert (given.lease.trial, given.rung) == (2, 2)
    assert given.explanation == Explanation(Reason.PROMOTED, 0, 1, 0, 2, 1, 0.1)
    assert hand.passed() == [2, 1, 0]


@example
def equal_rungs_to_the_top(start: Start) -> None:
    """With no length left to train a trial completes without ever running again."""
    hand = start(async_plan(2, 2, trials=2, divisor=2))
    hand.ask(2)
    assert hand.told(0, 0.1) == WAITS
    assert hand.told(1, 0.2) == WAITS
    assert hand.waits() == "done search_done"
    assert hand.view(0).state is TrialState.COMPLETED
    assert hand.view(1).state is TrialState.PAUSED
    assert hand.sizes() == [2, 1]


@example
def sync_rule_is_definitive(start: Start) -> None:
    """Synchronous: with results + slots - size > 0 that many of the best are promoted at once, and no sooner."""
    hand = start(sync_plan((1, 4, 2), (3, 2, 1), (9, 1, 0)))
    hand.ask(4)
    assert [hand.told(0, 0.1), hand.told(1, 0.2)] == [WAITS, WAITS]  # 2 + 2 - 4 = 0
    assert hand.waits() == "wait waiting_for_results"
    reply = hand.tell(2, 0.3)  # 3 + 2 - 4 = 1: trial 0 is promoted
    assert reply.explanation == Explanation(Reason.NOT_PROMOTED, 0, 0, 2, 3, 1, 0.1)
    assert hand.ask() == [0]
    assert hand.told(3, 0.15) == UP  # second of 4, and two may
    assert hand.told(0, 0.1) == WAITS  # 1 + 1 - 2 = 0
    assert hand.told(3, 0.05) == UP
    assert hand.told(3, 0.05) == DONE
    assert hand.waits() == "done search_done"


@example
def nan_and_infinity(start: Start) -> None:
    """NaN ranks after +inf, like a dead trial's result, but its trial may go on; infinities order naturally."""
    hand = start(async_plan(2, 4, trials=6, divisor=2))
    hand.ask(6)
    assert in_short(hand.tell(0, math.nan, at=1)) == "continue between_rungs"
    assert hand.told(0, math.nan) == WAITS
    reply = hand.tell(1, math.inf)
    assert (in_short(reply), reply.explanation.cutoff) == (UP, math.inf)
    assert hand.told(2, -math.inf) == UP
    reply = hand.tell(3, math.nan)
    assert reply.explanation == Explanation(Reason.NOT_PROMOTED, 0, 0, 3, 4, 2, math.inf)
    assert hand.told(4, math.nan) == WAITS
    assert hand.told(5, math.nan) == WAITS  # best three of 6: the oldest NaN is promotable
    assert hand.assigned().lease.trial == 0
    assert in_short(hand.tell(0, 0.5, at=3)) == "continue between_rungs"
    assert hand.told(0, 0.1) == DONE
    assert hand.best() == [2, 0, 1]
    assert hand.view(3).best_metric is None


@example
def a_cutoff_is_a_real_metric(start: Start) -> None:
    """There is no cutoff where the last result inside the quota is NaN."""
    hand = start(async_plan(1, 2, trials=2, divisor=2))
    hand.ask(2)
    assert hand.told(0, math.nan) == WAITS
    assert hand.tell(1, math.nan).explanation == Explanation(Reason.NOT_PROMOTED, 0, 0, 1, 2, 1, None)
    assert hand.ask() == [0]


@example
def dead_trials_rank_last(start: Start) -> None:
    """A dead trial ranks after every real result, +inf too, never runs again and lets others up."""
    hand = start(async_plan(1, 2, trials=4, divisor=2))
    hand.ask(4)
    reply = hand.fail(0, Outcome.DIVERGED)
    assert (reply.decision, reply.explanation.reason) == (Decision.STOP, Reason.FAILED)
    view = hand.view(0)
    assert (view.state, view.outcome, view.message) == (TrialState.FAILED, Outcome.DIVERGED, "it broke")
    assert hand.told(1, math.inf) == UP
    assert hand.sizes() == [2, 0]
    hand.fail(2, Outcome.STOPPED)
    assert hand.view(2).state is TrialState.STOPPED
    assert hand.told(3, 0.5) == UP  # best of 4


@example
def a_dead_trial_that_wins_a_slot(start: Start) -> None:
    """It counts at once as dead in the next rung, and so on up: it blocks no rung."""
    hand = start(async_plan(1, 2, 4, 8, trials=4, divisor=2))
    hand.ask(4)
    hand.fail(0, Outcome.ERROR)
    hand.fail(1, Outcome.ERROR)  # 2 results, one is promotable: trial 0, dead
    assert (hand.sizes(), hand.passed()) == ([2, 1, 0, 0], [1, 0, 0, 0])
    hand.fail(2, Outcome.ERROR)
    hand.fail(3, Outcome.ERROR)  # trial 1 follows, and of two dead in rung 1 the older goes on
    assert (hand.sizes(), hand.passed()) == ([4, 2, 1, 0], [2, 1, 0, 0])
    assert hand.view(0).rung == 2
    assert hand.waits() == "done search_done"


@example
def a_newcomer_that_dies_in_the_top_k(start: Start) -> None:
    """A dead newcomer in the top-k is promoted at once, to the top if need be; the explanation is of the last rung."""
    hand = start(sync_plan((1, 1, 1), (2, 1, 1), (4, 1, 0)))
    hand.ask()
    reply = hand.fail(0, Outcome.ERROR)
    assert reply.explanation == Explanation(Reason.FAILED, 0, 2, 0, 1, 0, None)
    assert (hand.sizes(), hand.passed()) == ([1, 1, 1], [1, 1, 0])
    assert hand.waits() == "done search_done"


@example
def the_dead_are_never_promoted_in_the_stop_form(start: Start) -> None:
    """There a dead trial counts in its rung and that is all; its rank is the number of strictly better results."""
    hand = start(async_plan(1, 2, trials=3, divisor=1.5, form=STOP))
    hand.ask(3)
    hand.fail(0, Outcome.ERROR)
    reply = hand.fail(1, Outcome.ERROR)
    assert reply.explanation == Explanation(Reason.FAILED, 0, 0, 0, 2, 1, None)
    assert hand.told(2, math.nan) == UP  # none strictly better
    assert (hand.sizes(), hand.passed()) == ([3, 0], [1, 0])
