"""Games worked by hand: finite spaces, whose points are each used once before any is repeated."""

import pytest

from rungway_server.domain.engine import ExperimentState, Outcome
from rungway_server.domain.errors import InvalidInput, NoTrialsLeft
from tests.model.finite import Finite
from tests.model.hand import Hand, Start, example
from tests.model.plans import async_plan


def asked(hand: Hand, count: int = 1) -> list[object]:
    """The values of the trials handed out."""
    return [given.hparams["x"] for given in hand.answer(count).assignments]


@example
def a_grid_goes_from_the_last_to_the_first(start: Start) -> None:
    """As often as it says, and no further."""
    hand = start(async_plan(1, trials=6), finite=Finite(3, 2))
    assert asked(hand, 4) == [2, 1, 0, 2]
    assert asked(hand, 9) == [1, 0]
    for trial in range(6):
        hand.tell(trial, 0.5)
    assert hand.engine.progress().state is ExperimentState.DONE


@example
def an_enqueued_point_takes_its_place(start: Start) -> None:
    """Wherever it is in the order; the others keep theirs."""
    hand = start(async_plan(1, trials=8), finite=Finite(4, 2))
    hand.enqueue({"x": 1})
    assert asked(hand, 2) == [1, 3]
    hand.enqueue({"x": 0})
    assert asked(hand, 2) == [0, 2]
    assert asked(hand, 4) == [3, 2, 1, 0]


@example
def a_used_point_is_refused_until_all_were_used(start: Start) -> None:
    """Whether it has a trial or is enqueued."""
    hand = start(async_plan(1, trials=6), finite=Finite(3, 2))
    assert asked(hand) == [2]
    hand.enqueue({"x": 0}, "a")
    assert hand.enqueue({"x": 0}, "a") == 0
    for x in (0, 2):
        with pytest.raises(InvalidInput):
            hand.enqueue({"x": x})
    assert hand.enqueue({"x": 1}) == 1
    assert hand.enqueue({"x": 1}) == 2
    with pytest.raises(InvalidInput):
        hand.enqueue({"x": 1})
    assert asked(hand, 9) == [0, 1, 1, 2, 0]
    with pytest.raises(NoTrialsLeft):
        hand.enqueue({"x": 0})


@example
def an_invalid_point_of_a_grid_is_used_up(start: Start) -> None:
    """Nothing replaces it, now or in a later pass."""
    hand = start(async_plan(1, trials=6), finite=Finite(3, 2))
    assert asked(hand, 2) == [2, 1]
    hand.fail(1, Outcome.INVALID)
    assert hand.engine.progress().lost == 2
    with pytest.raises(InvalidInput):
        hand.enqueue({"x": 1})
    assert asked(hand, 9) == [0, 2, 0]
    for trial in (0, 2, 3, 4):
        hand.tell(trial, 0.5)
    assert hand.engine.progress().state is ExperimentState.DONE


@example
def a_point_is_found_invalid_late(start: Start) -> None:
    """By the trial of a later pass, then by the one before; its enqueued configuration is lost, too."""
    hand = start(async_plan(1, trials=9), finite=Finite(3, 3))
    assert asked(hand, 4) == [2, 1, 0, 2]
    hand.enqueue({"x": 0})
    hand.enqueue({"x": 1})
    hand.enqueue({"x": 1})
    hand.fail(1, Outcome.INVALID)
    assert hand.engine.progress().lost == 3
    hand.fail(3, Outcome.INVALID)
    assert hand.engine.progress().lost == 5
    hand.fail(0, Outcome.INVALID)
    assert hand.engine.progress().lost == 6
    assert asked(hand, 9) == [0, 0]


@example
def an_invalid_point_completes_a_pass(start: Start) -> None:
    """It was not used yet in this one, in which all others were."""
    hand = start(async_plan(1, trials=9), finite=Finite(3, 3))
    assert asked(hand, 5) == [2, 1, 0, 2, 1]
    with pytest.raises(InvalidInput):
        hand.enqueue({"x": 2})
    hand.fail(2, Outcome.INVALID)
    hand.enqueue({"x": 1})
    assert asked(hand, 9) == [1, 2]


@example
def more_trials_than_points(start: Start) -> None:
    """Outside of grids all points come again; an invalid trial is replaced by another point."""
    hand = start(async_plan(1, trials=5), finite=Finite(3))
    first = asked(hand, 2)
    hand.fail(0, Outcome.INVALID)
    left = [x for x in range(3) if x not in first]
    assert asked(hand) == left
    again = asked(hand, 9)
    assert sorted(map(str, again[:2])) == sorted(map(str, [first[1], *left]))
    assert again[2] in (first[1], *left)
    assert len(again) == 3


@example
def no_point_is_left(start: Start) -> None:
    """All are invalid: the search ends with those trials that are told."""
    hand = start(async_plan(1, trials=5), finite=Finite(2))
    assert sorted(map(str, asked(hand, 2))) == ["0", "1"]
    hand.fail(0, Outcome.INVALID)
    asked(hand)
    hand.fail(2, Outcome.INVALID)
    assert hand.waits() == "wait waiting_for_results"
    hand.tell(1, 0.5)
    assert hand.engine.progress().state is ExperimentState.DONE


@example
def points_that_are_not_equally_likely(start: Start) -> None:
    """They are counted as all others, in an order of their own."""
    hand = start(async_plan(1, trials=8), finite=Finite(4, uneven=True))
    first = asked(hand, 3)
    left = [x for x in range(4) if x not in first]
    with pytest.raises(InvalidInput):
        hand.enqueue({"x": first[0]})
    assert asked(hand) == left
    assert sorted(map(str, asked(hand, 4))) == ["0", "1", "2", "3"]
