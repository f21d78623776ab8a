"""Reads a whole experiment as of one moment, for the audit: in pieces, so that no other call waits for long."""

import asyncio
from contextlib import nullcontext
from typing import Any

from redis.exceptions import ResponseError

from rungway_server.domain.errors import UnknownExperiment
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.curves import CURVE_PIECE
from rungway_server.store.redis.layout.further import FIELD, piece_field, pieces_before, tail_field
from rungway_server.store.redis.layout.keys import KEY_TYPES, POINTS, experiment_keys
from rungway_server.store.redis.layout.numbers import counts_of
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, first_suggestion, unpack
from rungway_server.store.redis.layout.schema import check_schema
from rungway_server.store.redis.layout.superseded import is_superseded, remembered, superseded_field
from rungway_server.store.redis.snapshot.copying import Copier, Copy
from rungway_server.store.redis.snapshot.piece_reader import CONFIGS, CURVES, META, OLD, YOUNG, PieceReader, paired
from rungway_server.store.redis.snapshot.snapshot import Snapshot, decode

_COUNTED_BY = {"hash": "HLEN", "zset": "ZCARD", "list": "LLEN", "stream": "XLEN"}
"""A command that fails on a key of another type."""
_AT_ONCE = 200
_POINTS = TRIAL_FIELDS.index("points")


class _Records(dict[bytes, bytes]):
    """A copy of the records by the trials' numbers."""

    def put(self, number: bytes, record: bytes) -> None:
        self[number] = record

    async def flush(self) -> None:
        """All records stay in memory."""


async def read_snapshot(router: Router, ref: ExperimentRef) -> Snapshot:
    """Read an experiment. Its `problems` name what cannot be read.

    Raises UnknownExperiment, NewerSchema, OlderSchema and StoreUnavailable.
    """
    keys = experiment_keys(ref, POINTS)
    uid, schema = await router.call(keys[0], ("HMGET", keys[0], "uid", "schema"))
    if uid is None:
        raise UnknownExperiment(ref.experiment)
    if schema and schema.isdigit():
        check_schema(ref.experiment, int(schema))
    unreadable = await _unreadable(router, ref, keys)
    if unreadable.problems:
        return unreadable
    reader = PieceReader(router, ref, uid.decode(), nullcontext)
    curves, configs, trials = await reader.pairs(CURVES), await reader.pairs(CONFIGS), _Records()
    copy = await Copier(reader, trials, whole=True).copy()
    answers = copy.answers()
    answers[1] = trials
    answers[2] = copy.suggestions | copy.stock | _for_no_trial(configs, first_suggestion(unreadable.progress), copy)
    answers[7] = await _with_later(reader, curves, trials)
    if FIELD in unpack(copy.meta[b"tally"]):
        answers[0][FIELD.encode()] = await reader.read("HGET", META, FIELD)
        answers[7] |= await _further(reader, trials)
    answers[7] = await _replaced(reader, answers[7], remembered(unpack(copy.meta[b"tally"])))
    answers[8] = [
        (line_id.encode(), {b"e": text})
        async for lines in reader.events("", copy.last_event or "0-0")
        for line_id, text in lines
    ]
    for position, key in ((9, YOUNG), (10, OLD)):
        found, count = await reader.pairs(key), await reader.read("HLEN", key)
        answers[position] = dict(list(found.items())[:count])  # they may have been dropped and begun anew meanwhile
    return await asyncio.to_thread(decode, ref, answers)


async def _unreadable(router: Router, ref: ExperimentRef, keys: list[str]) -> Snapshot:
    """Problems of the types of keys, and of the fields that the reading scripts need; none in a sound experiment."""
    answers: list[Any] = []
    for key, kind in zip(keys, KEY_TYPES, strict=True):
        try:
            await router.call(key, (_COUNTED_BY[kind], key))
            answers.append({} if kind == "hash" else [])
        except ResponseError as error:
            answers.append(error)
    if answers[0] == {}:
        flat = await router.call(keys[0], ("HGETALL", keys[0]))
        answers[0] = dict(paired(flat))
    return await asyncio.to_thread(decode, ref, answers)


def _for_no_trial(configs: dict[bytes, bytes], first: int, copy: Copy) -> dict[bytes, bytes]:
    """The configurations that are for no future trial. The others were used meanwhile."""
    progress = unpack(copy.meta[b"tally"])
    counts = counts_of(unpack(copy.meta[b"counts"]), unpack(copy.meta[b"ladder"]))
    taken, stock = range(first, progress["proposed"]), counts.get("sources", {}).get("stock", [])
    filled = [0, *(each["filled"] for each in stock)]

    def may_be_used(name: bytes) -> bool:
        lane, colon, place = name.partition(b":")
        if colon and lane.isdigit() and place.isdigit():
            return int(lane) < len(filled) and int(place) < filled[int(lane)]
        return name.isdigit() and int(name) in taken

    return {name: value for name, value in configs.items() if not may_be_used(name)}


async def _with_later(
    reader: PieceReader, curves: dict[bytes, bytes], trials: dict[bytes, bytes]
) -> dict[bytes, bytes]:
    """Pieces of curves, with those that were written after the first look."""
    lacking = []
    for number, record in trials.items():
        try:
            count = unpack(record)[_POINTS]
            names = [b"%b.%d" % (number, piece) for piece in range(count // CURVE_PIECE)]
        except (ValueError, TypeError, IndexError):  # it cannot be read, which is said elsewhere
            continue
        lacking += [name for name in names if name not in curves]
    for at in range(0, len(lacking), _AT_ONCE):
        names = lacking[at : at + _AT_ONCE]
        found = await reader.read("HMGET", CURVES, *names)
        curves |= {name: piece for name, piece in zip(names, found, strict=True) if piece is not None}
    return curves


async def _further(reader: PieceReader, trials: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The pieces of further metrics as of one moment of each trial, later than its record: the last one, and those that
    it says are before it."""
    numbers = [int(number) for number in trials if number.isdigit()]
    found = await _pieces(reader, [tail_field(number) for number in numbers])
    before: list[str] = []
    for number in numbers:
        last = found.get(tail_field(number).encode())
        before += [piece_field(number, at) for at in range(pieces_before(last))]
    return found | await _pieces(reader, before)


async def _replaced(reader: PieceReader, curves: dict[bytes, bytes], numbers: range) -> dict[bytes, bytes]:
    """The same with the replaced checkpoints of these numbers, and those of the first look that are still there though
    they should be forgotten; later ones may have come meanwhile."""
    seen = sorted(int(name[1:]) for name in curves if is_superseded(name.decode()) and name[1:].isdigit())
    names = [superseded_field(number) for number in (*(n for n in seen if n < numbers.start), *numbers)]
    others = {name: piece for name, piece in curves.items() if not is_superseded(name.decode())}
    return others | await _pieces(reader, names)


async def _pieces(reader: PieceReader, names: list[str]) -> dict[bytes, bytes]:
    """Those of these fields that are there."""
    found: dict[bytes, bytes] = {}
    for at in range(0, len(names), _AT_ONCE):
        some = names[at : at + _AT_ONCE]
        pieces = await reader.read("HMGET", CURVES, *some)
        found |= {name.encode(): piece for name, piece in zip(some, pieces, strict=True) if piece is not None}
    return found
