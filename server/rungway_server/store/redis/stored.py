"""Everything that Redis holds of one experiment, as of one moment, decoded."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from redis.exceptions import ResponseError

from rungway_server.domain.config import ExperimentConfig
from rungway_server.domain.config import parse as parse_config
from rungway_server.domain.errors import ExperimentTooLarge, NewerSchema, RungwayError, UnknownExperiment
from rungway_server.domain.plan import Plan
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.keys import experiment_keys, fixed_keys
from rungway_server.store.redis.known import SCHEMA
from rungway_server.store.redis.plan_codec import plan_from_json
from rungway_server.store.redis.records import LogLine, TrialRecord, unpack

if TYPE_CHECKING:
    from redis.asyncio import Redis

_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RungwayError)
MOST_ITEMS = 1_000_000
"""Most fields, members and lines that are read at once: Redis serves nobody else meanwhile, for about two seconds."""


@dataclass(slots=True)
class Stored:
    """An experiment; keys of the fields are trial numbers, or (bracket, rung). See lua/KEYS.md for each.

    `problems` says what could not be read; it is missing from the fields then.
    """

    ref: ExperimentRef
    meta: dict[str, bytes] = field(default_factory=dict)
    schema: int = 0
    uid: str = ""
    created_ms: int = 0
    config: ExperimentConfig | None = None
    plan: Plan | None = None
    lua_plan: dict[str, Any] = field(default_factory=dict)
    tally: dict[str, Any] = field(default_factory=dict)
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    configs: dict[int, str] = field(default_factory=dict)
    leases: dict[int, int] = field(default_factory=dict)
    line: list[int] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    best: list[str] = field(default_factory=list)
    curves: dict[str, str] = field(default_factory=dict)
    events: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    requests: tuple[dict[str, Any], ...] = ()
    queue: list[str] = field(default_factory=list)
    rungs: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note a problem instead of raising it."""
        try:
            yield
        except _UNREADABLE as error:
            self.problems.append(f"{what}: {error}")


async def read_stored(redis: "Redis", ref: ExperimentRef) -> Stored:
    """Read an experiment; `redis` must not decode answers.

    All keys are read in one MULTI/EXEC, so that no decision falls between two of them. Raises UnknownExperiment,
    NewerSchema, ExperimentTooLarge, and the errors of redis-py.
    """
    while True:
        found: list[Any] = await redis.hmget(fixed_keys(ref)[0], ["uid", "plan_json", "schema"])
        uid, plan_json, schema = found
        if uid is None:
            raise UnknownExperiment(ref.experiment)
        if (schema or b"").isdigit() and int(schema) > SCHEMA:
            raise NewerSchema(ref.experiment, int(schema), SCHEMA)
        try:
            rungs = _rungs(plan_from_json(plan_json or b""))
        except _UNREADABLE as error:
            return Stored(ref, uid=uid.decode(), problems=[f"the plan: {error}"])
        keys = experiment_keys(ref, plan_from_json(plan_json))
        await _refuse_too_large(redis, ref, keys)
        stored = _decode(ref, await _read(redis, keys), rungs)
        if stored.uid in (uid.decode(), ""):  # else it was deleted and created anew: the rungs may be others
            if not stored.uid and not stored.problems:
                raise UnknownExperiment(ref.experiment)
            return stored


def _rungs(plan: Plan) -> list[tuple[int, int]]:
    return [(b, k) for b, bracket in enumerate(plan.brackets) for k in range(len(bracket.rungs))]


async def _refuse_too_large(redis: "Redis", ref: ExperimentRef, keys: list[str]) -> None:
    pipe = redis.pipeline(transaction=False)
    for position, count in ((1, pipe.hlen), (2, pipe.hlen), (7, pipe.hlen), (8, pipe.xlen), (9, pipe.hlen)):
        count(keys[position])
    sizes: list[Any] = await pipe.execute(raise_on_error=False)
    items = sum(size for size in sizes if isinstance(size, int))
    if items > MOST_ITEMS:
        raise ExperimentTooLarge(ref.experiment, items, MOST_ITEMS)


async def _read(redis: "Redis", keys: list[str]) -> list[Any]:
    pipe = redis.pipeline(transaction=True)
    meta, trials, configs, leases, line, ready, best, curves, events, younger, older, queue, *rungs = keys
    for key in (meta, trials, configs):
        pipe.hgetall(key)
    pipe.zrange(leases, 0, -1, withscores=True)
    pipe.lrange(line, 0, -1)
    for key in (ready, best):
        pipe.zrange(key, 0, -1)
    pipe.hgetall(curves)
    pipe.xrange(events)
    for key in (younger, older):
        pipe.hgetall(key)
    pipe.lrange(queue, 0, -1)
    for key in rungs:
        pipe.zrange(key, 0, -1)
    answers: list[Any] = await pipe.execute(raise_on_error=False)
    return answers


def _decode(ref: ExperimentRef, answers: list[Any], rungs: list[tuple[int, int]]) -> Stored:
    stored = Stored(ref)
    names = ("meta", "trials", "configs", "leases", "line", "ready", "best", "curves", "events", "requests", "requests")
    for name, answer in zip((*names, "queue", *(f"rung {b}:{k}" for b, k in rungs)), answers, strict=True):
        if isinstance(answer, ResponseError):
            stored.problems.append(f"{name}: {answer}")
        elif isinstance(answer, Exception):
            raise answer
    if stored.problems:
        return stored
    meta, trials, configs, leases, line, ready, best, curves, events, young, old, queue, *members = answers
    stored.meta = {name.decode(): value for name, value in meta.items()}
    if stored.meta:
        _decode_meta(stored)
    stored.trials = _each(stored, "trial", trials.items(), int, TrialRecord.unpacked)
    stored.configs = _each(stored, "configuration", configs.items(), int, bytes.decode)
    stored.leases = _each(stored, "lease", leases, int, int)
    stored.curves = _each(stored, "curve", curves.items(), bytes.decode, bytes.decode)
    stored.requests = tuple(_each(stored, "request", each.items(), bytes.decode, unpack) for each in (young, old))
    with stored.noting("a list"):
        stored.line = [int(number) for number in line]
        stored.ready, stored.best, stored.queue = ([item.decode() for item in each] for each in (ready, best, queue))
        stored.rungs = {at: [entry.decode() for entry in each] for at, each in zip(rungs, members, strict=True)}
    for line_id, values in events:
        with stored.noting(f"event {line_id.decode()}"):
            texts = {name.decode(): value.decode() for name, value in values.items()}
            stored.events.append((line_id.decode(), texts))
            stored.log.append(LogLine.read(line_id.decode(), texts["e"], texts["s"]))
    return stored


def _decode_meta(stored: Stored) -> None:
    meta = stored.meta
    with stored.noting("meta"):
        stored.uid, stored.schema = meta["uid"].decode(), int(meta["schema"])
        stored.created_ms = int(meta["created"])
        stored.plan = plan_from_json(meta["plan_json"])
        stored.lua_plan, stored.tally = unpack(meta["plan"]), unpack(meta["tally"])
        stored.config = parse_config(json.loads(meta["config"]))[0]


def _each(
    stored: Stored,
    what: str,
    items: Iterable[tuple[bytes, Any]],
    read_key: Callable[[Any], Any],
    read_value: Callable[[Any], Any],
) -> dict[Any, Any]:
    read = {}
    for name, value in items:
        with stored.noting(f"{what} {name.decode(errors='replace')}"):
            read[read_key(name)] = read_value(value)
    return read
