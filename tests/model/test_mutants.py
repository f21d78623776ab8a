"""Each seeded mistake in the Lua is caught: some game worked by hand comes out otherwise than in the model."""

import pytest

from tests.model.catching import Games, caught_by, known_first
from tests.model.driver import Workbench
from tests.model.examples import EXAMPLES
from tests.model.mutants import MUTANTS, Mutant
from tests.support.long_tests import params

CAUGHT_BY = caught_by()


@pytest.fixture(scope="module")
def games(workbench: Workbench) -> Games:
    return Games(workbench)


REPEATED = {"every result is compared", "the oldest are compared"}
"""Mistakes in the same line as another, which only a game of more results than are compared shows: `make mutants` and
`make test-long` have them."""


@pytest.mark.parametrize("mutant", params({mutant.name: mutant for mutant in MUTANTS}, REPEATED))
def test_mistake_is_caught(mutant: Mutant, games: Games) -> None:
    assert games.catching(mutant, known_first(EXAMPLES, CAUGHT_BY.get(mutant.name)))


def test_a_game_is_known_for_each_mistake() -> None:
    assert CAUGHT_BY.keys() == {mutant.name for mutant in MUTANTS}, "make mutants"
    assert set(CAUGHT_BY.values()) <= {play.__name__ for play in EXAMPLES}, "make mutants"


def test_mutants_have_names_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_whose_text_is_gone_is_noticed() -> None:
    gone = Mutant("gone", "ask", (("no such text", ""),))
    with pytest.raises(LookupError, match="no such text"):
        gone.transform("ask", "return 1")
