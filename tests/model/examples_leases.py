"""Games worked by hand: who is served first, leases, lines and restarts (one promise of the rules each)."""

import pytest

from rungway_server.domain.engine import (
    Decision,
    Outcome,
    Reason,
    TrialState,
)
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.plan import Bracket, Plan, Rung
from tests.model.hand import LEASE_MS, MAX_RESTARTS, Start, example, in_short
from tests.model.plans import ASYNC, PROMOTE, async_plan

LOST = "superseded lease_lost"


def two_brackets(*, cap: int = 0) -> Plan:
    """A bracket that stops most with concurrency 3, and one that trains all to the end with concurrency 2."""
    brackets = (Bracket((Rung(1), Rung(3)), 4, 3), Bracket((Rung(3),), 3, 2))
    return Plan(brackets, ASYNC, PROMOTE, 2, cap, "epochs")


@example
def served_in_order(start: Start) -> None:
    """First a trial given back, then a promotion from the highest rung, then a new trial."""
    hand = start(async_plan(1, 2, 4, trials=8, divisor=2))
    hand.ask(6)
    for trial, metric in enumerate([0.1, 0.2, 0.3, 0.4]):
        hand.told(trial, metric)
    assert hand.ask(2) == [0, 1]
    assert [hand.told(0, 0.2), hand.told(1, 0.1)] == ["pause not_promoted", "continue promoted"]
    assert hand.told(1, 0.1) == "stop completed"
    hand.told(4, 0.35)
    hand.told(5, 0.36)  # best three of 6 in rung 0: trial 2 is promotable
    assert hand.ask() == [2]
    hand.told(2, 0.9)
    assert hand.ask(2) == [6, 7]
    hand.told(6, 0.05)  # promoted: the best of 7
    hand.told(7, 0.06)  # best four of 8: promoted as well
    hand.told(7, 0.8)  # 4 results in rung 1, two are promotable: trial 0 is second
    hand.release(6)
    assert [given.explanation.reason for given in hand.answer(3).assignments] == [Reason.REQUEUED, Reason.PROMOTED]
    assert hand.view(0).rung == 2


@example
def brackets_by_share(start: Start) -> None:
    """The bracket with the smallest share of its concurrency in use; ties: the one that stops most."""
    hand = start(two_brackets())
    brackets = [given.bracket for given in hand.answer(5).assignments]
    assert brackets == [0, 1, 0, 1, 0]  # shares 0/3 0/2, 1/3 0/2, 1/3 1/2, 2/3 1/2, 2/3 2/2
    assert hand.told(1, 0.5) == "stop completed"
    assert hand.assigned().bracket == 1  # 3/3 against 1/2
    assert [given.bracket for given in hand.answer(3).assignments] == [0]  # bracket 1 has started all its trials


@example
def a_promotion_belongs_to_its_bracket(start: Start) -> None:
    """Rankings never cross brackets; a bracket with nothing to give is passed over."""
    hand = start(two_brackets())
    hand.ask(7)
    assert hand.told(0, 0.5) == "pause not_promoted"
    assert hand.told(1, 0.1) == "stop completed"
    assert hand.told(2, 0.6) == "pause not_promoted"
    assert hand.assigned().lease.trial == 0
    assert [hand.sizes(0), hand.sizes(1)] == [[2, 0], [1]]


@example
def the_cap_holds(start: Start) -> None:
    """Never more leases at once than the cap; that is one of the three reasons to wait."""
    hand = start(two_brackets(cap=2))
    assert len(hand.ask(3)) == 2
    answer = hand.answer()
    assert (answer.reason, answer.retry_after_ms) == (Reason.CONCURRENCY_LIMIT, 1000)
    hand.release(0)
    assert hand.ask(3) == [0]
    hand.now += LEASE_MS - 300
    assert hand.answer().retry_after_ms == 300
    hand.now += 299
    assert hand.answer().retry_after_ms == 100


@example
def an_expired_lease_is_handed_out_again(start: Start) -> None:
    """At its deadline, not before; from the last checkpoint; for a restart; under a greater fencing token."""
    hand = start(async_plan(4, 8, trials=3))
    first = hand.assigned()
    assert first.deadline_ms == hand.now + LEASE_MS
    hand.tell(0, 0.5, at=2, checkpoint="half")
    hand.tell(0, 0.4, at=3, checkpoint="")
    hand.now += LEASE_MS - 1
    assert hand.ask() == [1]
    hand.now += 1
    again = hand.assigned()
    assert again.lease.trial == 0
    assert again.lease.fencing_token > first.lease.fencing_token
    assert (again.restarts, again.from_length, again.checkpoint) == (1, 2, "half")
    assert again.explanation.reason is Reason.REQUEUED
    assert hand.refused(0, 2) == ["results[0].reports[0].length"]
    assert in_short(hand.tell(0, 0.45, at=3)) == "continue between_rungs"
    assert len(hand.view(0).curve) == 3


