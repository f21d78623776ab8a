"""Reads an experiment whole, as of one moment, for the audit: in pieces, so that nobody waits for it."""

import asyncio
from contextlib import nullcontext
from typing import Any

from redis.exceptions import ResponseError

from rungway_server.domain.engine import CURVE_CHUNK
from rungway_server.domain.errors import UnknownExperiment
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, first_suggestion, unpack
from rungway_server.store.redis.layout.schema import check_schema
from rungway_server.store.redis.snapshot.cut import Cutting
from rungway_server.store.redis.snapshot.moment import Cut
from rungway_server.store.redis.snapshot.source import CONFIGS, CURVES, OLD, YOUNG, Source, paired
from rungway_server.store.redis.snapshot.stored import Stored, decode

_HASHES, _SETS, _LISTS, _STREAM = (0, 1, 2, 7, 9, 10, 13), (3, 5, 6, 12), (4, 11), 8
"""Positions of the keys by what they are."""
_AT_ONCE = 200
_POINTS = TRIAL_FIELDS.index("points")


class _Records(dict[bytes, bytes]):
    """A copy of the records by the trials' numbers."""

    def put(self, number: bytes, record: bytes) -> None:
        self[number] = record

    async def settle(self) -> None:
        """All of it stays in memory."""


async def read_stored(router: Router, ref: ExperimentRef) -> Stored:
    """Read an experiment. What cannot be read is named in its problems.

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
    source = Source(router, ref, uid.decode(), nullcontext)
    curves, configs, trials = await source.pairs(CURVES), await source.pairs(CONFIGS), _Records()
    cut = await Cutting(source, trials, whole=True).take()
    answers = cut.answers()
    answers[1] = trials
    answers[2] = cut.suggestions | _for_no_trial(configs, first_suggestion(unreadable.progress), cut)
    answers[7] = await _with_later(source, curves, trials)
    answers[8] = [
        (line_id.encode(), {b"e": text})
        async for lines in source.events("", cut.last_event or "0-0")
        for line_id, text in lines
    ]
    for position, key in ((9, YOUNG), (10, OLD)):
        found, count = await source.pairs(key), await source.read("HLEN", key)
        answers[position] = dict(list(found.items())[:count])  # they may have been dropped and begun anew meanwhile
    return await asyncio.to_thread(decode, ref, answers)


async def _unreadable(router: Router, ref: ExperimentRef, keys: list[str]) -> Stored:
    """What is wrong with types of keys, and with what the scripts that read them need."""
    commands = dict.fromkeys(_HASHES, "HLEN") | dict.fromkeys(_SETS, "ZCARD") | dict.fromkeys(_LISTS, "LLEN")
    commands[_STREAM] = "XLEN"
    answers: list[Any] = [{}, {}, {}, [], [], [], [], {}, [], {}, {}, [], [], {}]
    for position, command in commands.items():
        try:
            await router.call(keys[position], (command, keys[position]))
        except ResponseError as error:
            answers[position] = error
    if answers[0] == {}:
        flat = await router.call(keys[0], ("HGETALL", keys[0]))
        answers[0] = dict(paired(flat))
    return await asyncio.to_thread(decode, ref, answers)


def _for_no_trial(configs: dict[bytes, bytes], first: int, cut: Cut) -> dict[bytes, bytes]:
    """Of the configurations found, those that were for no trial to come: the others were taken meanwhile."""
    progress = unpack(cut.meta[b"tally"])
    taken = range(first, progress["proposed"])
    return {name: value for name, value in configs.items() if not name.isdigit() or int(name) not in taken}


async def _with_later(source: Source, curves: dict[bytes, bytes], trials: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Pieces of curves, with those that were written since they were looked for."""
    lacking = []
    for number, record in trials.items():
        try:
            count = unpack(record)[_POINTS]
            names = [b"%b.%d" % (number, piece) for piece in range(count // CURVE_CHUNK)]
        except (ValueError, TypeError, IndexError):  # it cannot be read, which is said elsewhere
            continue
        lacking += [name for name in names if name not in curves]
    for at in range(0, len(lacking), _AT_ONCE):
        names = lacking[at : at + _AT_ONCE]
        found = await source.read("HMGET", CURVES, *names)
        curves |= {name: piece for name, piece in zip(names, found, strict=True) if piece is not None}
    return curves
