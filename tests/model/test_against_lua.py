"""Random play: the Lua scripts on a real Redis and the reference model answer alike, field by field.

The quick profile plays the same games each time, and more of them in `make test-long`. `RUNGWAY_MODEL_PROFILE=long`
plays twenty times as many longer ones, others each time, and prints how to play a game again that went wrong.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.model.driver import Workbench
from tests.model.machine import play_at_random

COMMON = settings(
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
PROFILES = {
    "quick": settings(COMMON, max_examples=30, stateful_step_count=40, derandomize=True),
    "more": settings(COMMON, max_examples=100, stateful_step_count=40, derandomize=True),
    "long": settings(COMMON, max_examples=2000, stateful_step_count=60, derandomize=False),
}
CHOSEN = os.environ.get("RUNGWAY_MODEL_PROFILE", "quick")
MORE = [pytest.param("more", marks=pytest.mark.long)] if CHOSEN == "quick" else []
with_each_profile = pytest.mark.parametrize("profile", [CHOSEN, *MORE])


@with_each_profile
@pytest.mark.timeout(120 if CHOSEN == "quick" else 3600)
def test_random_play_matches_the_model(profile: str, workbench: Workbench) -> None:
    play_at_random(workbench, PROFILES[profile])
