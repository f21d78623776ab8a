"""The reading half of the store: progress, trials, events, lists, exports."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from rungway_server.domain.about import About
from rungway_server.domain.checkpoints import CheckpointStanding, Holding, Superseded
from rungway_server.domain.engine import EventView, ExperimentState, Further, Progress, Standing, TrialView
from rungway_server.domain.errors import UnknownExperiment, UnknownTrial
from rungway_server.domain.search.vectors import Vector
from rungway_server.service.port import Brief, Definition, ExperimentRef, Piece
from rungway_server.service.reading import Reading, Turn
from rungway_server.store.redis.answers import (
    read_checkpoint_standing,
    read_event,
    read_holding,
    read_life,
    read_progress,
    read_standing,
    read_trial,
)
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.experiment_cache import CachedExperiment, ExperimentCache
from rungway_server.store.redis.layout.curves import CURVE_PIECE, POINT
from rungway_server.store.redis.layout.further import Names, piece_field, pieces_before
from rungway_server.store.redis.layout.keys import index_key
from rungway_server.store.redis.layout.superseded import read_superseded, superseded_field
from rungway_server.store.redis.packed_curve import PackedCurve
from rungway_server.store.redis.snapshot.copying import Copier
from rungway_server.store.redis.snapshot.export_file import ExportWriter
from rungway_server.store.redis.snapshot.piece_reader import CURVES, LEASES, RUNGS, PieceReader, paired
from rungway_server.store.redis.snapshot.record_buffer import RecordBuffer
from rungway_server.store.redis.views import RedisViewReader

_PIECE_TRIALS, _PIECE_BYTES, _CURVE_PIECES = 100, 1 << 18, 128
"""Most that a script reads at once: trials, bytes of them, and pieces of a curve."""
MOST_POINTS = 100_000
"""Most points that are read of one trial's curve, its last ones; an export has all of them."""
MOST_FURTHER_BYTES = 1 << 19
"""Most bytes of further metrics that are read of one trial, those of its last points: about what they take in a
message."""
_BYTES_BESIDE_NAME = 14


