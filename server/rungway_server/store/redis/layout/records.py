"""What the scripts write, as Python values: trial records, entries of rungs and of the event log.

Sort keys, and what begins with one, are shown as hexadecimal digits.
"""

from dataclasses import dataclass, fields
from typing import Any, AnyStr, Self

import msgpack

from rungway_server.domain.engine import TrialState
from rungway_server.store.redis.layout.codes import WORDS
from rungway_server.store.redis.layout.migrations import record_of_today
from rungway_server.store.redis.layout.numbers import NEW, why_of

BINARY = "surrogateescape"
"""How bytes that are not UTF-8 stand in the texts of unpacked records: `as_bytes` gives the bytes back."""
_ENTRY_BYTES, _STAMP_DIGITS = 16, 24
_VECTOR_BYTES = 8
"""A vector of results in rungs that rank by fronts is a multiple of these."""

MANY = 10**14
"""What is counted apart of the trained length (`lua/include/reports.lua`)."""

NO_RUNG = (-1, 0, 0, 0, "")
"""Rung, rank, size, quota and cutoff key of a stored explanation that ends before them."""
_STATES = {state[0]: state.value for state in TrialState}
TRIAL_FIELDS = (
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
    *("request", "print", "verdict", "checkpoint", "checkpoint_length", "from", "restarts", "created", "worker"),
    *("entries", "log", "outcome", "message", "parent", "returns", "config", "reached"),
)
"""The fields of a trial record in the order in which they are packed. Scripts take them from here."""
ENTRY = "entry"
"""One more field, of the trials of a search with entries or sources: the rung at which it entered, or to which it went
blindly, and SOURCES times the number of the source of its configuration."""
SOURCES = 32
"""More than the rungs of any ladder with entries."""
BEST_CHECKPOINT = "best_checkpoint"
"""A field that only records of layout 9 and later have, and of these only those that need it."""
OBJECTIVES = "objectives"
"""The last field, of the trials of a search with several objectives or constraints: how their last report ranks, below
the top rung and, where it may rank otherwise there, at the top rung (`domain/search/objectives.py`)."""


def as_bytes(text: str) -> bytes:
    """The bytes that Lua packed, from a text of an unpacked record."""
    return text.encode(errors=BINARY)


def unpack(packed: bytes) -> Any:
    """What `cmsgpack.pack` of Lua wrote. Raises ValueError when it is something else."""
    return msgpack.unpackb(packed, strict_map_key=False, unicode_errors=BINARY)


def packed(value: Any) -> bytes:
    """What `cmsgpack.unpack` of Lua reads back; the inverse of `unpack`."""
    return bytes(msgpack.packb(value, unicode_errors=BINARY))


def binary(digits: str) -> str:
    """The inverse of `hexadecimal`."""
    return bytes.fromhex(digits).decode(errors=BINARY)


def hexadecimal(text: str) -> str:
    """Packed bytes as digits."""
    return as_bytes(text).hex()


def entry_of(packed: bytes) -> str:
    """An entry of a rung: sort key (16 digits), running number (8 digits), number of the trial. In a search with
    entries the one of the trial, 2 digits and a colon, is before its number; where rungs rank by fronts, the vector of
    the result is before the colon. Raises ValueError."""
    if len(packed) < _ENTRY_BYTES or (len(packed) - _ENTRY_BYTES) % _VECTOR_BYTES > 1:
        raise ValueError(f"{packed!r} is no entry")
    return result_of(packed[:-4].hex(), int.from_bytes(packed[-4:], "big"))


def result_of(stamp: str, number: int) -> str:
    """The entry of a rung, as in `entry_of`, from a stamp of its trial's record and the number of that."""
    return f"{stamp}:{number}" if len(stamp) > _STAMP_DIGITS else f"{stamp}{number}"


def trial_of_result(entry: str) -> int:
    """The number of the trial of an entry as in `entry_of`, or of a promotable result without its bracket and rung."""
    return int(entry.partition(":")[2] or entry[_STAMP_DIGITS:])


def packed_result(entry: str) -> bytes:
    """The inverse of `entry_of`."""
    stamp = entry.partition(":")[0] if ":" in entry else entry[:_STAMP_DIGITS]
    return bytes.fromhex(stamp) + trial_of_result(entry).to_bytes(4, "big")


