"""A busy experiment leaves places to others."""

from contextlib import ExitStack

import pytest

from rungway_server.domain.errors import Overloaded
from rungway_server.service.admission import Admission
from rungway_server.service.port import ExperimentRef

BUSY, OTHER, THIRD = (ExperimentRef("default", name) for name in ("busy", "other", "third"))


def fill(admission: Admission, ref: ExperimentRef, stack: ExitStack) -> int:
    """Admit calls of the experiment until one is refused; returns how many were admitted."""
    taken = 0
    while True:
        try:
            stack.enter_context(admission.admit(ref))
        except Overloaded:
            return taken
        taken += 1


def test_one_experiment_leaves_room_for_another_and_that_for_a_third() -> None:
    admission = Admission(60)
    with ExitStack() as stack:
        assert fill(admission, BUSY, stack) == 30
        assert fill(admission, OTHER, stack) == 20
        assert fill(admission, THIRD, stack) == 10  # its share would be 15: the limit of 60 is reached


def test_a_call_that_fails_makes_room_again() -> None:
    admission = Admission(2)
    for _ in range(5):
        with pytest.raises(RuntimeError), admission.admit(BUSY):
            raise RuntimeError
    with ExitStack() as stack:
        assert fill(admission, BUSY, stack) == 1


def test_an_experiment_below_its_share_is_admitted() -> None:
    admission = Admission(8)
    with ExitStack() as stack, ExitStack() as others:
        assert fill(admission, BUSY, stack) == 4
        others.enter_context(admission.admit(OTHER))
        others.enter_context(admission.admit(OTHER))
        with pytest.raises(Overloaded), admission.admit(BUSY):
            pass
        others.enter_context(admission.admit(THIRD))
