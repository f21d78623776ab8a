"""A busy experiment leaves room for others."""

from contextlib import ExitStack

import pytest

from rungway_server.domain.errors import Overloaded
from rungway_server.service.admission import Places
from rungway_server.service.port import ExperimentRef

BUSY, OTHER, THIRD = (ExperimentRef("default", name) for name in ("busy", "other", "third"))


def fill(places: Places, ref: ExperimentRef, stack: ExitStack) -> int:
    """How many places the experiment gets."""
    taken = 0
    while True:
        try:
            stack.enter_context(places.place(ref))
        except Overloaded:
            return taken
        taken += 1


def test_one_experiment_leaves_room_for_another_and_that_for_a_third() -> None:
    places = Places(60)
    with ExitStack() as stack:
        assert fill(places, BUSY, stack) == 30
        assert fill(places, OTHER, stack) == 20
        assert fill(places, THIRD, stack) == 10  # its share would be 15: no more places are left


def test_places_are_given_back_whatever_happens() -> None:
    places = Places(2)
    for _ in range(5):
        with pytest.raises(RuntimeError), places.place(BUSY):
            raise RuntimeError
    with ExitStack() as stack:
        assert fill(places, BUSY, stack) == 1


def test_those_who_hold_less_than_their_share_get_in() -> None:
    places = Places(8)
    with ExitStack() as stack, ExitStack() as others:
        assert fill(places, BUSY, stack) == 4
        others.enter_context(places.place(OTHER))
        others.enter_context(places.place(OTHER))
        with pytest.raises(Overloaded), places.place(BUSY):
            pass
        others.enter_context(places.place(THIRD))