@dataclass(slots=True)
class TrialRecord:
    """A trial as it is stored (KEYS.md), in the order of `TRIAL_FIELDS`.

    `entries` are its results in each rung it reached, without its number; those of a clone are empty below its first.
    `origin` is 0 in a search without entries and sources. `parent` is False except in a clone: number, rung and
    rank of the trial it was cloned from, its checkpoint then, and the length of that. `log` names lines of the event
    log (see `history_of`). `best_checkpoint` is stored only where it is another than `derived_best_checkpoint`.
    """

    state: str
    bracket: int
    rung: int
    length: int
    next_length: int
    to_length: int
    fencing_token: int
    metric: str
    best_key: str
    best_length: int
    points: int
    tail: str
    request: str
    fingerprint: str
    reply: Any
    checkpoint: str
    checkpoint_length: int
    from_length: int
    restarts: int
    created: int
    worker: str
    entries: list[str]
    log: list[Any]
    outcome: str
    message: str
    parent: Any
    returns: int
    config: str
    reached: int
    origin: int = 0
    best_checkpoint: str = ""
    objectives: str = ""

    @property
    def entry(self) -> int:
        """The rung at which it entered, or to which it went blindly."""
        return self.origin % SOURCES

    @property
    def source(self) -> int:
        """The number of the source of its configuration; 0 in a search without sources."""
        return self.origin // SOURCES

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Read a record. Raises ValueError or TypeError when it is none."""
        values = unpack(packed)
        if isinstance(values, list):
            values = record_of_today(values)
        if not isinstance(values, list) or not len(TRIAL_FIELDS) <= len(values) <= len(ATTRIBUTES):
            raise ValueError(f"wanted a list of {len(TRIAL_FIELDS)} to {len(ATTRIBUTES)} fields")
        named = dict(zip(ATTRIBUTES.values(), values, strict=False))
        named["state"] = _STATES.get(named["state"])
        named["metric"] = named["metric"] or binary(hexadecimal(named["tail"])[-16:])
        for name, last in (("best_key", "metric"), ("best_length", "length")):
            named[name] = named[last] if named[name] is False else named[name]
        named["origin"] = named.get("origin") or 0  # False in a record that has more, of a search without entries
        if named.get(BEST_CHECKPOINT, False) is False:  # False in a record that has more
            named[BEST_CHECKPOINT] = derived_best_checkpoint(**{name: named[name] for name in _BEST})
        record = cls(**named)
        for field in fields(cls):
            found = getattr(record, field.name)
            if field.type in (str, int) and type(found) is not field.type:
                raise TypeError(f"{field.name} is {found!r}")
        record.metric, record.best_key = hexadecimal(record.metric), hexadecimal(record.best_key)
        record.entries = [hexadecimal(stamp) for stamp in record.entries]
        record.objectives = hexadecimal(record.objectives)
        times = zip(record.log[::2], record.log[1::2], strict=True)
        record.log = [f"{record.created + ms}-{count}" for ms, count in times]
        return record


ATTRIBUTES = dict(
    zip((*TRIAL_FIELDS, ENTRY, BEST_CHECKPOINT, OBJECTIVES), (field.name for field in fields(TrialRecord)), strict=True)
)
"""What Python and the scripts call each field of a record: some stored names are older."""
_BEST = ("best_key", "best_length", "checkpoint", "checkpoint_length")


def derived_best_checkpoint(best_key: object, best_length: int, checkpoint: AnyStr, checkpoint_length: int) -> AnyStr:
    """The checkpoint of the best result where a record has none of its own: the last one, if it is of that length."""
    return checkpoint if best_key and checkpoint_length == best_length else checkpoint[:0]


def trained_of(progress: dict[str, Any]) -> int:
    """The trained length in a progress as it is stored."""
    return int(progress["trained"]) + MANY * int(progress.get("trained_many", 0))


def stored_trained(trained: int) -> dict[str, int]:
    """The inverse of `trained_of`: fields of the stored progress."""
    times = max(-(-trained // MANY) - 1, 0)
    return {"trained": trained - times * MANY} | ({"trained_many": times} if times else {})


def first_suggestion(progress: dict[str, Any]) -> int:
    """The number of the next suggestion to be used (see lua/KEYS.md), of a progress with its counts."""
    return int(progress["points"]["at"] if progress.get("points") else progress["next_trial"])


def order_of(event: str) -> tuple[int, ...]:
    """Ids of events in their order."""
    return tuple(int(part) for part in event.split("-"))


def history_of(log: list[str]) -> tuple[dict[int, str], int]:
    """The lines that a record names, each by how many came before it, and how many there are in all.

    Of a long life it names the first and the last: "0-7866" between them stands for 7,866 others
    (lua/include/events.lua).
    """
    lines: dict[int, str] = {}
    at = 0
    for line_id in log:
        time_ms, _, count = line_id.partition("-")
        if time_ms == "0":
            at += int(count)
        else:
            lines[at] = line_id
            at += 1
    return lines, at


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the event log (`lua/include/events.lua`); trial -1 and reason "" where no trial took part, and then
    perhaps a message. `more` is the parent of a clone or, of a new trial, what `enter` in `lua/include/entries.lua`
    adds."""

    id: str
    kind: str
    trial: int
    reason: str = ""
    bracket: int = 0
    rung: int = -1
    rank: int = 0
    size: int = 0
    quota: int = 0
    cutoff: str = ""
    length: int = 0
    metric: str = ""
    worker: str = ""
    more: tuple[Any, ...] = ()
    message: str = ""

    @classmethod
    def unpacked(cls, line_id: str, packed: bytes) -> Self:
        """Read a line. Raises ValueError when it is none."""
        kind, *rest = unpack(packed)
        if len(rest) < 2:
            return cls(line_id, WORDS.get(kind, kind), -1, message="".join(rest))
        trial, length, metric, worker, reason, bracket, *why = rest
        rung, rank, size, quota, cutoff, *more = why or NO_RUNG
        cutoff, metric = hexadecimal(cutoff), hexadecimal(metric)
        numbers = (bracket, rung, rank, size, quota)
        return cls(
            line_id,
            WORDS.get(kind, kind),
            trial,
            WORDS.get(reason, reason),
            *numbers,
            cutoff,
            length,
            metric,
            worker,
            tuple(why_of(more) if WORDS.get(reason, reason) in NEW else more),
        )
