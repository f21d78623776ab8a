"""Everything that Redis holds of one experiment, as of one moment, decoded."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from rungway_server.domain.about import About
from rungway_server.domain.errors import RungwayError
from rungway_server.domain.experiment import ExperimentConfig
from rungway_server.domain.experiment import parse as parse_config
from rungway_server.domain.search.plan import Plan
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.layout import about as layout_about
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.curves import CURVE_PIECE, POINT
from rungway_server.store.redis.layout.further import Names, Row, is_further, piece_field, pieces_before, tail_field
from rungway_server.store.redis.layout.numbers import counts_of, ladder_of
from rungway_server.store.redis.layout.plan_codec import plan_from_json
from rungway_server.store.redis.layout.records import LogLine, TrialRecord, as_bytes, entry_of, trained_of, unpack
from rungway_server.store.redis.layout.superseded import is_superseded

WAITING = OWN = 128
"""What is added to the bracket of trials that wait (lua/include/waiting.lua), and of results of the sampler that rungs
hold a second time (lua/include/protect.lua)."""
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RungwayError)


@dataclass(slots=True)
class Snapshot:
    """One experiment. Keys of the fields are trial numbers, or (bracket, rung); lua/KEYS.md describes each key.

    What `progress` counts by rung is in one list of all rungs. `problems` says what could not be read; that is missing
    from the fields.
    """

    ref: ExperimentRef
    meta: dict[str, bytes] = field(default_factory=dict)
    schema: int = 0
    uid: str = ""
    created_ms: int = 0
    config: ExperimentConfig | None = None
    about: About = field(default_factory=About)
    plan: Plan | None = None
    lua_plan: dict[str, Any] = field(default_factory=dict)
    lua_ladder: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    suggestions: dict[int, dict[str, object]] = field(default_factory=dict)
    configs: dict[int, dict[str, object]] = field(default_factory=dict)
    stock: dict[tuple[int, int], dict[str, object]] = field(default_factory=dict)
    """What models and programs have proposed for trials to come, by lane and place."""
    leases: dict[int, int] = field(default_factory=dict)
    requeued: list[int] = field(default_factory=list)
    promotable: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """In a search in which trials go on after the last new one: the results of those that wait."""
    best: list[str] = field(default_factory=list)
    curves: dict[str, bytes] = field(default_factory=dict)
    further: dict[str, bytes] = field(default_factory=dict)
    """Pieces of further metrics, by their fields."""
    superseded: dict[str, bytes] = field(default_factory=dict)
    """Checkpoints that others have replaced, by their fields."""
    log: list[LogLine] = field(default_factory=list)
    requests: tuple[dict[str, Any], ...] = ()
    enqueued: list[dict[str, object]] = field(default_factory=list)
    rungs: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    own: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    """The results of the sampler in rungs where these are promoted by their rank among themselves, too."""
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


def points_of(snapshot: Snapshot, number: int) -> list[tuple[int, str]]:
    """The curve of a trial: lengths and sort keys of the metrics in the order in which they were told."""
    trial = snapshot.trials[number]
    pieces = [snapshot.curves.get(f"{number}.{i}", b"") for i in range(trial.points // CURVE_PIECE)]
    points = POINT.iter_unpack(b"".join([*pieces, as_bytes(trial.tail)]))
    return [(length, key.hex()) for length, key in points]


def further_of(snapshot: Snapshot, number: int, names: Names) -> list[Row]:
    """The further metrics of a trial. Raises KeyError for a piece that is not there, and as `Names.rows`.

    A report that was told while the experiment was read may have a row, and no point yet: such rows are left out.
    """
    last = snapshot.further.get(tail_field(number))
    pieces = [snapshot.further[piece_field(number, at)] for at in range(pieces_before(last))]
    rows = (row for piece in (*pieces, last or b"") if piece for row in names.rows(piece))
    return [row for row in rows if row[0] < snapshot.trials[number].points]


def decode(ref: ExperimentRef, answers: list[Any]) -> Snapshot:
    """Decode the answers of Redis for all keys, in their order. What is wrong is noted in `problems`, not raised. Takes
    a second for 10,000 trials."""
    snapshot = Snapshot(ref)
    names = ("meta", "trials", "configs", "leases", "line", "ready", "best", "curves", "events", "requests", "requests")
    for name, answer in zip((*names, "queue", "rungs", "points"), answers, strict=True):
        if isinstance(answer, ResponseError):
            snapshot.problems.append(f"{name}: {answer}")
        elif isinstance(answer, Exception):
            raise answer
    if snapshot.problems:
        return snapshot
    meta, trials, configs, leases, requeued, promotable, best, curves, events, *rest = answers
    young, old, enqueued, rungs, points = rest
    snapshot.meta = {name.decode(errors="replace"): value for name, value in meta.items()}
    if snapshot.meta:
        _decode_meta(snapshot)
    snapshot.trials = _each(snapshot, "trial", trials.items(), int, TrialRecord.unpacked)
    if snapshot.config:
        configurations = Configurations(snapshot.config.space)
        unpack_config = configurations.unpack
        drawn, others = ({n: value for n, value in configs.items() if (b":" in n) is other} for other in (False, True))
        snapshot.suggestions = _each(snapshot, "proposal", drawn.items(), int, unpack_config)
        snapshot.stock = _each(snapshot, "proposal", others.items(), _lane_and_place, unpack_config)
        packed = ((str(number).encode(), as_bytes(trial.config)) for number, trial in snapshot.trials.items())
        snapshot.configs = _each(snapshot, "configuration of trial", packed, int, unpack_config)
        with snapshot.noting("an enqueued configuration"):
            snapshot.enqueued = [unpack_config(item) for item in enqueued]
        with snapshot.noting("a point"):
            snapshot.points = {json.dumps(unpack_config(point)): uses.decode() for point, uses in points.items()}
    snapshot.leases = _each(snapshot, "lease", leases, int, int)
    for name, piece in _each(snapshot, "curve", curves.items(), bytes.decode, bytes).items():
        others = snapshot.further if is_further(name) else snapshot.curves
        (snapshot.superseded if is_superseded(name) else others)[name] = piece
    snapshot.requests = tuple(_each(snapshot, "request", each.items(), bytes.hex, unpack) for each in (young, old))
    with snapshot.noting("a list"):
        snapshot.requeued = [int(number) for number in requeued]
        snapshot.promotable, snapshot.waiting = (
            [f"{member[:2].hex()}{entry_of(member[2:])}" for member in promotable if (member[0] >= WAITING) is waits]
            for waits in (False, True)
        )
        snapshot.best = [f"{member[:8].hex()}{int.from_bytes(member[8:], 'big'):010d}" for member in best]
    for member in rungs:
        with snapshot.noting("a rung"):
            rungs_of, bracket = (snapshot.own, member[0] - OWN) if member[0] >= OWN else (snapshot.rungs, member[0])
            rungs_of.setdefault((bracket, member[1]), []).append(entry_of(member[2:]))
    for line_id, values in events:
        with snapshot.noting(f"event {line_id.decode()}"):
            snapshot.log.append(LogLine.unpacked(line_id.decode(), values[b"e"]))
    return snapshot


def _lane_and_place(field_name: bytes) -> tuple[int, int]:
    lane, _, place = field_name.partition(b":")
    return int(lane), int(place)


def _decode_meta(snapshot: Snapshot) -> None:
    meta = snapshot.meta
    with snapshot.noting("meta"):
        snapshot.uid, snapshot.schema = meta["uid"].decode(), int(meta["schema"])
        snapshot.created_ms = int(meta["created"])
        snapshot.plan = plan_from_json(meta["plan_json"])
        snapshot.rungs = {
            (b, k): [] for b, bracket in enumerate(snapshot.plan.brackets) for k in range(len(bracket.rungs))
        }
        snapshot.lua_plan, snapshot.lua_ladder = unpack(meta["plan"]), ladder_of(unpack(meta["ladder"]))
        snapshot.progress = unpack(meta["tally"]) | counts_of(unpack(meta["counts"]), snapshot.lua_ladder)
        snapshot.progress["trained"] = trained_of(snapshot.progress)
        snapshot.progress.pop("trained_many", None)
        snapshot.config = parse_config(json.loads(meta["config"]))[0]
        snapshot.about = layout_about.read_about(meta.get(layout_about.FIELD))


def _each(
    snapshot: Snapshot,
    what: str,
    items: Iterable[tuple[bytes, Any]],
    read_key: Callable[[Any], Any],
    read_value: Callable[[Any], Any],
) -> dict[Any, Any]:
    read = {}
    for name, value in items:
        with snapshot.noting(f"{what} {name.decode(errors='replace')}"):
            read[read_key(name)] = read_value(value)
    return read