class RedisReads:
    """The reading half of `RedisStore`."""

    def __init__(self, router: Router, experiments: ExperimentCache) -> None:
        self._router = router
        self._experiments = experiments

    async def definition(self, ref: ExperimentRef, *, fresh: bool = False) -> Definition:
        """See the port."""
        found = self._experiments.refresh if fresh else self._experiments.find
        return (await found(ref)).definition

    async def brief(self, ref: ExperimentRef) -> tuple[Brief, Progress]:
        """See the port."""
        brief, answer = await self._experiments.brief(ref)
        return brief, read_progress(answer[1:], brief.plan)

    async def about(self, ref: ExperimentRef) -> About:
        """See the port."""
        return await self._experiments.about(ref)

    async def progress(self, ref: ExperimentRef) -> Progress:
        """See the port."""
        known, answer = await self._experiments.run("progress", ref, [])
        return read_progress(answer[1:], known.definition.plan)

    async def trials(self, ref: ExperimentRef, numbers: Sequence[int], *, curve: bool = False) -> list[TrialView]:
        """See the port."""
        views: list[TrialView] = []
        at = 0
        while at < len(numbers):
            known, answer = await self._experiments.run(
                "trials", ref, [_PIECE_BYTES, "1" if curve else "", *numbers[at : at + _PIECE_TRIALS]]
            )
            at += answer[1]
            for fields in answer[2:]:
                points = await self._curve(ref, known, fields.pop(), fields) if curve else ()
                sources = known.definition.plan.sources is not None
                unpack = known.configurations.unpack
                searcher = known.definition.config.searcher
                views.append(read_trial(fields, searcher, unpack, points, sources=sources))
        return views

    async def _curve(
        self, ref: ExperimentRef, known: CachedExperiment, further: list[bytes], fields: list[Any]
    ) -> PackedCurve:
        """The curve of a trial, or the end of a long one, with its further metrics."""
        packed = await self._points(ref, known, fields)
        names, last = further
        found: dict[int, Further] = {}
        if last:
            first = fields[16] - len(packed) // POINT.size  # place of the first point that was read
            further_of = await self._further(ref, known, int(fields[0]), Names(names), last)
            found = {place - first: each for place, each in further_of.items()}
        return PackedCurve(packed, known.smaller_is_better, found)

    async def _further(
        self, ref: ExperimentRef, known: CachedExperiment, trial: int, names: Names, last: bytes
    ) -> dict[int, Further]:
        """Further metrics by the place of their report in the curve, the last ones first."""
        found: dict[int, Further] = {}
        room, pieces, before = MOST_FURTHER_BYTES, [last], pieces_before(last)
        turn = Turn()
        while pieces:
            for piece in reversed(pieces):
                await turn.breathe()
                for place, further in reversed([*names.rows(piece)]):
                    room -= sum(len(name.encode()) + _BYTES_BESIDE_NAME for name in (*further.metrics, ""))
                    if room < 0:
                        return found
                    found[place] = further
            first = max(0, before - _CURVE_PIECES)
            pieces = await self._pieces(
                ref, known.definition.uid, [piece_field(trial, at) for at in range(first, before)]
            )
            before = first
        return found

    async def read(self, ref: ExperimentRef, uid: str, args: Sequence[Argument]) -> list[Any]:
        """What a command that only reads answers. Raises UnknownExperiment when the search of this uid is gone, even if
        another has its name."""
        known, answer = await self._experiments.run("read", ref, args)
        _check_same(ref, known, uid)
        return list(answer[1])

    async def _pieces(self, ref: ExperimentRef, uid: str, names: Sequence[Argument]) -> list[bytes]:
        """Pieces of curves by their fields. Raises the same."""
        return await self.read(ref, uid, ["HMGET", CURVES, *names]) if names else []

    async def _points(self, ref: ExperimentRef, known: CachedExperiment, fields: list[Any]) -> bytes:
        """The last points of a curve. Pieces never change: they may be read after the trial."""
        number, (count, tail) = fields[0], fields[16:18]
        pieces = count // CURVE_PIECE
        points: list[bytes] = []
        for first in range(max(0, pieces - MOST_POINTS // CURVE_PIECE), pieces, _CURVE_PIECES):
            names = [b"%b.%d" % (number, piece) for piece in range(first, min(first + _CURVE_PIECES, pieces))]
            try:
                points += await self._pieces(ref, known.definition.uid, names)
            except UnknownExperiment:  # another experiment may have the name by now
                raise UnknownTrial(ref.experiment, int(number)) from None
        return b"".join((*points, tail))

    async def leases(self, ref: ExperimentRef, most: int) -> tuple[list[tuple[int, int]], int]:
        """See the port."""
        _, nearest = await self._experiments.run("read", ref, ["ZRANGE", LEASES, 0, most - 1, "WITHSCORES"])
        _, count = await self._experiments.run("read", ref, ["ZCARD", LEASES])
        leases = [(int(number), int(float(deadline))) for number, deadline in paired(nearest[1])]
        return leases, max(count[1], len(leases))

    async def ranked(self, ref: ExperimentRef, count: int) -> list[int]:
        """See the port."""
        _, answer = await self._experiments.run("best", ref, [count])
        return list(answer[1:])

    async def outcomes(
        self, ref: ExperimentRef, bracket: int, rung: int, after: bytes, count: int
    ) -> tuple[list[tuple[int, Vector]], bytes]:
        """See the port."""
        prefix = bytes([bracket, rung])
        first, last = b"(" + after if after else b"[" + prefix, b"[" + prefix + b"\xff"
        known, answer = await self._experiments.run("read", ref, ["ZRANGEBYLEX", RUNGS, first, last, "LIMIT", 0, count])
        members, of_one = answer[1], 8 * (1 + known.definition.plan.objectives)
        found = [(int.from_bytes(each[-4:], "big"), Vector.unpacked(each[-4 - of_one : -4])) for each in members]
        return found, members[-1] if len(members) == count else b""

    async def standings(self, ref: ExperimentRef, numbers: Sequence[int]) -> list[Standing]:
        """See the port."""
        return [read_standing(number, record) async for number, record in self._records(ref, numbers)]

    async def _records(
        self, ref: ExperimentRef, numbers: Sequence[int], uid: str = ""
    ) -> AsyncIterator[tuple[int, bytes]]:
        """The records of these trials, without those that are not there. With a uid, raises as `read`."""
        at = 0
        while at < len(numbers):
            piece = numbers[at : at + _PIECE_TRIALS]
            known, answer = await self._experiments.run("records", ref, [_PIECE_BYTES, *piece])
            if uid:
                _check_same(ref, known, uid)
            for number, record in zip(piece, answer[1:], strict=False):
                if record:
                    yield number, record
            at += len(answer) - 1

    async def checkpoint_standing(self, ref: ExperimentRef) -> CheckpointStanding:
        """See the port."""
        known, answer = await self._experiments.run("changes", ref, ["", "", 1, "+inf", 1])
        return read_checkpoint_standing(known.definition.uid, answer)

    async def superseded(
        self, ref: ExperimentRef, standing: CheckpointStanding, numbers: Sequence[int]
    ) -> list[Superseded]:
        """See the port."""
        names = [superseded_field(number) for number in numbers]
        return [read_superseded(packed) for packed in await self._pieces(ref, standing.uid, names) if packed]

    async def holdings(self, ref: ExperimentRef, standing: CheckpointStanding, numbers: Sequence[int]) -> list[Holding]:
        """See the port."""
        return [read_holding(number, record) async for number, record in self._records(ref, numbers, standing.uid)]

    async def best(self, ref: ExperimentRef, count: int) -> list[TrialView]:
        """See the port."""
        return await self.trials(ref, await self.ranked(ref, count))

    async def explain(
        self, ref: ExperimentRef, trial: int, before: int = 0, count: int = 1_000
    ) -> tuple[list[EventView], int]:
        """See the port."""
        known, answer = await self._experiments.run("explain", ref, [trial, before, count])
        if answer[0] == b"unknown_trial":
            raise UnknownTrial(ref.experiment, trial)
        return [read_life(fields, trial, known.smaller_is_better) for fields in answer[2:]], answer[1]

    async def events(self, ref: ExperimentRef, after: str, count: int) -> tuple[list[EventView], bool]:
        """See the port."""
        known, answer = await self._experiments.run("events", ref, [after, count])
        over = ExperimentState(answer[1].decode()).is_over
        return [read_event(fields, known.smaller_is_better) for fields in answer[2:]], over

    async def export(self, ref: ExperimentRef, piece: Piece | None = None) -> AsyncIterator[str]:
        """See the port."""
        known = await self._experiments.refresh(ref)  # so that the schema is looked at
        piece = piece or partial(Reading().turn, ref.namespace)
        reader = PieceReader(self._router, ref, known.definition.uid, piece)
        with RecordBuffer() as records:
            copy = await Copier(reader, records, whole=False).copy()
            async for text in ExportWriter(reader, ref, copy, records, piece).pieces():
                yield text

    async def view_reader(self, ref: ExperimentRef, piece: Piece) -> RedisViewReader:
        """See the port of views."""
        return RedisViewReader(self._router, ref, await self._experiments.refresh(ref), piece)

    async def experiments(self, namespace: str, after: str, count: int) -> list[tuple[str, str]]:
        """See the port. The token of an experiment is its creation time and id."""
        created, _, last = after.partition("/")
        key, past, offset = index_key(namespace), list[tuple[int, str]](), 0
        while len(past) < count:
            words = ("ZRANGE", key, created or "-inf", "+inf", "BYSCORE", "LIMIT", offset, count, "WITHSCORES")
            found: Any = await self._router.call(key, words)
            piece = [(int(score), name.decode()) for name, score in zip(found[::2], found[1::2], strict=True)]
            # Experiments that are as old as the last one may have been on the page before.
            past += [item for item in piece if not after or item > (int(created), last)]
            if len(piece) < count:
                break
            offset += count
        return [(name, f"{score}/{name}") for score, name in past[:count]]


def _check_same(ref: ExperimentRef, known: CachedExperiment, uid: str) -> None:
    """Raises UnknownExperiment when the search of this uid is gone, even if another has its name."""
    if known.definition.uid != uid:
        raise UnknownExperiment(ref.experiment)
