"""All games worked by hand."""

from tests.model import (
    examples_auto,
    examples_calls,
    examples_checkpoints,
    examples_costs,
    examples_endings,
    examples_finite,
    examples_fronts,
    examples_leases,
    examples_population,
    examples_rungs,
    examples_sources,
    examples_users,
)
from tests.model.hand import REGISTERED, Example

EXAMPLES: list[Example] = REGISTERED

__all__ = [
    "EXAMPLES",
    "examples_auto",
    "examples_calls",
    "examples_checkpoints",
    "examples_costs",
    "examples_endings",
    "examples_finite",
    "examples_fronts",
    "examples_leases",
    "examples_population",
    "examples_rungs",
    "examples_sources",
    "examples_users",
]  # the modules register their games when they are imported
