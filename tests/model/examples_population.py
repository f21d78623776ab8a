"""Games worked by hand: rounds of a population, who is cloned, and what becomes of clones."""

import pytest

from rungway_server.domain.engine import Explanation, Outcome, Reason, TrialState
from rungway_server.domain.errors import NoTrialsLeft
from tests.model.hand import LEASE_MS, Hand, Start, example, in_short
from tests.model.plans import population_plan

UP, WAITS, DONE = "continue promoted", "pause not_promoted", "stop completed"


def play_round(hand: Hand, metrics: dict[int, float]) -> list[str]:
    """These trials tell, each with a checkpoint of its own."""
    return [in_short(hand.tell(trial, metric, checkpoint=f"of {trial}")) for trial, metric in metrics.items()]


def clone(rank: int, size: int, clones: int, cutoff: float, parent: int, rung: int = 0) -> Explanation:
    return Explanation(Reason.CLONED, 0, rung, rank, size, clones, cutoff, parent)


@example
def a_round_ends_when_all_have_told(start: Start) -> None:
    """Of four the worst is replaced by a clone of the best, which starts from its parent's checkpoint."""
    hand = start(population_plan(2, 5, size=4, cut=1))
    assert hand.ask(5) == [0, 1, 2, 3]
    assert play_round(hand, {0: 0.4, 1: 0.1, 2: 0.3}) == [WAITS] * 3
    assert hand.waits() == "wait waiting_for_results"
    last = hand.tell(3, 0.2, checkpoint="of 3")
    assert last.explanation == Explanation(Reason.PROMOTED, 0, 0, 1, 4, 3, 0.3)
    new = hand.view(4)
    assert (new.state, new.parent, new.rung, new.length, new.metric) == (TrialState.QUEUED, 1, 1, 2, None)
    given = hand.assigned()
    assert given.explanation == clone(0, 4, 1, 0.1, parent=1)
    assert (given.lease.trial, given.checkpoint, given.from_length, given.to_length) == (4, "of 1", 2, 5)
    assert (given.bracket, given.rung, given.restarts) == (0, 1, 0)
    assert given.hparams != hand.view(1).hparams  # perturbed or resampled
    assert hand.ask(3) == [1, 2]  # best first; trial 3 went on by itself, trial 0 is out
    assert hand.passed() == [3, 0]
    assert play_round(hand, {4: 0.5, 1: 0.1, 2: 0.3}) == [DONE] * 3
    assert hand.waits() == "wait waiting_for_results"
    assert play_round(hand, {3: 0.2}) == [DONE]
    assert hand.waits() == "done search_done"
    assert hand.sizes() == [4, 4]
    assert hand.engine.progress().started == [5]
    assert hand.engine.progress().trained_length == 4 * 5
    assert hand.view(0).state is TrialState.PAUSED


@example
def clones_of_clones(start: Start) -> None:
    """Two of four are cloned each round; of equals the one that told first is the better."""
    hand = start(population_plan(1, 2, 3, size=4, cut=2))
    assert hand.ask(4) == [0, 1, 2, 3]
    assert play_round(hand, {2: 0.5, 0: 0.5, 1: 0.9, 3: 0.7}) == [WAITS] * 4
    assert hand.ask() == [4]
    assert hand.ask(4) == [5, 2, 0]
    assert [hand.view(trial).parent for trial in (4, 5)] == [2, 0]
    assert play_round(hand, {0: 0.6, 2: 0.3, 5: 0.4, 4: 0.2}) == [WAITS, WAITS, WAITS, UP]
    first, second = hand.answer(2).assignments
    assert first.explanation == clone(0, 4, 2, 0.3, parent=4, rung=1)
    assert second.explanation == clone(1, 4, 2, 0.3, parent=2, rung=1)
    assert [(given.checkpoint, given.from_length) for given in (first, second)] == [("of 4", 2), ("of 2", 2)]
    assert hand.ask(2) == [2]
    assert play_round(hand, {6: 1, 7: 1, 2: 1, 4: 1}) == [DONE] * 4
    assert hand.waits() == "done search_done"
    assert hand.engine.progress().started == [8]


@example
def no_one_makes_way(start: Start) -> None:
    """Without clones the rounds only keep the population together."""
    hand = start(population_plan(1, 2, size=2, cut=0))
    assert hand.ask(2) == [0, 1]
    assert play_round(hand, {0: 0.5, 1: 0.6}) == [WAITS, UP]
    assert hand.ask(2) == [0]
    assert play_round(hand, {0: 0.5, 1: 0.6}) == [DONE, DONE]
    assert hand.waits() == "done search_done"


