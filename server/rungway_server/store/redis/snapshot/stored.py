"""Everything that Redis holds of one experiment, as of one moment, decoded."""

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from rungway_server.domain.engine import CURVE_CHUNK
from rungway_server.domain.errors import RungwayError
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.experiment import parse as parse_config
from rungway_server.domain.search.plan import Plan
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.plan_codec import plan_from_json
from rungway_server.store.redis.layout.records import LogLine, TrialRecord, as_bytes, entry_of, trained_of, unpack

_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RungwayError)
POINT = struct.Struct(">Q8s")
"""Points of a curve in each piece, and one of them: its length and the sort key of its metric."""


@dataclass(slots=True)
class Stored:
    """An experiment; keys of the fields are trial numbers, or (bracket, rung). See lua/KEYS.md for each.

    Of `tally`, what is counted by rung is in a list of all rungs. `problems` says what could not be read; it is missing
    from the fields then.
    """

    ref: ExperimentRef
    meta: dict[str, bytes] = field(default_factory=dict)
    schema: int = 0
    uid: str = ""
    created_ms: int = 0
    config: ExperimentConfig | None = None
    plan: Plan | None = None
    lua_plan: dict[str, Any] = field(default_factory=dict)
    lua_ladder: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    suggestions: dict[int, dict[str, object]] = field(default_factory=dict)
    configs: dict[int, dict[str, object]] = field(default_factory=dict)
    leases: dict[int, int] = field(default_factory=dict)
    line: list[int] = field(default_factory=list)
    ready: list[str] = field(default_factory=list)
    best: list[str] = field(default_factory=list)
    curves: dict[str, bytes] = field(default_factory=dict)
    log: list[LogLine] = field(default_factory=list)
    requests: tuple[dict[str, Any], ...] = ()
    queue: list[dict[str, object]] = field(default_factory=list)
    rungs: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    points: dict[str, str] = field(default_factory=dict)
    """By a configuration as JSON: how often it was used, or "invalid"."""
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Note a problem instead of raising it."""
        try:
            yield
        except _UNREADABLE as error:
            self.problems.append(f"{what}: {error}")


def points_of(stored: Stored, number: int) -> list[tuple[int, str]]:
    """The curve of a trial: lengths and sort keys of the metrics in the order in which they were told."""
    trial = stored.trials[number]
    pieces = [stored.curves.get(f"{number}.{i}", b"") for i in range(trial.points // CURVE_CHUNK)]
    points = POINT.iter_unpack(b"".join([*pieces, as_bytes(trial.tail)]))
    return [(length, key.hex()) for length, key in points]


def decode(ref: ExperimentRef, answers: list[Any]) -> Stored:
    """What the answers for all keys say, whatever is wrong with it; takes a second for 10,000 trials."""
    stored = Stored(ref)
    names = ("meta", "trials", "configs", "leases", "line", "ready", "best", "curves", "events", "requests", "requests")
    for name, answer in zip((*names, "queue", "rungs", "points"), answers, strict=True):
        if isinstance(answer, ResponseError):
            stored.problems.append(f"{name}: {answer}")
        elif isinstance(answer, Exception):
            raise answer
    if stored.problems:
        return stored
    meta, trials, configs, leases, line, ready, best, curves, events, young, old, queue, rungs, points = answers
    stored.meta = {name.decode(): value for name, value in meta.items()}
    if stored.meta:
        _decode_meta(stored)
    stored.trials = _each(stored, "trial", trials.items(), int, TrialRecord.unpacked)
    if stored.config:
        configurations = Configurations(stored.config.space)
        unpack_config = configurations.unpack
        stored.suggestions = _each(stored, "proposal", configs.items(), int, unpack_config)
        packed = ((str(number).encode(), as_bytes(trial.config)) for number, trial in stored.trials.items())
        stored.configs = _each(stored, "configuration of trial", packed, int, unpack_config)
        with stored.noting("a queued configuration"):
            stored.queue = [unpack_config(item) for item in queue]
        with stored.noting("a point"):
            stored.points = {json.dumps(unpack_config(point)): uses.decode() for point, uses in points.items()}
    stored.leases = _each(stored, "lease", leases, int, int)
    stored.curves = _each(stored, "curve", curves.items(), bytes.decode, bytes)
    stored.requests = tuple(_each(stored, "request", each.items(), bytes.hex, unpack) for each in (young, old))
    with stored.noting("a list"):
        stored.line = [int(number) for number in line]
        stored.ready = [f"{member[:2].hex()}{entry_of(member[2:])}" for member in ready]
        stored.best = [f"{member[:8].hex()}{int.from_bytes(member[8:], 'big'):010d}" for member in best]
    for member in rungs:
        with stored.noting("a rung"):
            stored.rungs.setdefault((member[0], member[1]), []).append(entry_of(member[2:]))
    for line_id, values in events:
        with stored.noting(f"event {line_id.decode()}"):
            stored.log.append(LogLine.unpacked(line_id.decode(), values[b"e"]))
    return stored


def _decode_meta(stored: Stored) -> None:
    meta = stored.meta
    with stored.noting("meta"):
        stored.uid, stored.schema = meta["uid"].decode(), int(meta["schema"])
        stored.created_ms = int(meta["created"])
        stored.plan = plan_from_json(meta["plan_json"])
        stored.rungs = {(b, k): [] for b, bracket in enumerate(stored.plan.brackets) for k in range(len(bracket.rungs))}
        stored.lua_plan, stored.lua_ladder = unpack(meta["plan"]), unpack(meta["ladder"])
        stored.progress = unpack(meta["tally"]) | unpack(meta["counts"])
        stored.progress["trained"] = trained_of(stored.progress)
        stored.progress.pop("trained_many", None)
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
