"""The reading of views: which trials have changed, their rows, and the points of their curves."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgpack
import numpy as np

from rungway_server.domain.engine import Outcome, TrialState
from rungway_server.domain.errors import UnknownExperiment
from rungway_server.domain.ranking import metrics_of
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.service.port import ExperimentRef, Piece
from rungway_server.service.view_port import Changes, Curve, FurtherNames, FurtherOf, Row, RungResult, Seen
from rungway_server.store.redis.answers import read_event, read_progress
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.experiment_cache import GONE, CachedExperiment
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.curves import CURVE_PIECE
from rungway_server.store.redis.layout.further import FIELD, Names, piece_field, pieces_before, tail_field
from rungway_server.store.redis.layout.migrations import record_of_today
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, order_of
from rungway_server.store.redis.layout.vectors import shown_objectives
from rungway_server.store.redis.snapshot.piece_reader import CURVES, LEASES, MEMBERS, META, RUNGS, paired

_EVENTS, _LEASES, _TRIALS, _BYTES = 200, 1_000, 100, 1 << 18
"""Most that a script reads at once: events, leases, trials and bytes of them."""
_MOST_EVENTS = 5_000
"""Of more events than these, the last ones are read alone."""
_CURVE_PIECES = 128
_MARGIN_MS = 2
"""By so much the clock of Redis may have been set back unnoticed."""
_STATES = {state[0].encode(): state for state in TrialState}
_OUTCOMES = {outcome.value.encode(): outcome for outcome in Outcome} | {b"": None}
_AT = {name: at for at, name in enumerate(TRIAL_FIELDS)}


class RedisViewReader:
    """Implements `rungway_server.service.view_port.ViewReader`."""

    def __init__(self, router: Router, ref: ExperimentRef, known: CachedExperiment, piece: Piece) -> None:
        self.definition = known.definition
        self._router, self._ref, self._known, self._piece = router, ref, known, piece
        self._smaller = known.smaller_is_better

    async def _run(self, script: str, *args: Argument) -> list[Any]:
        answer = await self._router.run(script, self._known.keys, [self.definition.uid, *args])
        if answer[0] in GONE:
            raise UnknownExperiment(self._ref.experiment)
        return answer

    async def _read(self, command: str, key: int, *args: Argument) -> Any:
        async with self._piece():
            return (await self._run("read", command, key, *args))[1]

    async def changes(self, seen: Seen | None) -> Changes:
        """See the port. The progress is older than what is read after it."""
        first = seen or Seen()
        after, complete = first.event, True
        async with self._piece():
            answer = await self._run("changes", "", after, _EVENTS, first.lease_ms - _MARGIN_MS, _LEASES)
        _, *standing, time_ms, oldest, lines, renewed, last_lease = answer
        if seen and after:
            complete = order_of(oldest.decode() or after) <= order_of(after)
        elif seen:
            complete = len(lines) < _EVENTS
        if after and complete:
            complete = await self._further(lines)
        if not complete:
            last = (await self._run("changes", "", "", _EVENTS, "inf", 0))[7]
            lines = [line for line in last if not after or order_of(line[0].decode()) > order_of(after)]
        events = [read_event(fields, self._smaller) for fields in lines]
        stated = json.loads(standing[0]) | json.loads(standing[1])
        return Changes(
            read_progress(standing, self.definition.plan),
            next_result=stated["next_entry"],
            waiting=frozenset(map(int, stated.get("clones") or ())),
            time_ms=time_ms,
            events=events,
            leases=await self._leases(renewed),
            seen=Seen(events[-1].event_id if events else after, max(int(last_lease or 0), first.lease_ms)),
            complete=complete,
        )

    async def _further(self, lines: list[Any]) -> bool:
        """Read on in the event log, after a piece that may not be its last. False if it has too many."""
        more = len(lines) == _EVENTS
        while more:
            if len(lines) >= _MOST_EVENTS:
                return False
            async with self._piece():
                found = (await self._run("changes", "", lines[-1][0], _EVENTS, "inf", 0))[7]
            lines += found
            more = len(found) == _EVENTS
        return True

    async def _leases(self, renewed: list[bytes]) -> list[tuple[int, int]]:
        """The leases of a first piece, and those that end after them."""
        leases: dict[int, int] = {}
        at_once = _LEASES
        while True:
            leases.update((int(trial), int(float(end))) for trial, end in paired(renewed))
            if len(renewed) < 2 * at_once:
                return list(leases.items())
            first, last = (int(float(end)) for end in (renewed[1], renewed[-1]))
            at_once *= 2 if first == last else 1  # so many at once may end at the same time
            renewed = await self._read("ZRANGEBYSCORE", LEASES, last, "+inf", "WITHSCORES", "LIMIT", 0, at_once)

    async def rows(self, numbers: Sequence[int]) -> list[Row]:
        """See the port."""
        rows: list[Row] = []
        at, searcher = 0, self.definition.config.searcher
        while at < len(numbers):
            piece = numbers[at : at + _TRIALS]
            async with self._piece() as turn:
                _, *records = await self._run("records", _BYTES, *piece)
                for number, record in zip(piece, records, strict=False):
                    if record:
                        rows.append(read_row(number, record, self._known.configurations, searcher))
                await turn.breathe()
            at += len(records)
        return rows

    async def with_results_since(self, number: int) -> list[int]:
        """See the port."""
        found: set[int] = set()
        first: bytes = b"-"
        while members := await self._read("ZRANGEBYLEX", RUNGS, first, "+", "LIMIT", 0, MEMBERS):
            found.update(_trial_of(each) for each in members if int.from_bytes(each[10:14], "big") >= number)
            first = b"(" + members[-1]
        return sorted(found)

    async def best(self, most: int) -> list[int]:
        """See the port."""
        found: dict[int, None] = {}
        brackets = self.definition.plan.brackets
        for below_top in range(max(len(bracket.rungs) for bracket in brackets)):
            for b, bracket in enumerate(brackets):
                rung = len(bracket.rungs) - 1 - below_top
                if rung >= 0:
                    await self._best_of(bytes((b, rung)), found, most)
                if len(found) >= most:
                    return list(found)
        return list(found)

    async def _best_of(self, prefix: bytes, found: dict[int, None], most: int) -> None:
        """Add the trials of a rung, the best first, until there are so many."""
        first, end = b"[" + prefix, b"[" + prefix + b"\xff" * 17
        while len(found) < most:
            members = await self._read("ZRANGEBYLEX", RUNGS, first, end, "LIMIT", 0, MEMBERS)
            for member in members[: most - len(found)]:
                found[_trial_of(member)] = None
            if len(members) < MEMBERS:
                return
            first = b"(" + members[-1]

    async def curves(self, numbers: Sequence[int], most_points: int) -> dict[int, Curve]:
        """See the port."""
        tails: dict[int, bytes] = {}
        names: list[tuple[int, bytes]] = []
        for at in range(0, len(numbers), _TRIALS):
            piece = numbers[at : at + _TRIALS]
            for number, record in await self._records(piece):
                fields = msgpack.unpackb(record, raw=True, strict_map_key=False)
                tails[number] = fields[_AT["tail"]]
                places = _spread(fields[_AT["points"]] // CURVE_PIECE, most_points // CURVE_PIECE)
                names += [(number, b"%d.%d" % (number, place)) for place in places]
        parts: dict[int, list[bytes]] = {number: [] for number in tails}
        for at in range(0, len(names), _CURVE_PIECES):
            wanted = names[at : at + _CURVE_PIECES]
            found = await self._read("HMGET", CURVES, *(name for _, name in wanted))
            for (number, _), points in zip(wanted, found, strict=True):
                parts[number].append(points or b"")
        return {number: _curve(b"".join((*parts[number], tail)), self._smaller) for number, tail in tails.items()}

    def further_names(self) -> FurtherNames:
        """See the port."""
        names = Names(self._known.further)
        return FurtherNames(names.shown, names.has_cost)

    async def further_curves(self, numbers: Sequence[int], most_points: int, which: FurtherOf) -> dict[int, Curve]:
        """See the port."""
        names, found = Names(await self._read("HGET", META, FIELD)), dict[int, Curve]()
        for at in range(0, len(numbers), _TRIALS):
            for number, record in await self._records(numbers[at : at + _TRIALS]):
                fields = msgpack.unpackb(record, raw=True, strict_map_key=False)
                found[number] = await self._further_curve(number, fields, names, which, most_points)
        return found

    async def _further_curve(
        self, number: int, fields: list[Any], names: Names, which: FurtherOf, most_points: int
    ) -> Curve:
        last = await self._read("HGET", CURVES, tail_field(number))
        count, tail = fields[_AT["points"]], fields[_AT["tail"]]
        first = max(0, count // CURVE_PIECE - most_points // CURVE_PIECE)
        pieces = await self._all(f"{number}.{at}" for at in range(first, count // CURVE_PIECE))
        lengths = np.frombuffer(b"".join((*pieces, tail)), ">u8")[::2].astype(np.int64)
        before = range(max(0, pieces_before(last) - most_points // CURVE_PIECE), pieces_before(last))
        rows = await self._all(piece_field(number, at) for at in before)
        places, values = list[int](), list[float]()
        for piece in (*rows, last) if last else ():
            async with self._piece():
                for place, further in names.rows(piece):
                    value = further.cost if which.name is None else further.metrics.get(which.name)
                    if value is not None and 0 <= place - first * CURVE_PIECE < len(lengths):
                        places.append(place - first * CURVE_PIECE)
                        values.append(value)
        return Curve(lengths[np.array(places, np.int64)], np.array(values, np.float64))

    async def _all(self, names: Iterable[str]) -> list[bytes]:
        """These pieces of curves."""
        wanted, found = list(names), list[bytes]()
        for at in range(0, len(wanted), _CURVE_PIECES):
            found += [each or b"" for each in await self._read("HMGET", CURVES, *wanted[at : at + _CURVE_PIECES])]
        return found

    async def _records(self, numbers: Sequence[int]) -> list[tuple[int, bytes]]:
        found: list[bytes] = []
        while len(found) < len(numbers):
            async with self._piece():
                found += (await self._run("records", _BYTES, *numbers[len(found) :]))[1:]
        return [(number, record) for number, record in zip(numbers, found, strict=True) if record]


def read_row(number: int, packed: bytes, configurations: Configurations, searcher: SearcherConfig) -> Row:
    """A trial as it is stored. Texts in a record are bytes here, so that sort keys stay as they are."""
    fields = record_of_today(msgpack.unpackb(packed, raw=True, strict_map_key=False))
    state, bracket, rung, length, _, _, _, metric, best, best_length, _, tail = fields[:12]
    _, _, _, _, _, _, restarts, created, worker, entries, _, outcome, _, parent, _, config, *more = fields[12:]
    metric = metric or tail[-8:]
    return Row(
        trial=number,
        state=_STATES[state],
        outcome=_OUTCOMES[outcome],
        bracket=bracket,
        rung=rung,
        length=length,
        metric=metric,
        best_metric=metric if best is False else best,
        best_length=length if best_length is False else best_length,
        restarts=restarts,
        created_ms=created,
        worker=worker.decode(errors="replace"),
        parent=int(parent[0]) if parent else -1,
        results=[
            RungResult(at, stamp[:8], int.from_bytes(stamp[8:12], "big")) for at, stamp in enumerate(entries) if stamp
        ],
        values=configurations.values(config),
        objectives=shown_objectives(more[3] or b"", searcher) if len(more) > 3 else None,
    )


def _trial_of(member: bytes) -> int:
    """The trial of a result in the rungs."""
    return int.from_bytes(member[-4:], "big")


def _spread(pieces: int, most: int) -> Iterable[int]:
    """Places of pieces at equal distances, the first and the last among them."""
    if pieces <= most:
        return range(pieces)
    return dict.fromkeys(int(place) for place in np.linspace(0, pieces - 1, max(most, 2)))


def _curve(packed: bytes, smaller_is_better: bool) -> Curve:
    """Points as they are stored: a length and a sort key of 8 bytes each."""
    points = np.frombuffer(packed, ">u8").reshape(-1, 2).astype(np.uint64)
    return Curve(points[:, 0].astype(np.int64), metrics_of(points[:, 1], smaller_is_better))
