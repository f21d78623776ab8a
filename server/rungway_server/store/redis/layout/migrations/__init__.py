"""Older layouts: what a stored search of each was, and its way up to the next.

Each module is of one layout, and frozen: once a later one is written, it never changes. So it says by itself what it
needs, and takes nothing from modules that follow the layout of today.
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
"""By the layout that each begins at."""
FIRST = min(STEPS)
"""The oldest layout that has a way up."""


def record_of_today(values: list[Any]) -> list[Any]:
    """The fields of a record as the scripts of today write them, whichever of their layouts it is of.

    Searches of several layouts are worked on as they are, so their records may be of each of these.
    """
    for layout in sorted(STEPS):
        values = STEPS[layout].record(values)
    return values
