"""Copies an experiment while it is worked on: piece by piece, and then what has changed meanwhile, until little has.

docs/adr/0009-reading-in-pieces.md says why it is done like this, and why the copy is the experiment as of one moment.
The last of the scripts, snapshot_changes.lua, reads at once all that may have changed since a mark. Everything else was
copied after the mark of the round in which it last changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any, Protocol

from rungway_server.store.redis.connection.router import Argument
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, as_bytes, first_suggestion, order_of, unpack
from rungway_server.store.redis.snapshot.piece_reader import (
    BEST,
    CONFIGS,
    ENQUEUED,
    EVENTS,
    MEMBERS,
    META,
    POINTS,
    PROMOTABLE,
    REQUEUED,
    RUNGS,
    TRIALS,
    PieceReader,
    paired,
)
from rungway_server.store.redis.snapshot.snapshot import OWN

_STAMP = 12
_BRACKET, _ENTRIES, _CONFIG = (TRIAL_FIELDS.index(name) for name in ("bracket", "entries", "config"))


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the search was at a moment."""

    now_ms: int
    event: str
    progress: dict[str, Any]
    clones: tuple[bytes, ...]
    suggestion: int = 0
    """Number of the first that was not used."""
    promoted_dead: tuple[bytes, ...] = ()
    """Dead trials that were promoted since the mark before."""


@dataclass(slots=True)
class Copy:
    """The search as of one moment, without the records of its trials and without what never changes.

    `leases` (flat, with their deadlines), `best`, `rungs` and `points` are for an audit alone.
    """

    meta: dict[bytes, bytes]
    last_event: str
    suggestions: dict[bytes, bytes]
    requeued: list[bytes]
    promotable: list[bytes]
    enqueued: list[bytes]
    leases: list[bytes] = field(default_factory=list)
    best: list[bytes] = field(default_factory=list)
    rungs: list[bytes] = field(default_factory=list)
    points: dict[bytes, bytes] = field(default_factory=dict)
    stock: dict[bytes, bytes] = field(default_factory=dict)
    """What models and programs have proposed, by fields of `configs`."""

    def answers(self) -> list[Any]:
        """What Redis would answer for each key, trials and what belongs to them left out."""
        return [
            *(
                self.meta,
                {},
                self.suggestions | self.stock,
                list(paired(self.leases)),
                self.requeued,
                self.promotable,
                self.best,
            ),
            *({}, [], {}, {}, self.enqueued, self.rungs, self.points),
        ]


def name_of(number: int) -> bytes:
    """The field of a trial, or of a suggestion, in its hash."""
    return str(number).encode()


def trial_in(member: bytes) -> bytes:
    """The trial of a result in the rungs, as in `name_of`."""
    return name_of(int.from_bytes(member[-4:], "big"))


