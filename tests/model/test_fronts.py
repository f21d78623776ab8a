"""Rungs of several objectives: the scripts rank as the definitions say, in random play and with full windows."""

import re

import pytest

from tests.model.driver import Workbench
from tests.model.machine import play_at_random
from tests.model.objectives import Window
from tests.model.test_against_lua import CHOSEN, PROFILES, with_each_profile

SMALL = 5
"""Results of a rung that are compared in games with few trials."""


@with_each_profile
@pytest.mark.timeout(120 if CHOSEN == "quick" else 3600)
def test_random_play_matches_the_model(profile: str, workbench: Workbench) -> None:
    play_at_random(workbench, PROFILES[profile], by_fronts=True)


@with_each_profile
@pytest.mark.timeout(120 if CHOSEN == "quick" else 3600)
def test_only_the_newest_results_are_compared(
    profile: str, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("most", "looked_at"):  # no more are credited than are compared
        monkeypatch.setattr(Window, name, SMALL)

    def with_small_window(_: str, text: str) -> str:
        text = text.replace("Size.most_compared", str(SMALL))
        return re.sub(r"(LOOKED_AT, MOST_CREDIT = )128\b", rf"\g<1>{SMALL}", text)

    play_at_random(workbench, PROFILES[profile], workbench.new_store(with_small_window), by_fronts=True)
