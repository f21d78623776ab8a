"""What a copy of an experiment is made of: marks, the cut, and what is looked at in records that Redis packed."""

from dataclasses import dataclass, field
from typing import Any

from rungway_server.store.redis.connection.pipelined import as_bytes
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, unpack
from rungway_server.store.redis.snapshot.source import paired

_BRACKET, _ENTRIES, _CONFIG = (TRIAL_FIELDS.index(name) for name in ("bracket", "entries", "config"))


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the search stood."""

    now_ms: int
    event: str
    progress: dict[str, Any]
    clones: tuple[str, ...]
    suggestion: int = 0
    """The first that was not used."""
    raised: tuple[str, ...] = ()
    """Dead trials that went up since the mark before."""


@dataclass(slots=True)
class Cut:
    """The search as of one moment, but for the records of its trials, and what never changes. Texts are bytes of Redis.

    `leases` (flat, with their deadlines), `best`, `rungs` and `points` are for an audit alone.
    """

    meta: dict[str, str]
    last_event: str
    suggestions: dict[str, str]
    line: list[str]
    ready: list[str]
    queue: list[str]
    leases: list[str] = field(default_factory=list)
    best: list[str] = field(default_factory=list)
    rungs: list[bytes] = field(default_factory=list)
    points: dict[bytes, bytes] = field(default_factory=dict)

    def answers(self) -> list[Any]:
        """What Redis would answer for each key, trials and what belongs to them left out."""
        return [
            *(self.meta, {}, self.suggestions, list(paired(self.leases)), self.line, self.ready, self.best),
            *({}, [], {}, {}, self.queue, self.rungs, self.points),
        ]


def trial_in(member: bytes) -> str:
    """Whose result a member of the rungs is."""
    return str(int.from_bytes(member[-4:], "big"))


def members_of(number: str, record: str) -> list[bytes]:
    """The results of a trial as rungs hold them; none of a record that cannot be read."""
    try:
        fields = unpacked(record)
        bracket, entries = fields[_BRACKET], fields[_ENTRIES]
        return [
            bytes([bracket, k]) + as_bytes(stamp) + int(number).to_bytes(4, "big")
            for k, stamp in enumerate(entries)
            if stamp
        ]
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError):
        return []


def unpacked(text: str) -> Any:
    """What was packed, from a text of an answer. Raises ValueError."""
    return unpack(as_bytes(text))


def line_of(text: str) -> list[Any]:
    """Kind and trial of a line of the event log; nothing of one that cannot be read."""
    try:
        fields = unpacked(text)
    except ValueError:
        fields = None
    return fields[:2] if isinstance(fields, list) and fields else [""]


def configuration_of(record: str) -> str:
    """The configuration in a record, packed; "" where it cannot be read, which is said elsewhere."""
    try:
        return str(unpacked(record)[_CONFIG]) if record else ""
    except (ValueError, TypeError, IndexError):
        return ""
