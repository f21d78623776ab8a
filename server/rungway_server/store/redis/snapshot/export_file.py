"""The export file: an experiment as lines of JSON that people and programs can read, and that rebuild it elsewhere.

docs/export.md describes every line. A metric is the shortest decimal number that reads back as the same float, or the
text "nan", "inf" or "-inf". The last line has the number and the SHA-256 of those before it, so that a file that was
cut off or changed is noticed.
"""

import hashlib
import json
import struct
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from typing import Any

from rungway_server.domain.documents.fields import shown
from rungway_server.domain.engine import Further, Reason
from rungway_server.domain.ranking import metric_of
from rungway_server.domain.search.sources import WORDS
from rungway_server.service.offload import in_thread
from rungway_server.service.port import ExperimentRef, Piece
from rungway_server.service.worker_thread import Priority
from rungway_server.store.redis.layout import about as layout_about
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.curves import CURVE_PIECE, POINT
from rungway_server.store.redis.layout.further import FIELD, Names, piece_field, pieces_before, tail_field
from rungway_server.store.redis.layout.records import (
    ATTRIBUTES,
    BEST_CHECKPOINT,
    ENTRY,
    TRIAL_FIELDS,
    LogLine,
    TrialRecord,
    as_bytes,
    order_of,
)
from rungway_server.store.redis.layout.superseded import FIELD as SUPERSEDED
from rungway_server.store.redis.snapshot import file_checks as checks
from rungway_server.store.redis.snapshot.copying import Copy
from rungway_server.store.redis.snapshot.field_checks import BadField
from rungway_server.store.redis.snapshot.file_checks import curve
from rungway_server.store.redis.snapshot.piece_reader import CURVES, META, PieceReader
from rungway_server.store.redis.snapshot.record_buffer import RecordBuffer
from rungway_server.store.redis.snapshot.snapshot import Snapshot, decode

FORMAT, WITH_FURTHER, WITH_BEST, WITH_ABOUT, WITH_SOURCES, WITH_OBJECTIVES, WITH_COSTS = 1, 2, 3, 4, 5, 6, 7
"""The version of the format. Earlier readers would lose what the later ones have: further metrics; best checkpoints
that are not the last ones; labels, owner, comment; sources of configurations; rungs that rank by fronts; costs."""
FORMATS = range(FORMAT, WITH_COSTS + 1)
TRIAL_NAMES = tuple(
    name
    for name in TRIAL_FIELDS
    if name not in {"metric", "best_key", "points", "tail", "request", "print", "verdict", "config"}
)
"""Fields of a trial record that are exported as they are. Metrics are exported as numbers, curve and configuration
apart, and the answer to a request id not at all."""
SETTINGS = {"window_ms": 600_000, "window_count": 50_000, "most_events": 1_000_000, "pause_after": 0}
"""What is exported of the plan for scripts beside plan and configuration, and the defaults for files without it."""
NUMBERS = ("bracket", "rung", "rank", "size", "quota")
"""Of an event."""
_MORE = {Reason.NEW_TRIAL.value: "entries", Reason.ENQUEUED.value: "entries", Reason.CLONED.value: "parent"}
_SIGN, _ALL = 1 << 63, (1 << 64) - 1
_NO_EXPORT = "the file is not one that `rungway export` wrote"


class BadExport(Exception):
    """The file is not a whole export file; the text says where and why."""


@dataclass(slots=True)
class ExportFile:
    """The contents of a file, as plain values."""

    experiment: str = ""
    search: dict[str, Any] = field(default_factory=dict)
    trials: list[dict[str, Any]] = field(default_factory=list)
    suggestions: list[dict[str, Any]] = field(default_factory=list)
    stock: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    last: tuple[int, ...] = (0, 0)
    """Id of the last event."""


def line_of(record: dict[str, Any]) -> str:
    """A line of the file."""
    return json.dumps(record, allow_nan=False) + "\n"


