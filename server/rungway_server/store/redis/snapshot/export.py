"""An export as it is written: from the copy of the trials, and from what never changes in Redis."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice

from rungway_server.domain.engine import CURVE_CHUNK
from rungway_server.service.offload import in_thread
from rungway_server.service.port import ExperimentRef, Piece
from rungway_server.service.worker_thread import Priority
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.records import LogLine, TrialRecord, as_bytes
from rungway_server.store.redis.snapshot.export_file import (
    event_of,
    head_of,
    line_of,
    points_text,
    suggestion_of,
    trial_of,
)
from rungway_server.store.redis.snapshot.moment import Cut
from rungway_server.store.redis.snapshot.source import CURVES, Source
from rungway_server.store.redis.snapshot.spool import Spool
from rungway_server.store.redis.snapshot.stored import POINT, Stored, decode

_CHUNKS, _TRIALS = 256, 100
"""Pieces of curves, and trials, that are read at once."""
_POINTS = 2_000 * POINT.size
"""Bytes of a curve that are written without a break."""
_TEXT = 1 << 18
"""Characters of the file that are given at once, or a little more; clients take messages of 4 MiB."""

_END = "]}\n"


class Export:
    """Writes one experiment. `piece` lets others have their turn before each piece of work."""

    def __init__(self, source: Source, ref: ExperimentRef, cut: Cut, spool: Spool, piece: Piece) -> None:
        self._source, self._ref, self._cut, self._spool, self._piece = source, ref, cut, spool, piece

    async def pieces(self) -> AsyncIterator[str]:
        """The text of the file."""
        stored = await in_thread(Priority.READ, self._ref.namespace, decode, self._ref, self._cut.answers())
        assert stored.config is not None
        self._smaller = stored.config.searcher.smaller_is_better
        self._unpack = Configurations(stored.config.space).unpack
        digest, lines, text, size = hashlib.sha256(), 0, list[str](), 0
        async for parts in self._parts(stored):
            for part in parts:
                text.append(part)
                digest.update(part.encode())
                lines, size = lines + part.endswith("\n"), size + len(part)
                if size >= _TEXT:
                    yield "".join(text)
                    text, size = [], 0
        yield "".join((*text, line_of({"end": lines, "sha256": digest.hexdigest()})))

    async def _parts(self, stored: Stored) -> AsyncIterator[list[str]]:
        """Lines, or parts of long ones."""
        yield await self._made(line_of(record) for record in head_of(stored))
        batch: list[tuple[int, TrialRecord]] = []
        chunks = 0
        for number, packed in self._spool:
            trial = TrialRecord.unpacked(packed)
            if batch and (len(batch) == _TRIALS or chunks + trial.points // CURVE_CHUNK > _CHUNKS):
                async for parts in self._trials(batch):
                    yield parts
                batch, chunks = [], 0
            batch.append((number, trial))
            chunks += trial.points // CURVE_CHUNK
        async for parts in self._trials(batch):
            yield parts
        yield await self._made(line_of(suggestion_of(*each)) for each in sorted(stored.suggestions.items()))
        async for lines in self._source.events("", self._cut.last_event or "0-0"):
            events = (LogLine.unpacked(line_id, packed) for line_id, packed in lines)
            yield await self._made(line_of(event_of(event, self._smaller)) for event in events)

    async def _made(self, parts: Iterable[str]) -> list[str]:
        """What is worked out part by part, while it is this export's turn."""
        made = []
        async with self._piece() as turn:
            for part in parts:
                made.append(part)
                await turn.breathe()
        return made

    async def _trials(self, batch: list[tuple[int, TrialRecord]]) -> AsyncIterator[list[str]]:
        """Trials whose curves are read together, or one whose curve is long."""
        names = [f"{number}.{i}" for number, trial in batch for i in range(trial.points // CURVE_CHUNK)]
        if len(names) <= _CHUNKS:
            found = iter(await self._source.read("HMGET", CURVES, *names) if names else [])
            yield await self._made(self._together(batch, found))
            return
        ((number, trial),) = batch
        yield [self._head(number, trial)]
        for at in range(0, len(names), _CHUNKS):
            found = await self._source.read("HMGET", CURVES, *names[at : at + _CHUNKS])
            yield await self._made(self._points(found, follows=at > 0))
        yield [*self._points([as_bytes(trial.tail)], follows=True), _END]

    def _together(self, batch: list[tuple[int, TrialRecord]], found: Iterator[bytes | None]) -> Iterator[str]:
        for number, trial in batch:
            yield self._head(number, trial)
            yield from self._points([*islice(found, trial.points // CURVE_CHUNK), as_bytes(trial.tail)], follows=False)
            yield _END

    def _head(self, number: int, trial: TrialRecord) -> str:
        """A line up to its curve."""
        hparams = self._unpack(as_bytes(trial.config))
        return json.dumps(trial_of(number, trial, hparams, self._smaller), allow_nan=False)[:-1] + ', "curve": ['

    def _points(self, chunks: list[bytes | None], *, follows: bool) -> Iterator[str]:
        """Points as JSON, in parts; `follows`: others stand before them."""
        packed = b"".join(chunk or b"" for chunk in chunks)
        for at in range(0, len(packed), _POINTS):
            text = points_text(packed[at : at + _POINTS], self._smaller)
            yield f", {text}" if at or follows else text
