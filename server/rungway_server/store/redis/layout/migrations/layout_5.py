"""Layout 5: records of 28 fields, which name every line of their trial's life; no brake.

The fields that layout 6 added get the values that servers of layout 6 assume where they are missing, so that a search
looks the same before and after its migration.
"""

from typing import Any

_FIELDS = (
    *(
        "state",
        "bracket",
        "rung",
        "length",
        "next",
        "to",
        "fence",
        "metric",
        "best_key",
        "best_length",
        "points",
        "tail",
    ),
    *(
        "request",
        "print",
        "verdict",
        "checkpoint",
        "checkpoint_length",
        "from",
        "restarts",
        "created",
        "worker",
        "entries",
    ),
    *("log", "outcome", "message", "parent", "returns", "config"),
)
_LENGTH, _CHECKPOINT_LENGTH, _CREATED, _LOG = map(_FIELDS.index, ("length", "checkpoint_length", "created", "log"))
_KEPT = 32
"""Layout 6 names so many lines at the beginning of a trial's life, and as many at its end."""
_MANY = 10**14
"""Layout 6 counts multiples of this apart from the rest of the trained length."""


def record(values: list[Any]) -> list[Any]:
    """With the length of its last progress, and the first and last lines of its life alone."""
    if len(values) != len(_FIELDS):
        return values
    values = [*values, max(values[_LENGTH], values[_CHECKPOINT_LENGTH])]
    values[_LOG] = _shortened(values[_LOG], values[_CREATED])
    return values


def _shortened(log: list[int], created: int) -> list[int]:
    """`log` has two numbers for each line; those left out are one pair, of the time 0 and how many they are."""
    most, left_out = 2 * _KEPT, len(log) // 2 - 2 * _KEPT
    return log if left_out <= 1 else [*log[:most], -created, left_out, *log[-most:]]


def meta(values: dict[str, Any]) -> dict[str, Any]:
    """Without a brake, as it was; the trained length in two parts where it is very long."""
    plan, tally, config = values["plan"], values["tally"], values["config"]
    times = max(-(-int(tally["trained"]) // _MANY) - 1, 0)
    if times:
        tally = tally | {"trained": int(tally["trained"]) - times * _MANY, "trained_many": times}
    return {
        "plan": {"pause_after": 0} | plan,
        "tally": tally,
        "config": config | {"pause_after_failures": plan.get("pause_after", 0)},
    }
