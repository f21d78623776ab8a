"""What the scripts write, as Python values: trial records and lines of the event log.

The order of a trial's fields is read from `lua/include/trial.lua`, the one place where it is kept.
"""

import re
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any, Self

import msgpack

_NOT_NAMES = {"from": "from_length", "to": "to_length"}
"""Fields of Lua that are no names in Python."""


def _fields_of_lua() -> tuple[str, ...]:
    text = resources.files(__package__).joinpath("lua", "include", "trial.lua").read_text(encoding="utf-8")
    listed = text.partition("local FIELDS = {")[2].partition("}")[0]
    return tuple(re.findall(r"'(\w+)'", listed))


TRIAL_FIELDS = _fields_of_lua()
"""The fields of a trial record in the order in which they are packed."""


def unpack(packed: bytes) -> Any:
    """What `cmsgpack.pack` of Lua wrote. Raises ValueError when it is something else."""
    return msgpack.unpackb(packed, strict_map_key=False)


@dataclass(slots=True)
class TrialRecord:
    """A trial as it is stored (KEYS.md).

    `entries` are its results in each rung it reached, without its number; those of a clone are empty below its first.
    `parent` is False but for a clone: number, rung and rank of the trial it was cloned from, its checkpoint then, and
    the length of that.
    """

    state: str
    bracket: int
    rung: int
    length: int
    fence: int
    from_length: int
    to_length: int
    restarts: int
    checkpoint: str
    checkpoint_length: int
    metric: str
    best_key: str
    best_metric: str
    best_length: int
    points: int
    entries: list[str]
    request: str
    print: str
    verdict: Any
    outcome: str
    message: str
    worker: str
    created: int
    log: list[str]
    returns: int
    parent: Any

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Read a record. Raises ValueError or TypeError when it is none."""
        values = unpack(packed)
        if not isinstance(values, list) or len(values) != len(TRIAL_FIELDS):
            raise ValueError(f"wanted a list of {len(TRIAL_FIELDS)} fields")
        named = {_NOT_NAMES.get(name, name): value for name, value in zip(TRIAL_FIELDS, values, strict=True)}
        record = cls(**named)
        for field in fields(cls):
            found = getattr(record, field.name)
            if field.type is int and isinstance(found, str):  # taken over from an argument of a script
                setattr(record, field.name, found := int(found))
            if field.type in (str, int) and type(found) is not field.type:
                raise TypeError(f"{field.name} is {found!r}")
        return record


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the event log (`lua/include/event.lua`); trial -1 and reason "" where no trial took part."""

    id: str
    kind: str
    trial: int
    reason: str = ""
    bracket: int = 0
    rung: int = -1
    rank: int = 0
    size: int = 0
    quota: int = 0
    length: int = 0

    @classmethod
    def read(cls, line_id: str, event: str, state: str) -> Self:
        """Read a line. Raises ValueError when it is none."""
        kind, trial, *why = event.split(" ")
        if not why:
            return cls(line_id, kind, int(trial))
        reason, bracket, rung, rank, size, quota = why[:6]
        length = int(state.split(" ", 2)[0])
        return cls(line_id, kind, int(trial), reason, int(bracket), int(rung), int(rank), int(size), int(quota), length)
