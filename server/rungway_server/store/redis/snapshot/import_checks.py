"""The lines of an export file, checked as the wire checks a request: each number, text, list and word has its limit."""

from typing import Any

from rungway_server.domain.documents.fields import MAX_TEXT, finite
from rungway_server.domain.engine import ExperimentState, Outcome, TrialState
from rungway_server.domain.search.config import MAX_DIVISOR, MAX_LENGTH, MAX_TRIALS
from rungway_server.domain.search.plan import DecisionForm, PromotionRule
from rungway_server.store.redis.snapshot import ranges
from rungway_server.store.redis.snapshot.field_checks import (
    LONGEST_VALUE,
    BadField,
    digits,
    fields,
    like,
    listed,
    mapping,
    metric,
    number,
    one_of,
    parent,
    text,
    truth,
)

_WORD = 40
"""Longest kind or reason of an event, in bytes."""
_EVENT_ID = like(ranges.EVENT_ID, "the id of an event, like 1795264784155-0")
_STATES = tuple(TrialState)
_count = number(0, ranges.MOST_NUMBER)
_trial_number = number(0, ranges.MOST_NUMBER)

HEADER = fields({"experiment": text(63), "revision": number(1, ranges.MOST)})
TRIAL = fields(
    {
        "trial": _trial_number,
        "hparams": mapping,
        "state": one_of(*_STATES),
        **{name: number(*bounds) for name, bounds in ranges.TRIAL.items()},
        **{name: text(longest) for name, longest in ranges.TEXTS.items()},
        "outcome": one_of("", *Outcome),
        "entries": listed(like(ranges.STAMP, '24 hexadecimal digits, or ""'), ranges.RUNGS),
        "log": listed(_EVENT_ID, 10**9),
        "parent": parent,
        "metric": metric,
        "best_metric": metric,
    },
    may_lack=("reached",),  # files of layout 5
)
SUGGESTION = fields({"proposal": _trial_number, "hparams": mapping})
EVENT_OF_SEARCH = fields(
    {"event": _EVENT_ID, "kind": text(_WORD), "message": text(2 * ranges.TEXTS["message"])}, may_lack=("message",)
)
EVENT = fields(
    {
        "event": _EVENT_ID,
        "kind": text(_WORD),
        "reason": text(_WORD),
        **{name: number(*bounds) for name, bounds in ranges.EVENT.items()},
        "cutoff": metric,
        "metric": metric,
        "worker": text(ranges.TEXTS["worker"]),
        "parent": digits,
    },
    may_lack=("parent",),
)


def _divisor(path: str, found: Any) -> None:
    value = finite(found)
    if value is None or not 1 < value <= MAX_DIVISOR:
        raise BadField(path, found, f"a number above 1, at most {MAX_DIVISOR}")


def _rung(path: str, found: Any) -> None:
    if not isinstance(found, list) or not 1 <= len(found) <= 4:
        raise BadField(path, found, "a length, and how many results there are, pass and are cloned")
    number(1, MAX_LENGTH)(f"{path}[0]", found[0])
    for at, value in enumerate(found[1:], 1):
        _count(f"{path}[{at}]", value)


def _states(path: str, found: Any) -> None:
    if not isinstance(found, dict):
        if found != []:  # as Lua writes it while there is none
            raise BadField(path, found, "counts by state")
        return
    for name, value in found.items():
        one_of(*_STATES)(path, name)
        _count(f"{path}.{name}", value)


_PLAN = fields(
    {
        "brackets": listed(
            fields(
                {
                    "rungs": listed(_rung, ranges.RUNGS, 1),
                    "max_trials": number(0, MAX_TRIALS),
                    "max_concurrent_trials": number(0, MAX_TRIALS),
                }
            ),
            ranges.BRACKETS,
            1,
        ),
        "rule": one_of(*PromotionRule),
        "form": one_of(*DecisionForm),
        "divisor": _divisor,
        "max_concurrent_trials": number(0, MAX_TRIALS),
        "unit": text(4 * MAX_TEXT),
    }
)
_POINTS = fields(dict.fromkeys(("size", "samples", "passes", "left", "at", "invalid", "lost"), number(0, ranges.MOST)))
_OPTIONAL = {
    "points": _POINTS,
    "clones": listed(digits, 10**9),
    "failures": _count,
    "failing": truth,
    "target_reached": truth,
}
_COUNTED = {
    "state": one_of(*ExperimentState),
    **{name: number(*bounds) for name, bounds in ranges.PROGRESS.items()},
    "started": listed(_count, ranges.BRACKETS, 1),
    "live": listed(_count, ranges.BRACKETS, 1),
    "states": _states,
    "sizes": listed(_count, ranges.BRACKETS * ranges.RUNGS, 1),
    "passed": listed(_count, ranges.BRACKETS * ranges.RUNGS, 1),
}
PROGRESS_FIELDS = frozenset(_COUNTED) | frozenset(_OPTIONAL)
"""What an import takes of the tally."""
_PROGRESS = fields(_COUNTED | _OPTIONAL, may_lack=tuple(_OPTIONAL))
SEARCH = fields(
    {
        "created_ms": number(0, ranges.MOST),
        "config": mapping,
        "plan": _PLAN,
        "notes": listed(text(4 * LONGEST_VALUE), 1_000),
        "settings": fields(
            {name: number(*bounds) for name, bounds in ranges.SETTINGS.items()}, may_lack=tuple(ranges.SETTINGS)
        ),
        "tally": _PROGRESS,
        "failing": text(2 * ranges.TEXTS["message"]),
        "line": listed(_trial_number, 10**9),
        "ready": listed(like(ranges.READY, "28 hexadecimal digits and the number of a trial"), 10**9),
        "queue": listed(mapping, 10**9),
    },
    may_lack=("failing",),
)