@example
def a_trial_given_back_without_progress_ends(start: Start) -> None:
    """Twice in a row is free, each further time is a restart; progress sets both counts back."""
    hand = start(async_plan(4, trials=1))
    for length in (1, 2, 3):
        for _ in range(2):
            assert hand.ask() == [0]
            assert in_short(hand.release(0)) == "pause preempted"
        for restarts in range(1, MAX_RESTARTS + 1):
            hand.ask()
            assert in_short(hand.release(0)) == "pause retry"
            assert hand.view(0).restarts == restarts
        hand.ask()
        hand.tell(0, 0.5, at=length, checkpoint="")
        assert hand.view(0).restarts == 0
        assert in_short(hand.release(0)) == "pause preempted"


@example
def fencing_tokens_keep_up_with_the_clock(start: Start) -> None:
    """The time in microseconds at least: a store set back by a crash gives no number twice."""
    hand = start(async_plan(4, trials=3))
    hand.ask()
    hand.now = 4 * 10**12
    fencing_tokens = [given.lease.fencing_token for given in hand.answer(count=2).assignments]
    assert fencing_tokens == [1000 * hand.now, 1000 * hand.now + 1]


@example
def a_late_report_is_good_until_reclaimed(start: Start) -> None:
    """A lease past its deadline that no ask reclaimed is still valid, and a report renews it."""
    hand = start(async_plan(4, 8, trials=2))
    hand.ask()
    hand.now += 3 * LEASE_MS
    reply = hand.tell(0, 0.5, at=1)
    assert (reply.decision, reply.deadline_ms) == (Decision.CONTINUE, hand.now + LEASE_MS)
    hand.now += LEASE_MS - 1
    assert hand.ask() == [1]
    hand.now += 3 * LEASE_MS
    assert hand.beat(0) == [Decision.CONTINUE]
    hand.now += LEASE_MS - 1
    assert hand.ask() == [1]
    assert hand.view(0).restarts == 0


@example
def an_old_fencing_token_changes_nothing(start: Start) -> None:
    """A report, heartbeat, release or failure under an old fencing token is SUPERSEDED."""
    hand = start(async_plan(2, 4, trials=2))
    hand.ask()
    old = hand.held[0]
    hand.release(0)
    assert hand.ask() == [0]
    new, hand.held[0] = hand.held[0], old
    assert new.fencing_token > old.fencing_token
    assert in_short(hand.tell(0, 0.1, at=1)) == LOST
    assert in_short(hand.tell(0, 0.1, at=99)) == LOST
    assert hand.beat(0) == [Decision.SUPERSEDED]
    assert in_short(hand.release(0)) == LOST
    assert in_short(hand.fail(0, Outcome.INVALID)) == LOST
    assert hand.view(0).state is TrialState.RUNNING
    hand.held[0] = new
    hand.told(0, 0.1)
    assert in_short(hand.tell(0, 0.1, at=1)) == LOST  # it waits at its rung: no lease holds


@example
def sixteen_expired_leases_per_ask(start: Start) -> None:
    """An ask reclaims a bounded number of leases: the earliest, then by the text of the trial's number."""
    hand = start(async_plan(1, trials=20))
    hand.ask(20)
    hand.now += 1
    hand.beat(3)
    hand.now += LEASE_MS
    assert hand.ask(20) == [0, 1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 2, 4, 5, 6]
    assert hand.ask(20) == [7, 8, 9, 3]


