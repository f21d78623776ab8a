"""Games worked by hand: calls, repeats, pauses, budgets and ends (one promise of the rules each)."""

import pytest

from rungway_server.domain.engine import (
    Decision,
    ExperimentState,
    Lease,
    Outcome,
    Reason,
    Report,
    Result,
    TrialState,
)
from rungway_server.domain.errors import InvalidInput, RequestIdReused, UnknownTrial, WrongState
from tests.model.hand import LEASE_MS, Start, example, in_short
from tests.model.plans import STOP, async_plan

LOST = "superseded lease_lost"


@example
def the_budget_is_exact(start: Start) -> None:
    """Never one trial more than max_trials, and the search ends when all of them have."""
    hand = start(async_plan(1, trials=3))
    assert hand.ask(5) == [0, 1, 2]
    assert hand.waits() == "wait waiting_for_results"
    assert [hand.told(trial, 0.5) for trial in range(2)] == ["stop completed"] * 2
    assert hand.engine.progress().state is ExperimentState.RUNNING
    hand.told(2, 0.5)
    assert hand.engine.progress().state is ExperimentState.DONE
    assert hand.waits() == "done search_done"


@example
def a_replacement_comes_like_any_other(start: Start) -> None:
    """An ask for several gets all there is, also where some replace invalid trials."""
    hand = start(async_plan(1, 2, trials=3, divisor=2))
    hand.ask(2)
    hand.fail(0, Outcome.INVALID)
    hand.fail(1, Outcome.INVALID)
    revision = hand.engine.progress().revision
    answer = hand.answer(4)
    assert [given.lease.trial for given in answer.assignments] == [2, 3, 4]
    assert answer.revision == revision + 1


@example
def a_replacement_makes_one_revision(start: Start) -> None:
    """Also when the same ask reclaims a lease."""
    hand = start(async_plan(1, 2, trials=2))
    hand.ask()
    hand.ask()
    hand.fail(1, Outcome.INVALID)
    hand.now += LEASE_MS
    answer = hand.answer(2)
    assert [given.lease.trial for given in answer.assignments] == [0, 2]
    assert answer.revision == 5


@example
def all_or_nothing(start: Start) -> None:
    """All results of a call are checked before any is taken."""
    hand = start(async_plan(2, 4, trials=3))
    hand.ask(2)
    good = Result(hand.held[0], [Report(2, 0.5)])
    for lengths, wrong in [((0,), 0), ((3,), 0), ((1, 1), 1), ((1, 3), 1), ((2, 1), 1)]:
        bad = Result(hand.held[1], [Report(length, 0.5) for length in lengths])
        with pytest.raises(InvalidInput) as caught:
            hand.tell_all([good, bad])
        assert caught.value.violations[0].field == f"results[1].reports[{wrong}].length"
    with pytest.raises(UnknownTrial):
        hand.tell_all([good, Result(Lease(7, 1), [Report(1, 0.5)])])
    assert hand.sizes() == [0, 0]
    assert hand.view(0).curve == ()
    taken = hand.tell_all([good, Result(Lease(1, 1), [Report(9, 0.5)])])
    assert [in_short(reply) for reply in taken] == ["pause not_promoted", LOST]


@example
def lengths_grow_within_a_lease(start: Start) -> None:
    """Strictly, from what was told before to the end of the assignment; the stop form may go past rungs to the end."""
    hand = start(async_plan(2, 4, trials=1, form=STOP))
    hand.ask()
    assert hand.refused(0, 5) == ["results[0].reports[0].length"]
    hand.tell(0, 0.5, at=3)
    assert hand.refused(0, 3) == ["results[0].reports[0].length"]
    assert hand.refused(0, 4, 5) == ["results[0].reports[1].length"]
    assert in_short(hand.tell(0, 0.5, at=4)) == "stop completed"


@example
def the_same_request_has_one_effect(start: Start) -> None:
    """The same id gives the same answer: an ask, a reply that ended a lease, the last CONTINUE of a lease."""
    hand = start(async_plan(2, 4, trials=4, divisor=2))
    asked = hand.answer(2, request="a")
    assert hand.answer(2, request="a") == asked
    assert len(hand.engine.trials([0, 1, 2, 3])) == 2
    going = hand.tell(0, 0.5, at=1, request="b")
    hand.now += 1
    assert hand.tell(0, 0.5, at=1, request="b") == going
    ended = hand.tell(0, 0.5, at=2, request="c")
    assert hand.tell(0, 0.5, at=2, request="c") == ended
    assert in_short(hand.tell(0, 0.5, at=1, request="b")) == LOST  # its lease is gone, and the answer with it
    assert hand.sizes() == [1, 0]
    left = hand.release(1, request="d")
    assert hand.release(1, request="d") == left
    assert hand.ask() == [1]
    failed = hand.fail(1, Outcome.ERROR, request="e")
    assert hand.fail(1, Outcome.ERROR, request="e") == failed
    assert hand.sizes() == [2, 0]


@example
def an_id_is_for_one_request(start: Start) -> None:
    """The same id with another request is refused, whatever differs."""
    hand = start(async_plan(3, 6, trials=3))
    hand.answer(3, request="a")
    with pytest.raises(RequestIdReused):
        hand.answer(1, request="a")
    with pytest.raises(RequestIdReused):
        hand.answer(3, request="a", worker="another")
    hand.tell(0, 0.5, 0.4, at=[1, 2], request="b")
    for metrics, lengths, checkpoint in [
        ([0.5, 0.6], [1, 2], "saved"), ([0.6, 0.4], [1, 2], "saved"), ([0.4], [2], "saved"), ([0.5, 0.4], [1, 2], "b")
    ]:  # fmt: skip
        with pytest.raises(RequestIdReused):
            hand.tell(0, *metrics, at=lengths, checkpoint=checkpoint, request="b")
    hand.fail(1, Outcome.ERROR, request="c")
    with pytest.raises(RequestIdReused):
        hand.fail(1, Outcome.DIVERGED, request="c")
    hand.release(2, request="d")
    with pytest.raises(RequestIdReused):
        hand.release(2, "checkpoint", 0, request="d")