@example
def dead_trials_make_way_first(start: Start) -> None:
    """Where fewer live than are to be cloned, these take turns; what is dead and still among the best counts on."""
    hand = start(population_plan(1, 2, size=4, cut=2))
    hand.ask(4)
    assert [in_short(hand.fail(trial, Outcome.ERROR)) for trial in (0, 1, 2)] == ["stop failed"] * 3
    assert play_round(hand, {3: 0.5}) == [UP]
    assert hand.sizes() == [4, 1]  # trial 0 is second, and dead in the next rung, too
    first, second = hand.answer(2).assignments
    assert [first.explanation.parent, second.explanation.parent] == [3, 3]
    assert (first.lease.trial, second.lease.trial, hand.view(0).rung) == (4, 5, 1)
    assert play_round(hand, {3: 0.5, 4: 0.4, 5: 0.3}) == [DONE] * 3
    assert hand.waits() == "done search_done"


@example
def the_last_of_a_round_dies(start: Start) -> None:
    """A death ends a round as a result does."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5}) == [WAITS]
    assert in_short(hand.fail(1, Outcome.ERROR)) == "stop failed"
    assert hand.ask(3) == [2, 0]
    assert play_round(hand, {2: 0.5, 0: 0.5}) == [DONE, DONE]
    assert hand.waits() == "done search_done"


@example
def all_are_dead(start: Start) -> None:
    """No trial is left to be cloned: the search has ended."""
    hand = start(population_plan(1, 2, 3, size=2, cut=1))
    hand.ask(2)
    hand.fail(1, Outcome.ERROR)
    hand.fail(0, Outcome.ERROR)
    assert hand.waits() == "done search_done"
    assert (hand.sizes(), hand.engine.progress().started) == ([2, 1, 0], [2])


@example
def a_lease_expires_for_good(start: Start) -> None:
    """The ask that finds the last of a round dead gives the clone at once."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5}) == [WAITS]
    for _ in range(2):
        hand.now += LEASE_MS
        assert hand.ask() == [1]
    hand.now += LEASE_MS
    assert hand.ask(3) == [2, 0]
    assert hand.view(1).state is TrialState.FAILED


@example
def the_clone_is_still_to_come(start: Start) -> None:
    """A search is not done before its clones have been asked for."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.ask(2)
    hand.fail(0, Outcome.ERROR)
    assert play_round(hand, {1: 0.5}) == [UP]
    assert play_round(hand, {1: 0.4}) == [DONE]
    assert hand.ask() == [2]
    assert play_round(hand, {2: 0.3}) == [DONE]
    assert hand.waits() == "done search_done"


@example
def an_invalid_new_trial_is_replaced(start: Start) -> None:
    """In the first round by another new trial, which takes the next number."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.ask(2)
    assert in_short(hand.fail(0, Outcome.INVALID)) == "stop invalid"
    assert hand.assigned().explanation.reason is Reason.NEW_TRIAL
    assert play_round(hand, {1: 0.5, 2: 0.4}) == [WAITS, UP]
    assert hand.assigned().explanation.parent == 2
    assert hand.engine.progress().started == [3]


@example
def an_invalid_clone_is_replaced(start: Start) -> None:
    """By another clone of the same parent as it was, though that has trained on, and saved, since."""
    hand = start(population_plan(1, 3, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5, 1: 0.4}) == [WAITS, UP]
    assert hand.ask() == [2]
    hand.tell(1, 0.1, at=2, checkpoint="later")
    hand.tell(2, 0.3, at=2, checkpoint="of the clone")
    assert in_short(hand.fail(2, Outcome.INVALID)) == "stop invalid"
    given = hand.assigned()
    assert (given.lease.trial, given.checkpoint, given.from_length) == (3, "of 1", 1)
    assert given.explanation == clone(0, 2, 1, 0.4, parent=1)
    assert given.hparams not in (hand.view(1).hparams, hand.view(2).hparams)
    assert play_round(hand, {3: 0.5, 1: 0.4}) == [DONE, DONE]
    assert hand.waits() == "done search_done"
    assert (hand.engine.progress().started, hand.sizes()) == ([3], [2, 2])


@example
def invalid_too_late(start: Start) -> None:
    """A round that was decided stays as it was: who turns out invalid after it is dead, and is not replaced."""
    hand = start(population_plan(1, 2, 3, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5, 1: 0.4}) == [WAITS, UP]
    assert in_short(hand.fail(1, Outcome.INVALID)) == "stop failed"
    assert (hand.view(1).state, hand.view(1).outcome) == (TrialState.FAILED, Outcome.INVALID)
    assert hand.sizes() == [2, 1, 0]
    assert hand.ask() == [2]
    assert play_round(hand, {2: 0.4}) == [UP]
    assert hand.assigned().explanation.parent == 2
    assert in_short(hand.fail(2, Outcome.INVALID)) == "stop failed"
    assert hand.engine.progress().started == [4]


