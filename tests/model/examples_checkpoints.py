"""Games worked by hand: which checkpoint is that of a trial's best result."""

import math

from rungway_server.domain.engine import Outcome
from tests.model.hand import LEASE_MS, Hand, Start, example
from tests.model.plans import async_plan, population_plan


def best(hand: Hand, trial: int) -> tuple[str, int, str]:
    """The best checkpoint of a trial with its length, and the last one."""
    view = hand.view(trial)
    return view.best_checkpoint, view.best_length, view.checkpoint


@example
def the_checkpoint_of_the_best_result_is_kept(start: Start) -> None:
    """Beside later ones, across rungs and workers; a better result without one takes it away."""
    hand = start(async_plan(2, 4, 12, trials=2, divisor=2))
    hand.ask(2)
    hand.tell(0, 0.5, at=1, checkpoint="one")
    assert best(hand, 0) == ("one", 1, "one")
    hand.tell(0, 0.6, at=2, checkpoint="two")
    assert best(hand, 0) == ("one", 1, "two")
    hand.tell(1, 0.7, checkpoint="other")
    assert hand.assigned().checkpoint == "two"
    hand.tell(0, 0.4, 0.45, at=[3, 4], checkpoint="four")
    assert best(hand, 0) == ("", 3, "four")
    assert best(hand, 1) == ("other", 2, "other")


@example
def a_better_result_brings_its_own(start: Start) -> None:
    """The last checkpoint may be the best one again."""
    hand = start(async_plan(12, trials=1))
    hand.ask()
    for length, metric, checkpoint in [(1, 0.5, "a"), (2, 0.6, "b"), (3, 0.4, "c"), (4, 0.4, "d"), (5, 0.9, "")]:
        hand.tell(0, metric, at=length, checkpoint=checkpoint)
    assert best(hand, 0) == ("c", 3, "d")
    hand.tell(0, 0.1, at=6, checkpoint="e")
    assert best(hand, 0) == ("e", 6, "e")
    hand.tell(0, 0.2, at=7, checkpoint="f")
    assert best(hand, 0) == ("e", 6, "f")
    hand.tell(0, 0.05, at=8, checkpoint="")
    assert best(hand, 0) == ("", 8, "f")


@example
def a_length_trained_again_has_another_result(start: Start) -> None:
    """A checkpoint of the same length is that of the best result only if its own result is as good."""
    hand = start(async_plan(12, trials=1))
    hand.ask()
    hand.tell(0, 0.5, at=1, checkpoint="a")
    hand.tell(0, 0.2, at=2, checkpoint="")
    hand.now += LEASE_MS
    hand.ask()
    hand.tell(0, 0.3, at=2, checkpoint="worse")
    assert best(hand, 0) == ("", 2, "worse")
    hand.release(0)
    hand.ask()
    hand.tell(0, 0.3, at=3, checkpoint="later")
    assert best(hand, 0) == ("", 2, "later")


@example
def the_same_result_again_may_bring_it(start: Start) -> None:
    """Where a training is repeated exactly, the checkpoint that was missing comes with the repetition."""
    hand = start(async_plan(12, trials=1))
    hand.ask()
    hand.tell(0, 0.2, at=2, checkpoint="")
    hand.now += LEASE_MS
    hand.ask()
    hand.tell(0, 0.2, at=2, checkpoint="again")
    assert best(hand, 0) == ("again", 2, "again")


@example
def a_checkpoint_given_when_released(start: Start) -> None:
    """It belongs to the result told last, if it is of that length."""
    hand = start(async_plan(12, trials=2))
    hand.ask(2)
    for trial, length in [(0, 2), (1, 1)]:
        hand.tell(trial, 0.5, 0.2, at=[1, 2], checkpoint="")
        hand.release(trial, "given back", length)
    assert best(hand, 0) == ("given back", 2, "given back")
    assert best(hand, 1) == ("", 2, "given back")


@example
def a_checkpoint_from_before_the_last_result(start: Start) -> None:
    """Its own result may have been another, of an earlier lease."""
    hand = start(async_plan(12, trials=1))
    hand.ask()
    hand.tell(0, 0.2, 0.2, at=[1, 2], checkpoint="")
    hand.release(0, "of 1", 1)
    assert best(hand, 0) == ("", 1, "of 1")


@example
def a_name_that_comes_again(start: Start) -> None:
    """What it named before is written over."""
    hand = start(async_plan(12, trials=1))
    hand.ask()
    hand.tell(0, 0.2, at=1, checkpoint="same")
    assert best(hand, 0) == ("same", 1, "same")
    hand.tell(0, 0.3, at=2, checkpoint="same")
    assert best(hand, 0) == ("", 1, "same")


@example
def without_a_real_result_none_is_best(start: Start) -> None:
    """NaN is never the best result, and before the first there is none."""
    hand = start(async_plan(12, trials=2))
    hand.ask(2)
    hand.tell(0, math.nan, at=1, checkpoint="a")
    hand.release(1, "b", 0)
    assert [best(hand, trial) for trial in (0, 1)] == [("", 0, "a"), ("", 0, "b")]


@example
def a_clone_begins_without_one(start: Start) -> None:
    """It has the last checkpoint of its parent, and results of its own."""
    hand = start(population_plan(1, 2, size=4, cut=1))
    hand.ask(4)
    for trial in range(4):
        hand.tell(trial, trial / 4, checkpoint=f"of {trial}")
    clone = next(given for given in hand.answer(4).assignments if given.lease.trial == 4)
    assert clone.checkpoint == "of 0"
    assert best(hand, 4) == ("", 0, "of 0")
    hand.tell(4, 0.3, checkpoint="own")
    assert best(hand, 4) == ("own", 2, "own")


@example
def a_dead_trial_keeps_it(start: Start) -> None:
    """Its best result may be among the best of the search."""
    hand = start(async_plan(12, trials=1))
    hand.ask()
    hand.tell(0, 0.2, at=1, checkpoint="a")
    hand.tell(0, 0.3, at=2, checkpoint="b")
    hand.fail(0, Outcome.ERROR)
    assert best(hand, 0) == ("a", 1, "b")