@example
def waiting_is_found_anew(start: Start) -> None:
    """WAIT and DONE are not remembered: the same id may get work later."""
    hand = start(async_plan(2, trials=2, cap=1))
    hand.ask()
    assert hand.answer(request="a").reason is Reason.CONCURRENCY_LIMIT
    hand.told(0, 0.5)
    assert [given.lease.trial for given in hand.answer(request="a").assignments] == [1]


@example
def a_pause_holds_work_back(start: Start) -> None:
    """While paused nothing is handed out or taken up; a result inside the quota waits, one between rungs goes on."""
    hand = start(async_plan(2, 4, trials=4, divisor=1.5))
    hand.ask(3)
    hand.told(0, 0.5)
    hand.pause()
    answer = hand.answer()
    assert (answer.reason, answer.retry_after_ms) == (Reason.EXPERIMENT_PAUSED, 5000)
    assert in_short(hand.tell(1, 0.4, at=1)) == "continue between_rungs"
    reply = hand.tell(1, 0.4, at=2)
    assert (in_short(reply), reply.explanation.rank) == ("pause experiment_paused", 0)
    assert hand.told(2, 0.6) == "pause not_promoted"
    hand.now += 2 * LEASE_MS
    assert hand.waits() == "wait experiment_paused"
    hand.resume()
    assert hand.ask(3) == [1, 0, 3]


@example
def the_stop_form_goes_on_through_a_pause(start: Start) -> None:
    """There a trial that a rung lets pass just goes on."""
    hand = start(async_plan(2, 4, trials=2, form=STOP))
    hand.ask()
    hand.pause()
    assert hand.told(0, 0.5) == "continue promoted"
    assert hand.told(0, 0.5) == "stop completed"


@example
def a_pause_may_outlast_the_search(start: Start) -> None:
    """A search whose last trial ends while it is paused is done when it is resumed."""
    hand = start(async_plan(2, trials=1))
    hand.ask()
    hand.pause()
    hand.told(0, 0.5)
    assert hand.engine.progress().state is ExperimentState.PAUSED
    hand.resume()
    assert hand.waits() == "done search_done"


@example
def a_stop_is_for_good(start: Start) -> None:
    """Nothing is handed out any more; a late result is kept in the curve and counts in no rung."""
    hand = start(async_plan(2, 4, trials=3))
    hand.ask(3)
    hand.stop()
    assert hand.waits() == "done experiment_stopped"
    assert hand.beat(0) == [Decision.STOP]
    assert in_short(hand.tell(0, 0.5, at=2)) == "stop experiment_stopped"
    view = hand.view(0)
    assert (view.state, view.outcome, view.metric) == (TrialState.STOPPED, Outcome.STOPPED, 0.5)
    assert hand.sizes() == [0, 0]
    assert in_short(hand.release(1)) == "pause preempted"
    assert hand.view(1).state is TrialState.STOPPED
    with pytest.raises(WrongState):
        hand.resume()
    assert hand.beat(1, 2) == [Decision.SUPERSEDED, Decision.STOP]


@example
def the_best_are_real(start: Start) -> None:
    """The best metric of each trial, at any length; ties by trial number; never a NaN."""
    hand = start(async_plan(4, 8, trials=4))
    hand.ask(4)
    hand.tell(0, 0.5, float("nan"), 0.3, at=[1, 2, 3])
    hand.tell(0, 0.4, at=4)
    hand.tell(1, float("nan"), at=1)
    hand.tell(2, 0.3, at=2)
    hand.tell(3, -0.0, at=1)
    hand.tell(3, 0.0, at=2)
    assert hand.best() == [3, 0, 2]
    assert hand.best(2) == [3, 0]
    view = hand.view(0)
    assert (view.best_metric, view.best_length, view.metric) == (0.3, 3, 0.4)
    assert hand.view(3).best_length == 1


@example
def every_change_has_a_revision(start: Start) -> None:
    """Each call that changes something counts one, a WAIT that reclaimed something included, a heartbeat not."""
    hand = start(async_plan(2, 4, trials=1, cap=0))
    assert hand.engine.progress().revision == 1
    assert hand.answer().revision == 2
    assert hand.answer().revision == 2
    hand.beat(0)
    assert hand.engine.progress().revision == 2
    hand.tell(0, 0.5, at=1)
    hand.now += LEASE_MS
    for expected in (4, 5, 6):
        assert hand.answer().revision == expected  # reclaimed and handed out; the third time it dies
        hand.now += LEASE_MS
    assert hand.engine.progress().state is ExperimentState.DONE


@example
def a_mere_wait_makes_no_revision(start: Start) -> None:
    """Nothing changed: neither where the cap holds nor where configurations were fetched for a trial to come."""
    hand = start(async_plan(1, trials=2, cap=1))
    hand.ask()
    assert hand.answer().revision == 2
    hand.fail(0, Outcome.INVALID)
    assert hand.ask() == [1]
    for _ in range(2):
        assert (hand.waits(), hand.engine.progress().revision) == ("wait concurrency_limit", 4)
