"""Migrations: one module for each older layout, with the step to the next.

A module never changes once a later layout exists. So it imports nothing from modules that follow the layout of today.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rungway_server.store.redis.layout.migrations import layout_5

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """From one layout to the next: a trial's record as it is unpacked; of `meta` the `plan`, `tally` and `config`."""

    record: Callable[[list[Any]], list[Any]]
    meta: Callable[[Values], Values]


STEPS: Mapping[int, Step] = {5: Step(layout_5.record, layout_5.meta)}
"""By the layout that each step begins at."""
FIRST = min(STEPS)
"""The oldest layout that has a migration."""


def record_of_today(values: list[Any]) -> list[Any]:
    """The fields of a record of any supported layout, as the scripts of today write them.

    Searches of several layouts are worked on without a migration, so a record may be of any of these.
    """
    for layout in sorted(STEPS):
        values = STEPS[layout].record(values)
    return values
