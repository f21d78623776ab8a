"""Each seeded mistake in the Lua is caught: some game worked by hand comes out otherwise than in the model."""

import time

import pytest

from rungway_server.store.redis import RedisStore
from tests.model.driver import Workbench
from tests.model.examples import EXAMPLES
from tests.model.hand import Example
from tests.model.mutants import MUTANTS, Mutant
from tests.model.pair import Differs


def differs(play: Example, workbench: Workbench, store: RedisStore) -> bool:
    """Whether store and model come apart in a game. Any other error, such as one of Lua itself, is raised."""
    try:
        play(lambda plan, **options: workbench.start(plan, store=store, **options))
    except Differs:
        return True
    return False


@pytest.fixture(scope="module")
def games(workbench: Workbench) -> list[Example]:
    """The games in which the true scripts agree with the model: only they can tell a mistake from the truth. The
    short ones come first."""
    took: dict[Example, float] = {}
    for play in EXAMPLES:
        began = time.perf_counter()
        if not differs(play, workbench, workbench.store):
            took[play] = time.perf_counter() - began
    assert took
    return sorted(took, key=lambda play: took[play])


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mistake_is_caught(mutant: Mutant, workbench: Workbench, games: list[Example]) -> None:
    store = workbench.new_store(mutant.transform)
    caught_by = next((play for play in games if differs(play, workbench, store)), None)
    assert caught_by
    games.remove(caught_by)
    games.insert(0, caught_by)  # the next mistake is likely to be one of the same kind


def test_mutants_have_names_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_mutant_whose_text_is_gone_is_noticed() -> None:
    gone = Mutant("gone", "ask", (("no such text", ""),))
    with pytest.raises(LookupError, match="no such text"):
        gone.transform("ask", "return 1")
