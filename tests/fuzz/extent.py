"""How much is tried: little in `make test`, as much as there is time for in `make fuzz`."""

import os

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("RUNGWAY_FUZZ_EXAMPLES", "6"))
"""Examples of each property."""
LONG = EXAMPLES > 50

tried = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
)
