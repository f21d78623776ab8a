"""What the engine promises about promotions, on the store with a real Redis; and that the games notice a broken
promise.

`RUNGWAY_MODEL_PROFILE=long` plays twenty times as many games, others each time.
"""

import os

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rungway_server.domain.search.plan import Plan, PromotionRule
from rungway_server.store.redis import RedisStore
from tests.model.driver import Workbench
from tests.model.mutants import MUTANTS
from tests.model.plans import ASYNC, SYNC
from tests.model.promises import LEASE_MS, UNLIMITED, Broken, Game, Move, games

LONG = os.environ.get("RUNGWAY_MODEL_PROFILE") == "long"
COMMON = settings(deadline=None, database=None, print_blob=True)
TRUE = settings(COMMON, max_examples=2000 if LONG else 100, derandomize=not LONG)
MISTAKEN = settings(COMMON, max_examples=100, derandomize=True, phases=[Phase.generate])


def play(workbench: Workbench, rule: PromotionRule, store: RedisStore | None = None) -> None:
    """Play as many games under the rule as the settings say. Raises Broken."""

    @settings(MISTAKEN if store else TRUE)
    @given(game=games(rule), smaller_is_better=st.booleans())
    def one(game: tuple[Plan, list[Move]], smaller_is_better: bool) -> None:
        plan, moves = game
        engine = workbench.engine(
            plan, lease_ms=LEASE_MS, max_restarts=UNLIMITED, smaller_is_better=smaller_is_better, store=store
        )
        Game(engine, plan, smaller_is_better, engine.created_ms).play(moves)

    one()


@pytest.mark.timeout(3600 if LONG else 120)
@pytest.mark.parametrize("rule", [ASYNC, SYNC])
def test_promotable_trials_are_promoted_and_no_others(workbench: Workbench, rule: PromotionRule) -> None:
    """Async: no new trial while one of its bracket waits that is among the best floor(n / divisor) of its rung. Sync: a
    trial is promoted once no later result can displace it, and not before."""
    play(workbench, rule)


MISTAKES = [
    (ASYNC, "quota rounds up"),
    (ASYNC, "no other trial becomes promotable"),
    (ASYNC, "new trials before promotions"),
    (ASYNC, "ties go to the newest"),
    (SYNC, "sync rule promotes one too early"),
    (SYNC, "sync rule waits for one more"),
    (SYNC, "no other trial becomes promotable"),
]


@pytest.mark.parametrize(("rule", "mistake"), MISTAKES)
def test_a_broken_promise_is_noticed(workbench: Workbench, rule: PromotionRule, mistake: str) -> None:
    [mutant] = [mutant for mutant in MUTANTS if mutant.name == mistake]
    with pytest.raises(Broken):
        play(workbench, rule, workbench.new_store(mutant.transform))
