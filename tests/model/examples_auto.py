"""Games worked by hand: entries, budgets, and trials that go on after the last new one."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from rungway_server.domain.engine import AskStatus, Assignment, Decision, Explanation, Outcome, Reason, TrialState
from tests.model.hand import Hand, Start, example
from tests.model.plans import STOP, async_plan, auto_plan

WAITS, UP, SPENT = "pause not_promoted", "continue promoted", "pause budget_spent"


def work(
    hand: Hand, metric: Callable[[int, int], float], most: int, cost: Callable[[int], float] | None = None
) -> list[Assignment]:
    """One worker trains one assignment after the other; a metric is that of a trial at a length, the cost of a unit of
    length that of a trial. What it was given."""
    given: list[Assignment] = []
    while len(given) < most:
        answer = hand.answer()
        if answer.status is not AskStatus.ASSIGNED:
            return given
        given += answer.assignments
        trial, decision = given[-1].lease.trial, Decision.CONTINUE
        while decision is Decision.CONTINUE:
            length = hand.next_length[trial]
            paid = None if cost is None else cost(trial) * (length - hand.view(trial).length)
            decision = hand.tell(trial, metric(trial, length), cost=paid).decision
    return given


def mixed(trial: int, _length: int) -> float:
    """Another metric for each of many trials, in no order."""
    return trial * 37 % 101 / 101


@example
def trials_enter_higher_once_one_was_trained_to_the_end(start: Start) -> None:
    """Until the top rung has a result each trial enters at the lowest; then at the entry furthest below its share."""
    hand = start(auto_plan(1, 3, 9, trials=40))
    given = work(hand, mixed, 45)
    new = [each for each in given if each.explanation.reason is Reason.NEW_TRIAL]
    first_full = next(i for i, each in enumerate(given) if each.to_length == 9)
    assert {each.rung for each in new if given.index(each) < first_full} == {0}
    assert {each.rung for each in new} == {0, 1, 2}
    entered = next(each for each in new if each.rung == 2)
    assert (entered.from_length, entered.to_length, entered.explanation.rung) == (0, 9, 2)
    shares = [round(4096 * each.share) for each in entered.explanation.entries]
    assert (len(shares), sum(shares)) == (3, 4096)


@example
def the_training_follows_the_best_results(start: Start) -> None:
    """Where those are best that entered at the top, most of the training goes there; a tenth stays as at first."""
    hand = start(auto_plan(1, 2, 4, trials=40, divisor=2))
    work(hand, lambda trial, length: mixed(trial, length) - (length == 4 and not hand.view(trial).curve), 50)
    low, _, full = hand.engine.progress().entries
    assert full.share > low.share > 0.07
    assert full.credit > 1


@example
def the_dead_have_no_credit(start: Start) -> None:
    """Where the best third of a rung are not numbers, they count for no entry."""
    hand = start(auto_plan(1, 2, trials=30, divisor=1.5))
    work(hand, lambda trial, _: math.nan if trial % 3 else trial / 30, 36)
    low, full = hand.engine.progress().entries
    assert 0 < low.credit + full.credit < math.floor(hand.sizes()[1] / 1.5) - 1


@example
def results_of_elsewhere_are_nobodys_credit(start: Start) -> None:
    """They rank as all others do, and no entry had training for them."""
    hand = start(auto_plan(1, 2, trials=30, divisor=2))
    for i in range(8):
        hand.enqueue_known({"x": i / 10}, 2, i / 100)
    given = work(hand, lambda trial, _: 1 + trial / 100, 8)
    assert {each.explanation.rung for each in given} == {0, 1}  # a full result is there
    low, full = hand.engine.progress().entries
    assert low.credit + full.credit < 0.2  # all others are better
    more = work(hand, lambda trial, _: -trial, 9)
    low, full = hand.engine.progress().entries
    assert len(more) == 9
    assert low.credit + full.credit > 1


@example
def of_many_results_the_best_have_credit(start: Start) -> None:
    """Results behind the best 128 change no credit; those before these count, when there are 3 % more results."""
    hand = start(auto_plan(1, 2, trials=250, divisor=2))
    for i in range(150):
        hand.enqueue_known({"x": i / 150}, 2, i / 150)
    work(hand, lambda trial, _: 1 + trial, 16)
    assert [entry.credit for entry in hand.engine.progress().entries] == [0, 0]
    work(hand, lambda trial, _: -trial, 30)
    low, full = hand.engine.progress().entries
    assert low.credit + full.credit > 2


@example
def credit_grows_with_the_top_k(start: Start) -> None:
    """Also by results behind the best 128, until the top-k has 48."""
    hand = start(auto_plan(1, 2, trials=250, divisor=4))
    for i in range(150):
        hand.enqueue_known({"x": i / 150}, 2, i / 150)
    work(hand, lambda trial, _: -trial, 20)
    before = sum(entry.credit for entry in hand.engine.progress().entries)
    work(hand, lambda trial, _: 1 + trial, 60)
    assert sum(entry.credit for entry in hand.engine.progress().entries) > before


@example
def what_was_not_trained_is_given_back(start: Start) -> None:
    """The training handed out is what was trained, and what running trials still may."""
    hand = start(auto_plan(4, 9, trials=9))
    hand.ask(3)
    hand.tell(0, 0.5, at=1, checkpoint="")
    assert [each.spent for each in hand.engine.progress().entries] == [12, 0]
    hand.release(0)
    hand.fail(1, Outcome.ERROR)
    assert [each.spent for each in hand.engine.progress().entries] == [1 + 4, 0]


@example
def the_best_that_waits_goes_on(start: Start) -> None:
    """When no new trial is left and nothing may be promoted, the best of the highest rung goes on, until all have."""
    hand = start(replace(async_plan(1, 3, 9, trials=3), go_on=True))
    hand.ask(3)
    assert [hand.told(0, 0.5), hand.told(1, 0.7), hand.told(2, 0.6)] == [WAITS] * 3
    assert [hand.assigned().lease.trial, hand.told(0, 0.5)] == [0, WAITS]  # the best of three, promoted
    given = hand.assigned()  # nobody else is in the highest rung: no rank there lets it go
    assert (given.lease.trial, given.from_length, given.to_length) == (0, 3, 9)
    assert given.explanation == Explanation(Reason.GOING_ON, 0, 1, 0, 1, 0, None)
    assert [hand.told(0, 0.5), hand.assigned().lease.trial] == ["stop completed", 2]
    assert hand.assigned().lease.trial == 1
    assert [hand.told(1, 0.7), hand.told(2, 0.6)] == [WAITS, WAITS]
    assert [given.lease.trial for given in work(hand, mixed, 9)] == [2, 1]
    assert hand.waits() == "done search_done"
    assert hand.sizes() == [3, 3, 3]


@example
def who_goes_on_may_pass_equal_rungs(start: Start) -> None:
    """Rungs of equal length cost no training, for those that go on as for those that are promoted."""
    hand = start(replace(async_plan(1, 1, 1, 4, trials=3, divisor=4), go_on=True))
    hand.ask(3)
    assert [hand.told(0, 0.5), hand.told(1, 0.7), hand.told(2, 0.6)] == [WAITS] * 3
    assert [(given.lease.trial, given.to_length) for given in work(hand, mixed, 9)] == [(0, 4), (2, 4), (1, 4)]
    assert hand.waits() == "done search_done"


@example
def nothing_is_handed_out_beyond_the_budget(start: Start) -> None:
    """A budget of training is passed by less than one assignment: neither asks nor promotions go on."""
    hand = start(replace(async_plan(1, 3, trials=30, divisor=2), go_on=True, budget=4))
    assert hand.ask(9) == [0, 1, 2, 3]
    assert hand.waits() == "wait budget_spent"
    assert [hand.told(0, 0.5), hand.told(1, 0.4)] == [WAITS, SPENT]
    assert (hand.view(1).state, hand.passed()) == (TrialState.PAUSED, [0, 0])
    hand.release(2)
    assert hand.ask() == [2]  # what it gave back may be trained
    hand.fail(2, Outcome.ERROR)
    assert hand.assigned().lease.trial == 1
    assert hand.told(1, 0.4) == "stop completed"
    assert hand.waits() == "wait budget_spent"
    assert hand.told(3, 0.1) == SPENT
    assert hand.waits() == "done search_done"
    assert hand.engine.progress().budget_spent


@example
def a_stopping_search_may_have_a_budget(start: Start) -> None:
    """An assignment is counted to the top, and what a rung cuts off is given back."""
    hand = start(replace(async_plan(1, 4, trials=30, divisor=4, form=STOP), budget=8))
    assert hand.ask(3) == [0, 1]
    assert [hand.told(0, 0.5), hand.told(1, 0.6)] == [UP, "stop stopped_at_rung"]
    assert hand.ask(3) == [2]
    assert hand.told(2, 0.7) == "stop stopped_at_rung"
    assert hand.told(0, 0.5) == "stop completed"
    assert hand.ask(3) == [3]
    assert hand.told(3, 0.7) == "stop stopped_at_rung"
    assert hand.ask(3) == [4]


@example
def nothing_is_handed_out_after_the_hours(start: Start) -> None:
    """A budget of hours ends a search that long after its creation, whatever is left."""
    hand = start(auto_plan(1, 3, trials=30, go_on=True, budget_ms=10**12))
    hand.now = 10**12 // 2
    assert hand.ask(2) == [0, 1]
    hand.now = 4 * 10**12
    assert [hand.beat(0, 1), hand.told(0, 0.5)] == [[Decision.CONTINUE] * 2, WAITS]
    assert hand.waits() == "wait budget_spent"
    assert hand.told(1, 0.4) == WAITS
    assert hand.waits() == "done search_done"


@example
def some_go_on_blindly(start: Start) -> None:
    """With blind climbs an entry gets its share after the last new trial, too: one that waits, drawn evenly."""
    hand = start(auto_plan(1, 2, 4, trials=16, divisor=2, go_on=True, blind=True))
    given = work(hand, mixed, 99)
    blind = [each for each in given if each.explanation.reason is Reason.BLIND]
    assert any(each.to_length == 4 and each.explanation.rung == 0 and each.explanation.rank > 0 for each in blind)
    assert hand.waits() == "done search_done"
    assert hand.sizes()[-1] == 16


@example
def an_invalid_trial_leaves_no_credit(start: Start) -> None:
    """Where its result goes and another one comes, the rung has as many as before, and the credit is of others."""
    hand = start(auto_plan(1, 2, 4, trials=200, divisor=2))
    running: dict[int, list[int]] = {1: [], 2: []}  # trials that were promoted at this length, and train on
    credits = list[list[float]]()

    def tell(trial: int, length: int, metric: float) -> None:
        if hand.told(trial, metric) == UP:
            running[length].append(trial)

    for _ in range(120):
        given = hand.assigned()
        credits.append([round(each.credit, 2) for each in hand.engine.progress().entries])
        if running[2] and running[1]:
            hand.fail(running[2].pop(), Outcome.INVALID)
            trial = running[1].pop()
            tell(trial, 2, mixed(trial, 0))
        entered = given.explanation.reason is Reason.NEW_TRIAL and given.rung > 0
        if given.to_length < 4 or hand.sizes()[2] == 0:
            tell(given.lease.trial, given.to_length, mixed(given.lease.trial, 0) - entered)
    assert hand.sizes()[2] == 1
    assert any(before[1] > after[1] for before, after in pairwise(credits))