def members_of(number: bytes, record: bytes) -> list[bytes]:
    """The results of a trial as rungs hold them, or may hold them a second time; none of a record that cannot be
    read."""
    try:
        fields = unpack(record)
        bracket, entries = fields[_BRACKET], fields[_ENTRIES]
        return [
            bytes([bracket + behind, k]) + stamp + int(number).to_bytes(4, "big")
            for k, stamp in enumerate(map(as_bytes, entries))
            for behind in ((0, OWN) if len(stamp) > _STAMP else (0,))
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


MOST, MOST_BYTES = 500, 1 << 19
"""Most trials and bytes that the last script reads."""
_RECORDS, _RECORD_BYTES = 200, 1 << 18
_BETWEEN = 10
"""Pieces of trials between two looks at what has changed: the event log may not go back far."""
_MARGIN_MS = 2
"""By so much the clock of Redis may have been set back unnoticed."""


class RecordSink(Protocol):
    """Takes the records of trials: those read later replace those read earlier."""

    def put(self, number: bytes, record: bytes) -> None:
        """Keep a record."""
        ...

    async def flush(self) -> None:
        """Called after each piece: may write to a disk."""
        ...


class Copier:
    """Copies an experiment: the records of its trials into a `RecordSink`, all else into a `Copy` that fits to them."""

    def __init__(self, reader: PieceReader, records: RecordSink, *, whole: bool) -> None:
        """`whole`: with what only an audit needs, and with records whose numbers no trial has."""
        self._reader, self._records, self._whole = reader, records, whole
        self._mark = Mark(0, "", {}, ())
        self._points: dict[bytes, bytes] = {}
        self._pending: set[bytes] = set()
        self._meta: dict[bytes, bytes] = {}
        self._suggestions: dict[bytes, bytes] = {}
        self._replanned, self._everything, self._complete = True, True, 0
        self._lists: tuple[str, list[list[bytes]]] = ("", [])
        self._rungs: list[bytes] = []
        self._members: dict[bytes, list[bytes]] = {}
        """Of trials that were read again, in rungs."""

    async def copy(self) -> Copy:
        """The copy; the sink then has all records as of the same moment."""
        self._mark = await self._marked(0)
        why = ""
        for attempt in count():
            if self._replanned:
                await self._read_meta()
            if self._everything:
                await self._copy_everything()
            if why == "lists":
                await self._read_lists()
            while True:
                await self._follow()
                due, self._pending = sorted(self._pending), set()
                await self._read(due)
                if len(due) <= MOST:
                    break
            if self._replanned or self._everything:
                continue
            await self._read_suggestions()
            answer = await self._reader.run("snapshot_changes", *self._arguments(attempt))
            if answer[0] != b"behind":
                return self._finished(answer)
            why = answer[1].decode()
            self._replanned |= why == "plan"
            self._everything |= why == "everything" or (why == "trials" and self._silent)
        raise AssertionError("not reached")

    def _arguments(self, attempt: int) -> tuple[Argument, ...]:
        mark, known = self._mark, self._known_suggestions()
        more = attempt if self._silent else attempt // 8  # so that a search that never rests is read nevertheless
        return (
            *(mark.event, mark.now_ms, mark.progress["next_trial"], known, mark.progress["next_entry"]),
            *(b",".join(mark.clones), self._lists[0], MOST << more, MOST_BYTES << more),
            *("1" if self._whole else "", self._complete if self._silent else ""),
        )

    def _known_suggestions(self) -> int:
        following = self._mark.suggestion
        while name_of(following) in self._suggestions:
            following += 1
        return following

    async def _marked(self, since: int) -> Mark:
        _, now, event, progress, counts, raised = await self._reader.run("snapshot_mark", "", since)
        counted, stated = unpack(counts), unpack(progress)
        clones = tuple(map(name_of, counted.get("clones") or ()))
        return Mark(now, event.decode(), stated, clones, first_suggestion(stated | counted), tuple(raised))

    async def _read_meta(self) -> None:
        self._replanned = False
        flat = await self._reader.read("HGETALL", META)
        self._meta = dict(paired(flat))
        self._lease_ms = unpack(self._meta[b"plan"])["lease_ms"]
        ladder = unpack(self._meta[b"ladder"])
        ends = [first + rungs for first, rungs in zip(ladder["first"], ladder["rungs"], strict=True)]
        # Where rungs are equally long a trial may be promoted without training: no event tells of that.
        steps = enumerate(pairwise(ladder["lengths"]), 2)
        self._silent = any(below == above for at, (below, above) in steps if at not in ends)

    async def _copy_everything(self) -> None:
        self._everything, self._complete = False, self._mark.progress["revision"]
        if self._whole:
            for number, record in (await self._reader.pairs(TRIALS)).items():
                self._records.put(number, record)
            self._rungs, self._members = await self._reader.members(RUNGS), {}
            self._points = await self._reader.pairs(POINTS)
            return
        numbers, size = range(self._mark.progress["next_trial"]), _RECORDS * _BETWEEN
        for at in range(0, len(numbers), size):
            await self._read([*map(name_of, numbers[at : at + size])])
            await self._follow()

    async def _read(self, numbers: Sequence[bytes]) -> None:
        at = 0
        while at < len(numbers):
            piece = numbers[at : at + _RECORDS]
            _, *records = await self._reader.run("records", _RECORD_BYTES, *piece)
            read = dict(zip(piece, records, strict=False))
            for number, record in read.items():
                if record:
                    self._records.put(number, record)
            if self._whole:
                self._members |= await self._in_rungs(read)
                await self._read_points(read)
            await self._records.flush()
            at += len(records)

    async def _in_rungs(self, read: dict[bytes, bytes]) -> dict[bytes, list[bytes]]:
        """Which of the results that these records name are in rungs."""
        named = {number: members_of(number, record) for number, record in read.items()}
        flat = [member for members in named.values() for member in members]
        scores = await self._reader.read("ZMSCORE", RUNGS, *flat) if flat else []
        there = {member for member, score in zip(flat, scores, strict=True) if score is not None}
        return {number: [member for member in members if member in there] for number, members in named.items()}

    async def _read_points(self, read: dict[bytes, bytes]) -> None:
        """How often the configurations of these records were used."""
        points = [config for config in map(configuration_of, read.values()) if config]
        found = await self._reader.read("HMGET", POINTS, *points) if points else []
        self._use((point, uses or b"") for point, uses in zip(points, found, strict=True))

    def _use(self, found: Iterable[tuple[bytes, bytes]]) -> None:
        for point, uses in found:
            self._points.pop(point, None)
            if uses:
                self._points[point] = uses

    async def _follow(self) -> None:
        """Set a new mark, and note which trials may have changed since the mark before."""
        before = self._mark
        mark = self._mark = await self._marked(before.progress["next_entry"])
        if (mark.progress["revision"], mark.clones) == (before.progress["revision"], before.clones):
            return
        self._lists = ("", [])
        self._everything |= mark.now_ms < before.now_ms
        self._pending.update(before.clones, mark.promoted_dead)
        self._pending.update(map(name_of, range(before.progress["next_trial"], mark.progress["next_trial"])))
        oldest = await self._reader.read("XRANGE", EVENTS, "-", "+", "COUNT", 1)
        if before.event and oldest and order_of(oldest[0][0].decode()) > order_of(before.event):
            self._everything = True  # lines that would have told are gone
        async for lines in self._reader.events(before.event, mark.event or "+"):
            for _, line in lines:
                kind, *rest = line_of(line)
                self._replanned |= kind == "changed"
                self._pending.update(map(name_of, rest[:1]))
        # Every tell renews a lease.
        self._pending.update(await self._reader.deadlines(before.now_ms + self._lease_ms - _MARGIN_MS))

    async def _read_lists(self) -> None:
        """Read long lists piece by piece. They are used only if nothing was decided meanwhile."""
        before = await self._marked(self._mark.progress["next_entry"])
        reader = self._reader
        lists = [
            await reader.items(REQUEUED, MEMBERS),
            await reader.members(PROMOTABLE),
            await reader.items(ENQUEUED, 20),
        ]
        if self._whole:
            leases = await reader.deadlines(0)
            lists += [
                [word for name, end in leases.items() for word in (name, str(end).encode())],
                await reader.members(BEST),
            ]
        after = await self._marked(before.progress["next_entry"])
        if (before.progress["revision"], before.clones) == (after.progress["revision"], after.clones):
            self._lists = (str(after.progress["revision"]), lists)

    async def _read_suggestions(self) -> None:
        progress = self._mark.progress
        names = map(name_of, range(self._mark.suggestion, progress["proposed"]))
        numbers = [name for name in names if name not in self._suggestions]
        for at in range(0, len(numbers), 20):
            piece = numbers[at : at + 20]
            found = await self._reader.read("HMGET", CONFIGS, *piece)
            self._suggestions.update((number, value) for number, value in zip(piece, found, strict=True) if value)

    def _finished(self, answer: list[Any]) -> Copy:
        _, schema, progress, counts, failing, events, records, suggestions, lists, members, points, stock = answer
        for number, record in paired(records):
            self._records.put(number, record)
        meta = self._meta | {b"schema": schema, b"tally": progress, b"counts": counts, b"failing": failing}
        self._suggestions.update(paired(suggestions))
        stated = unpack(progress)
        expected = map(name_of, range(first_suggestion(stated | unpack(counts)), stated["proposed"]))
        own = {number: self._suggestions[number] for number in expected if number in self._suggestions}
        last = events[-1][0].decode() if events else self._mark.event
        copy = Copy(meta, last, own, *(lists or self._lists[1]))
        copy.rungs = self._in_all_rungs(records, members)
        self._use(paired(points))
        copy.points, copy.stock = self._points, dict(paired(stock))
        return copy

    def _in_all_rungs(self, records: list[bytes], members: list[bytes]) -> list[bytes]:
        """The members of all rungs. Those of trials that were read again are as they were found then."""
        found = self._members | {number: [] for number in records[::2]}
        for member in members:
            found[trial_in(member)].append(member)
        kept = [member for member in self._rungs if trial_in(member) not in found]
        return sorted([*kept, *(member for members in found.values() for member in members)])
