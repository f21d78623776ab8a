"""What a copy of an experiment is made of: marks, the cut, and what is looked at in records that Redis packed."""

from dataclasses import dataclass, field
from typing import Any

from rungway_server.store.redis.layout.records import TRIAL_FIELDS, as_bytes, unpack
from rungway_server.store.redis.snapshot.source import paired

_BRACKET, _ENTRIES, _CONFIG = (TRIAL_FIELDS.index(name) for name in ("bracket", "entries", "config"))


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the search stood."""

    now_ms: int
    event: str
    progress: dict[str, Any]
    clones: tuple[bytes, ...]
    suggestion: int = 0
    """The first that was not used."""
    raised: tuple[bytes, ...] = ()
    """Dead trials that went up since the mark before."""


@dataclass(slots=True)
class Cut:
    """The search as of one moment, but for the records of its trials, and what never changes.

    `leases` (flat, with their deadlines), `best`, `rungs` and `points` are for an audit alone.
    """

    meta: dict[bytes, bytes]
    last_event: str
    suggestions: dict[bytes, bytes]
    line: list[bytes]
    ready: list[bytes]
    queue: list[bytes]
    leases: list[bytes] = field(default_factory=list)
    best: list[bytes] = field(default_factory=list)
    rungs: list[bytes] = field(default_factory=list)
    points: dict[bytes, bytes] = field(default_factory=dict)

    def answers(self) -> list[Any]:
        """What Redis would answer for each key, trials and what belongs to them left out."""
        return [
            *(self.meta, {}, self.suggestions, list(paired(self.leases)), self.line, self.ready, self.best),
            *({}, [], {}, {}, self.queue, self.rungs, self.points),
        ]


def name_of(number: int) -> bytes:
    """The field of a trial, or of a suggestion, in its hash."""
    return str(number).encode()


def trial_in(member: bytes) -> bytes:
    """The trial of a result in the rungs, as in `name_of`."""
    return name_of(int.from_bytes(member[-4:], "big"))


def members_of(number: bytes, record: bytes) -> list[bytes]:
    """The results of a trial as rungs hold them; none of a record that cannot be read."""
    try:
        fields = unpack(record)
        bracket, entries = fields[_BRACKET], fields[_ENTRIES]
        return [
            bytes([bracket, k]) + as_bytes(stamp) + int(number).to_bytes(4, "big")
            for k, stamp in enumerate(entries)
            if stamp
        ]
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError):
        return []


def line_of(packed: bytes) -> list[Any]:
    """Kind and trial of a line of the event log; nothing of one that cannot be read."""
    try:
        fields = unpack(packed)
    except ValueError:
        fields = None
    return fields[:2] if isinstance(fields, list) and fields else [""]


def configuration_of(record: bytes) -> bytes:
    """The configuration in a record, packed; b"" where it cannot be read, which is said elsewhere."""
    try:
        return as_bytes(unpack(record)[_CONFIG]) if record else b""
    except (ValueError, TypeError, IndexError, AttributeError):
        return b""
