"""Ranges of the numbers and texts of an experiment: imports refuse values out of range, audits report them.

They are the limits of the wire and of configurations (docs/limits.md), and those of the layout in Redis.
"""

import re

from rungway_server.domain.search.config import MAX_LENGTH, MAX_TRIALS
from rungway_server.domain.search.objectives import MOST_OBJECTIVES
from rungway_server.service.search import LONGEST_CHECKPOINT, LONGEST_MESSAGE, LONGEST_WORKER

MOST = 10**14 - 1
"""Largest number that Lua writes exactly."""
MOST_NUMBER = 2**32 - 1
"""Of a trial, and of a result in a rung: four bytes."""
MOST_FENCING_TOKEN = 2**53
BRACKETS = RUNGS = 100
LANES = 9
"""Most lanes of proposals: one for each source, and one more."""

Range = tuple[int, int]
_LENGTH, _COUNT, _RUNG = (0, MAX_LENGTH), (0, MOST), (0, RUNGS)

TRIAL: dict[str, Range] = {
    "bracket": (0, BRACKETS - 1),
    "rung": _RUNG,
    **dict.fromkeys(("length", "next", "to", "from", "best_length", "checkpoint_length", "reached"), _LENGTH),
    "fence": (0, MOST_FENCING_TOKEN),
    "restarts": _COUNT,
    "created": _COUNT,
    "returns": _COUNT,
}
"""Numbers of a trial's record."""
TEXTS = {
    **dict.fromkeys(("checkpoint", "best_checkpoint"), LONGEST_CHECKPOINT),
    "worker": LONGEST_WORKER,
    "message": LONGEST_MESSAGE,
}
"""Longest texts of a record (bytes of UTF-8)."""
EVENT: dict[str, Range] = {
    "trial": (0, MOST_NUMBER),
    "bracket": (0, BRACKETS - 1),
    "rung": (-1, RUNGS - 1),
    "rank": (0, MOST_NUMBER),
    "size": (0, MOST_NUMBER),
    "quota": (0, MOST_NUMBER),
    "length": _LENGTH,
}
"""Numbers of an event about a trial."""
PROGRESS: dict[str, Range] = {
    "revision": (1, MOST),
    "next_trial": (0, MOST_NUMBER),
    "proposed": (0, MOST_NUMBER),
    "next_fence": (0, MOST_FENCING_TOKEN),
    "next_entry": (0, MOST_NUMBER),
    "trained": (0, MAX_TRIALS * MAX_LENGTH * 1_000),
}
"""Numbers that count the search."""
SETTINGS: dict[str, Range] = {
    "window_ms": (1, 86_400_000),
    "window_count": (1, 10**9),
    "most_events": (1, 10**9),
    "pause_after": (0, 10**9),
}
EVENT_ID = re.compile(r"(0|[1-9][0-9]{0,13})-(0|[1-9][0-9]{0,9})")
"""Time (ms) and count of a line of the event log."""
_VECTOR = rf"([0-9a-f]{{16}}){{0,{1 + MOST_OBJECTIVES}}}"
STAMP = re.compile(rf"([0-9a-f]{{24}}([0-9a-f]{{2}})?{_VECTOR})?")
"""A result in a rung: sort key and running number, in a search with entries the entry of its trial, and where rungs
rank by fronts its vector."""
USED = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-][0-9]{2,3})?( [0-9]+(\.[0-9]+)?(e[+-][0-9]{2,3})?)*")
"""What entries or sources have used of the training, weighed by its cost: numbers as "%.17g" writes them."""
PROMOTABLE = re.compile(rf"[0-9a-f]{{28}}(([0-9a-f]{{2}})?{_VECTOR}:)?(0|[1-9][0-9]{{0,9}})")
"""A promotable result: bracket and rung, and the result with its trial."""


def outside(found: object, least: int, most: int) -> str:
    """What is wrong with a number; "" when nothing is."""
    if type(found) is int and least <= found <= most:
        return ""
    return f"wanted a whole number from {least} to {most}"


def too_long(found: object, longest: int) -> str:
    """What is wrong with a text; "" when nothing is."""
    try:
        if isinstance(found, str) and len(found.encode()) <= longest:
            return ""
    except UnicodeEncodeError:
        pass
    return f"wanted a text of at most {longest} bytes of UTF-8"
