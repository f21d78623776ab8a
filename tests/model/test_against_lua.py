"""Random play: the Lua scripts on a real Redis and the reference model answer alike, field by field.

The quick profile runs in `make test`; `RUNGWAY_MODEL_PROFILE=long` plays far more, with a fresh random seed each time.
"""

import os

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
    "quick": settings(COMMON, max_examples=60, stateful_step_count=40, derandomize=True),
    "long": settings(COMMON, max_examples=1500, stateful_step_count=80),
}


def test_random_play_matches_the_model(workbench: Workbench) -> None:
    chosen = PROFILES[os.environ.get("RUNGWAY_MODEL_PROFILE", "quick")]
    play_at_random(workbench, chosen)
