"""Rungs of several objectives: the scripts rank as the definitions say, in random play and with full windows."""

import pytest

from tests.model.driver import Workbench
from tests.model.machine import play_at_random
from tests.model.objectives import Window
from tests.model.test_against_lua import CHOSEN, PROFILES

SMALL = 5
"""Results of a rung that are compared in games with few trials."""


@pytest.mark.timeout(120 if CHOSEN == "quick" else 3600)
def test_random_play_matches_the_model(workbench: Workbench) -> None:
    play_at_random(workbench, PROFILES[CHOSEN], by_fronts=True)


@pytest.mark.skipif(CHOSEN == "quick", reason="takes minutes: RUNGWAY_MODEL_PROFILE=long runs it")
@pytest.mark.timeout(3600)
def test_only_the_newest_results_are_compared(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Window, "most", SMALL)
    store = workbench.new_store(lambda _, text: text.replace("Size.most_compared", str(SMALL)))
    play_at_random(workbench, PROFILES[CHOSEN], store, by_fronts=True)