@example
def a_clone_expires(start: Start) -> None:
    """It starts again from the checkpoint of its parent, as a trial does from its own."""
    hand = start(population_plan(1, 3, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5, 1: 0.4}) == [WAITS, UP]
    before = hand.assigned()
    hand.now += LEASE_MS - 1
    hand.beat(1)
    hand.now += 1
    given = hand.assigned()
    assert (given.lease.trial, given.checkpoint, given.from_length, given.restarts) == (2, "of 1", 1, 1)
    assert (given.explanation.reason, given.hparams) == (Reason.REQUEUED, before.hparams)
    assert hand.view(2).parent == 1


@example
def a_clone_is_asked_for_again(start: Start) -> None:
    """The same request gets the same clone; another one finds nothing more."""
    hand = start(population_plan(1, 3, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5, 1: 0.4}) == [WAITS, UP]
    first, again = (hand.answer(2, request="again").assignments for _ in range(2))
    assert list(first) == list(again)
    assert [given.lease.trial for given in first] == [2]
    assert hand.waits() == "wait waiting_for_results"


@example
def the_last_result_is_told_again(start: Start) -> None:
    """The round ends once."""
    hand = start(population_plan(1, 3, size=2, cut=1))
    hand.ask(2)
    assert play_round(hand, {0: 0.5}) == [WAITS]
    first, again = (hand.tell(1, 0.4, at=1, request="again") for _ in range(2))
    assert first == again
    assert hand.engine.progress().trials_created == 3


@example
def line_and_clones(start: Start) -> None:
    """A requeued trial comes first, and an ask for more gets clones, too."""
    hand = start(population_plan(1, 3, size=4, cut=2))
    hand.ask(4)
    assert play_round(hand, {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.4}) == [WAITS, WAITS, WAITS, UP]
    hand.release(3, "of 3", 1)
    assert hand.ask() == [3]
    hand.release(3)
    assert hand.ask(3) == [3, 4, 5]
    assert [hand.view(trial).parent for trial in (4, 5)] == [3, 0]
    assert hand.ask() == [0]


@example
def leases_are_capped(start: Start) -> None:
    """Clones count among the leases."""
    hand = start(population_plan(1, 3, size=2, cut=1, cap=1))
    assert hand.ask(2) == [0]
    assert play_round(hand, {0: 0.5}) == [WAITS]
    assert hand.ask() == [1]
    assert play_round(hand, {1: 0.6}) == [WAITS]
    assert hand.ask(2) == [2]
    assert hand.waits() == "wait concurrency_limit"
    assert play_round(hand, {2: 0.5}) == [DONE]
    assert hand.ask() == [0]


@example
def a_round_ends_in_a_pause(start: Start) -> None:
    """All wait, clones too; then all go on."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.ask(2)
    hand.pause()
    assert play_round(hand, {0: 0.5, 1: 0.4}) == [WAITS, "pause experiment_paused"]
    assert hand.waits() == "wait experiment_paused"
    hand.resume()
    assert hand.ask(3) == [2, 1]


@example
def nothing_is_cloned_after_a_stop(start: Start) -> None:
    """Neither at the end of a round nor for a clone that was invalid."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.ask(2)
    hand.tell(0, 0.5)
    hand.stop()
    hand.fail(1, Outcome.ERROR)
    assert hand.engine.progress().trials_created == 2
    other = start(population_plan(1, 2, size=2, cut=1))
    other.ask(2)
    assert play_round(other, {0: 0.5, 1: 0.4}) == [WAITS, UP]
    other.ask()
    other.stop()
    other.fail(2, Outcome.INVALID)
    assert other.engine.progress().trials_created == 3


@example
def enqueued_configurations_are_for_new_trials(start: Start) -> None:
    """There are as many of these as the population has, whatever is cloned later."""
    hand = start(population_plan(1, 2, size=2, cut=1))
    hand.enqueue({"x": 0.25})
    assert hand.ask(2) == [0, 1]
    assert hand.view(0).hparams == {"x": 0.25}
    with pytest.raises(NoTrialsLeft):
        hand.enqueue({"x": 0.5})
    assert play_round(hand, {0: 0.5, 1: 0.6}) == [WAITS, WAITS]
    with pytest.raises(NoTrialsLeft):
        hand.enqueue({"x": 0.5})
    assert hand.assigned().explanation.parent == 0