@example
def restarts_are_spent(start: Start) -> None:
    """Expired leases and TRANSIENT failures count together; then the trial is dead."""
    hand = start(async_plan(1, 2, trials=2))
    hand.ask(2)
    hand.beat(0)
    hand.now += LEASE_MS
    hand.beat(0)
    assert hand.assigned().restarts == 1
    reply = hand.fail(1, Outcome.TRANSIENT)
    assert in_short(reply) == "pause retry"
    assert (hand.view(1).restarts, hand.view(1).outcome) == (MAX_RESTARTS, None)
    assert hand.ask() == [1]
    hand.now += LEASE_MS - 1
    hand.beat(0)
    hand.now += 1
    assert hand.waits() == "wait waiting_for_results"
    view = hand.view(1)
    assert (view.state, view.outcome, view.restarts) == (TrialState.FAILED, Outcome.TRANSIENT, MAX_RESTARTS + 1)
    assert hand.sizes() == [1, 0]
    for _ in range(MAX_RESTARTS):
        assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "pause retry"
        assert hand.ask() == [0]
    assert in_short(hand.fail(0, Outcome.TRANSIENT)) == "stop failed"
    assert hand.waits() == "done search_done"


@example
def a_preempted_trial_costs_nothing(start: Start) -> None:
    """Requeued, first come first served, without a restart; a checkpoint given with it is where it goes on."""
    hand = start(async_plan(4, 8, trials=4))
    hand.ask(3)
    hand.tell(1, 0.5, at=3, checkpoint="three")
    assert in_short(hand.release(1, "two", 2)) == "pause preempted"
    assert in_short(hand.fail(0, Outcome.PREEMPTED)) == "pause preempted"
    assert hand.view(1).state is TrialState.QUEUED
    given = hand.answer(3).assignments
    assert [(item.lease.trial, item.from_length, item.checkpoint) for item in given] == [
        (1, 2, "two"), (0, 0, ""), (3, 0, "")
    ]  # fmt: skip
    assert {item.restarts for item in given} == {0}
    with pytest.raises(InvalidInput, match="checkpoint_length"):
        hand.release(1, "beyond", 3)
    assert hand.view(1).state is TrialState.RUNNING


@example
def an_invalid_trial_leaves_no_trace(start: Start) -> None:
    """Its results leave every rung, a fresh trial replaces it, and it is gone from the best."""
    hand = start(async_plan(1, 2, 4, trials=4, divisor=2))
    hand.ask(4)
    hand.told(0, 0.5)
    hand.told(1, 0.1)
    hand.told(2, 0.6)
    assert in_short(hand.fail(1, Outcome.INVALID)) == "stop invalid"
    assert hand.sizes() == [2, 0, 0]
    assert hand.passed() == [1, 0, 0]
    assert hand.best() == [0, 2]
    assert hand.view(1).state is TrialState.INVALID
    assert hand.view(1).outcome is Outcome.INVALID
    assert list(hand.engine.progress().started) == [3]
    assert hand.ask() == [0]  # with 1 gone, trial 0 is the best of 2
    assert hand.ask() == [4]
    assert hand.waits() == "wait waiting_for_results"


@example
def the_top_k_shrinks_when_results_leave(start: Start) -> None:
    """A waiting result that a removal puts outside the top-k is not promotable any more."""
    hand = start(async_plan(1, 2, trials=6, divisor=2))
    hand.ask(6)
    hand.told(0, 0.1)
    hand.told(1, 0.3)
    assert hand.ask() == [0]
    hand.told(2, 0.4)
    hand.told(3, 0.5)  # best two of 4: trials 0 and 1
    hand.told(4, 0.2)  # best two of 5: trials 0 and 4; 4 is promoted at once
    hand.told(5, 0.6)  # best three of 6: trial 1 is promotable
    hand.fail(0, Outcome.INVALID)  # best two of 5: trials 4 and 1
    assert hand.ask() == [1]
    hand.fail(4, Outcome.INVALID)  # best two of 4: trials 1 and 2
    assert hand.ask() == [2]


@example
def a_removal_outside_the_top_k(start: Start) -> None:
    """It may narrow the top-k too: its last result is not promotable any more."""
    hand = start(async_plan(1, 2, trials=8, divisor=2))
    hand.ask(6)
    hand.told(0, 0.5)
    hand.told(1, 0.6)
    assert hand.ask() == [0]
    assert hand.told(2, 0.1) == "continue promoted"
    hand.told(3, 0.9)
    assert hand.told(4, 0.2) == "continue promoted"  # best two of 5: trials 2 and 4; trial 0 is third
    hand.pause()
    assert hand.told(5, 0.3) == "pause experiment_paused"  # third of 6, and three are promotable
    hand.fail(0, Outcome.INVALID)  # third of 5, and two may
    hand.resume()
    assert hand.ask() == [6]
    assert hand.told(6, 0.8) == "pause not_promoted"  # third of 6 again
    assert hand.ask() == [5]