def head_of(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """The lines before those of trials."""
    progress, meta = snapshot.progress, snapshot.meta
    form = WITH_BEST if SUPERSEDED in progress else WITH_FURTHER if FIELD in progress else FORMAT
    form = WITH_SOURCES if "sources" in progress else WITH_ABOUT if snapshot.about else form
    form = WITH_OBJECTIVES if snapshot.plan and snapshot.plan.objectives else form
    form = WITH_COSTS if snapshot.plan and snapshot.plan.cost_aware else form
    yield {"rungway_export": form, "experiment": snapshot.ref.experiment, "revision": progress["revision"]}
    yield {
        "search": {
            "created_ms": snapshot.created_ms,
            "config": json.loads(meta["config"]),
            "plan": json.loads(meta["plan_json"]),
            "notes": json.loads(meta["notes"]),
            "settings": {name: snapshot.lua_plan[name] for name in SETTINGS if name in snapshot.lua_plan},
            "tally": {name: value for name, value in progress.items() if name not in (SUPERSEDED, "kept")},  # a cache
            "failing": meta.get("failing", b"").decode(errors="replace"),
            "line": snapshot.requeued,
            "ready": snapshot.promotable,
            "queue": snapshot.enqueued,
            **({"about": layout_about.document(snapshot.about)} if snapshot.about else {}),
        }
    }


def trial_of(number: int, trial: TrialRecord, hparams: Mapping[str, object], smaller_is_better: bool) -> dict[str, Any]:
    """The line of a trial without its curve, which comes last."""
    return {
        "trial": number,
        "hparams": hparams,
        **{name: getattr(trial, ATTRIBUTES[name]) for name in (*TRIAL_NAMES, BEST_CHECKPOINT)},
        **({ENTRY: trial.entry} if trial.entry else {}),
        **({"source": WORDS[trial.source]} if trial.source else {}),
        "metric": _metric(trial.metric, smaller_is_better),
        "best_metric": _metric(trial.best_key, smaller_is_better),
    }


def points_text(packed: bytes, smaller_is_better: bool) -> str:
    """Points of a curve as JSON, with commas between them."""
    words = struct.unpack(f">{len(packed) // 8}Q", packed)
    keys = words[1::2]
    bits = struct.pack(f">{len(keys)}Q", *(key ^ _SIGN if key & _SIGN else key ^ _ALL for key in keys))
    scores = struct.unpack(f">{len(keys)}d", bits)
    metrics = scores if smaller_is_better else [-score for score in scores]
    return ", ".join(
        f"[{length}, {metric!r}]" if isfinite(metric) else f'[{length}, "{metric}"]'
        for length, metric in zip(words[::2], metrics, strict=True)
    )


def row_of(place: int, further: Further) -> list[Any]:
    """The further metrics of the report at this place of the curve, and its cost if there is one."""
    metrics = {name: _value(value) for name, value in further.metrics.items()}
    return [place, metrics] if further.cost is None else [place, metrics, further.cost]


def _value(metric: float) -> float | str:
    """A number as the file has it."""
    return metric if isfinite(metric) else str(metric)


def suggestion_of(number: int, hparams: Mapping[str, object]) -> dict[str, Any]:
    """The line of a configuration that is drawn for a trial to come."""
    return {"proposal": number, "hparams": hparams}


def stocked(at: tuple[int, int], hparams: Mapping[str, object]) -> dict[str, Any]:
    """The line of a configuration that a model or a program proposes for a trial to come, by its lane and place."""
    return {"proposal": at[1], "lane": at[0], "hparams": hparams}


def event_of(line: LogLine, smaller_is_better: bool) -> dict[str, Any]:
    """The line of an event."""
    event: dict[str, Any] = {"event": line.id, "kind": line.kind}
    if line.trial >= 0:
        event |= {"trial": line.trial, "reason": line.reason, **{name: getattr(line, name) for name in NUMBERS}}
        event |= {"cutoff": _metric(line.cutoff, smaller_is_better), "length": line.length}
        event |= {"metric": _metric(line.metric, smaller_is_better), "worker": line.worker}
        name, more = _MORE.get(line.reason, "front"), list(line.more)
        if more and isinstance(more[-1], list):
            event["proposed"] = more.pop()
        if more:
            event[name] = more if name == "entries" else more[0]
    elif line.message:
        event["message"] = line.message
    return event


def _metric(key: str, smaller_is_better: bool) -> float | str:
    """A metric as JSON has it, from its sort key in digits; "" for none."""
    return _value(metric_of(bytes.fromhex(key), smaller_is_better)) if key else ""


def read_export(lines: Iterable[str], *, keep: bool = True) -> ExportFile:
    """Read a file; without `keep` it is only checked, and trials and events are left out.

    Raises BadExport, with the line and the field, unless the file is whole, its format is known, and each value is
    within the limits of the wire.
    """
    export, digest, ended = ExportFile(), hashlib.sha256(), False
    for at, line in enumerate(lines, 1):
        if ended:
            raise BadExport(f"line {at}: there are lines after the end")
        try:
            record = json.loads(line, parse_constant=_no_number)
            if not isinstance(record, dict):
                raise ValueError(f"got {shown(record)}, wanted an object")
            if "end" in record:
                ended = _check_end(record, at, digest.hexdigest())
            else:
                _add(export, record, at, keep)
            digest.update(line.encode())
        except json.JSONDecodeError:
            why = "the file was cut off there or damaged" if at > 1 else _NO_EXPORT
            raise BadExport(f"line {at} is not JSON: {why}") from None
        except RecursionError:
            raise BadExport(f"line {at}: it is nested too deeply") from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadExport(f"line {at}: {error}") from None
    if not ended:
        raise BadExport("the file was cut off: its last line is missing")
    if not export.search:
        raise BadExport("the file has no line of the search")
    return export


def _no_number(word: str) -> None:
    raise ValueError(f'got {word}, which JSON does not have: metrics that are no numbers are texts ("nan", "inf")')


def _check_end(record: dict[str, Any], at: int, digest: str) -> bool:
    if record["end"] != at - 1 or record.get("sha256") != digest:
        raise BadExport(f"line {at}: the lines before are not those that were written: the file was changed or damaged")
    return True


def _add(export: ExportFile, record: dict[str, Any], at: int, keep: bool) -> None:
    if at == 1:
        _check_head(record)
        export.experiment = str(record["experiment"])
    elif "search" in record:
        if export.search:
            raise BadExport(f"line {at}: a second line of the search")
        checks.SEARCH("search", record["search"])
        export.search = record["search"]
    elif "event" in record:
        (checks.EVENT if "trial" in record else checks.EVENT_OF_SEARCH)("", record)
        _check_order(export, record["event"])
        export.events += [record] if keep else []
    elif "proposal" in record:
        checks.SUGGESTION("", record)
        (export.stock if "lane" in record else export.suggestions).append(record)
    elif "trial" in record:
        checks.TRIAL("", record)
        record["curve"] = curve("curve", record.get("curve"))
        record["metrics"] = checks.further("metrics", record.get("metrics", []), len(record["curve"]))
        export.trials += [record] if keep else []
    else:
        raise ValueError("neither of a trial, a proposal nor an event")


def _check_head(record: dict[str, Any]) -> None:
    if "rungway_export" not in record:
        raise BadExport(f"line 1: {_NO_EXPORT}")
    form = record["rungway_export"]
    if type(form) is not int or form not in FORMATS:  # true == 1, 1.0 == 1
        raise BadExport(f"line 1: format {shown(form)}, this version reads {', '.join(map(str, FORMATS))}")
    checks.HEADER("", record)


def _check_order(export: ExportFile, event: str) -> None:
    """Redis takes the lines of an event log only in order."""
    if (order := order_of(event)) <= export.last:
        raise BadField("event", event, "the id of a later event than the one before")
    export.last = order


_CURVE_PIECES, _TRIALS = 256, 100
"""Pieces of curves, and trials, that are read at once."""
_POINTS = 2_000 * POINT.size
"""Bytes of a curve that are written without a break."""
_TEXT = 1 << 18
"""Characters of the file that are given at once, or a little more; clients take messages of 4 MiB."""

_END = "]}\n"
_FURTHER = '], "metrics": ['
"""Between the curve of a trial and its further metrics."""


class ExportWriter:
    """Writes the file of one experiment, from a copy and from what never changes in Redis. `piece` lets other calls
    have their turn before each piece of work."""

    def __init__(
        self, reader: PieceReader, ref: ExperimentRef, copy: Copy, records: RecordBuffer, piece: Piece
    ) -> None:
        self._reader, self._ref, self._copy, self._records, self._piece = reader, ref, copy, records, piece

    async def pieces(self) -> AsyncIterator[str]:
        """The text of the file."""
        snapshot = await in_thread(Priority.READ, self._ref.namespace, decode, self._ref, self._copy.answers())
        assert snapshot.config is not None
        self._smaller = snapshot.config.searcher.smaller_is_better
        self._unpack = Configurations(snapshot.config.space).unpack
        self._names = None
        if FIELD in snapshot.progress:  # of those read later, the rows of this moment use no more than it had
            self._names = Names(await self._reader.read("HGET", META, FIELD))
        digest, lines, text, size = hashlib.sha256(), 0, list[str](), 0
        async for parts in self._parts(snapshot):
            for part in parts:
                text.append(part)
                digest.update(part.encode())
                lines, size = lines + part.endswith("\n"), size + len(part)
                if size >= _TEXT:
                    yield "".join(text)
                    text, size = [], 0
        yield "".join((*text, line_of({"end": lines, "sha256": digest.hexdigest()})))

    async def _parts(self, snapshot: Snapshot) -> AsyncIterator[list[str]]:
        """Lines, or parts of long ones."""
        yield await self._made(line_of(record) for record in head_of(snapshot))
        batch: list[tuple[int, TrialRecord]] = []
        curve_pieces = 0
        for number, packed in self._records:
            trial = TrialRecord.unpacked(packed)
            if batch and (len(batch) == _TRIALS or curve_pieces + trial.points // CURVE_PIECE > _CURVE_PIECES):
                async for parts in self._trials(batch):
                    yield parts
                batch, curve_pieces = [], 0
            batch.append((number, trial))
            curve_pieces += trial.points // CURVE_PIECE
        async for parts in self._trials(batch):
            yield parts
        yield await self._made(line_of(suggestion_of(*each)) for each in sorted(snapshot.suggestions.items()))
        yield await self._made(line_of(stocked(*each)) for each in sorted(snapshot.stock.items()))
        async for lines in self._reader.events("", self._copy.last_event or "0-0"):
            events = (LogLine.unpacked(line_id, packed) for line_id, packed in lines)
            yield await self._made(line_of(event_of(event, self._smaller)) for event in events)

    async def _made(self, parts: Iterable[str]) -> list[str]:
        """The parts, made one by one while it is this export's turn."""
        made = []
        async with self._piece() as turn:
            for part in parts:
                made.append(part)
                await turn.breathe()
        return made

    async def _trials(self, batch: list[tuple[int, TrialRecord]]) -> AsyncIterator[list[str]]:
        """The lines of trials whose curves are read together, or of one whose curve is long."""
        names = [f"{number}.{i}" for number, trial in batch for i in range(trial.points // CURVE_PIECE)]
        if len(names) <= _CURVE_PIECES:
            found = iter(await self._reader.read("HMGET", CURVES, *names) if names else [])
            if not self._names:
                yield await self._made(self._together(batch, found))
                return
            for each in batch:
                yield [*self._together([each], found)][:-1]
                async for parts in self._further(*each):
                    yield parts
            return
        ((number, trial),) = batch
        yield [self._head(number, trial)]
        for at in range(0, len(names), _CURVE_PIECES):
            found = await self._reader.read("HMGET", CURVES, *names[at : at + _CURVE_PIECES])
            yield await self._made(self._points(found, follows=at > 0))
        yield [*self._points([as_bytes(trial.tail)], follows=True)]
        async for parts in self._further(number, trial):
            yield parts

    async def _further(self, number: int, trial: TrialRecord) -> AsyncIterator[list[str]]:
        """The rest of a line after its curve: further metrics, as far as its record knows their reports."""
        last = await self._reader.read("HGET", CURVES, tail_field(number)) if self._names else None
        if not last:
            yield [_END]
            return
        names, before = [piece_field(number, at) for at in range(pieces_before(last))], _FURTHER
        for at in range(0, len(names) + 1, _CURVE_PIECES):
            some = names[at : at + _CURVE_PIECES]
            pieces = await self._reader.read("HMGET", CURVES, *some) if some else []
            pieces += [last] if at + _CURVE_PIECES > len(names) else []
            yield await self._made(self._rows(pieces, trial.points, before))
            before = ", "
        yield [_END]

    def _rows(self, pieces: list[bytes], points: int, before: str) -> Iterator[str]:
        """Further metrics as JSON; `before` is what stands before the first."""
        assert self._names
        for place, further in (row for piece in pieces for row in self._names.rows(piece)):
            if place < points:
                yield before + json.dumps(row_of(place, further), allow_nan=False)
                before = ", "

    def _together(self, batch: list[tuple[int, TrialRecord]], found: Iterator[bytes | None]) -> Iterator[str]:
        for number, trial in batch:
            yield self._head(number, trial)
            yield from self._points([*islice(found, trial.points // CURVE_PIECE), as_bytes(trial.tail)], follows=False)
            yield _END

    def _head(self, number: int, trial: TrialRecord) -> str:
        """A line up to its curve."""
        hparams = self._unpack(as_bytes(trial.config))
        return json.dumps(trial_of(number, trial, hparams, self._smaller), allow_nan=False)[:-1] + ', "curve": ['

    def _points(self, curve_pieces: list[bytes | None], *, follows: bool) -> Iterator[str]:
        """Points as JSON, in parts; `follows`: others stand before them."""
        packed = b"".join(piece or b"" for piece in curve_pieces)
        for at in range(0, len(packed), _POINTS):
            text = points_text(packed[at : at + _POINTS], self._smaller)
            yield f", {text}" if at or follows else text
