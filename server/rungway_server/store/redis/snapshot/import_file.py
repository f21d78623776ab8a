"""Rebuilds an experiment from an export file: its keys are made, audited, written piece by piece, and visible at once.

The search goes on as it would have, without leases: trials that were running are requeued, at no cost to their
restarts, in the order of their leases. Answers to request ids are not carried over; fencing tokens skip those that may
have been given since.
"""

import json
import struct
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rungway_server.domain.engine import MOST_BEST, SAMPLER, ExperimentState, Report, TrialState
from rungway_server.domain.errors import ExperimentExists, RungwayError
from rungway_server.domain.experiment import parse as parse_config
from rungway_server.domain.names import check_experiment_id
from rungway_server.domain.ranking import metric_key, sort_key
from rungway_server.domain.search.sources import CODES as CODES_OF
from rungway_server.service.port import ExperimentRef
from rungway_server.service.quotas import Claim, claim_of
from rungway_server.store.redis.layout import about as layout_about
from rungway_server.store.redis.layout.codes import CODES
from rungway_server.store.redis.layout.configurations import Configurations
from rungway_server.store.redis.layout.curves import CURVE_PIECE, POINT
from rungway_server.store.redis.layout.further import FIELD, Names, stored
from rungway_server.store.redis.layout.keys import KEY_TYPES, POINTS, experiment_keys
from rungway_server.store.redis.layout.plan_codec import plan_for_lua, plan_from_json, plan_to_json
from rungway_server.store.redis.layout.records import (
    BEST_CHECKPOINT,
    BINARY,
    ENTRY,
    NO_RUNG,
    SOURCES,
    TRIAL_FIELDS,
    binary,
    derived_best_checkpoint,
    packed,
    packed_result,
    result_of,
    stored_trained,
)
from rungway_server.store.redis.layout.schema import ABOUT, CHECKPOINTS, FURTHER_METRICS, schema_of
from rungway_server.store.redis.layout.superseded import FIELD as SUPERSEDED
from rungway_server.store.redis.layout.vectors import vectors_of
from rungway_server.store.redis.snapshot.audit import check
from rungway_server.store.redis.snapshot.copying import name_of
from rungway_server.store.redis.snapshot.curve import Curve
from rungway_server.store.redis.snapshot.export_file import NUMBERS, SETTINGS, TRIAL_NAMES, BadExport, ExportFile
from rungway_server.store.redis.snapshot.file_checks import PROGRESS_FIELDS
from rungway_server.store.redis.snapshot.snapshot import OWN, WAITING, decode

if TYPE_CHECKING:
    from redis.asyncio import Redis


_WRONG = (
    struct.error,
    RecursionError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RungwayError,
)
_COUNTS = (
    *("started", "live", "states", "sizes", "passed", "clones", "points"),
    *("share", "spent", "credit", "opened", "learned", "drawn", "deadline", "sources", "costs"),
)
"""What of the progress is stored as `counts`."""

Room = Callable[[Claim], AbstractAsyncContextManager[object]]
"""Holds room in the quotas for what a search may claim, while it is written."""


async def import_experiment(redis: "Redis", ref: ExperimentRef, export: ExportFile, room: Room = nullcontext) -> int:
    """Store the experiment under this name; returns when it was created (ms), for the list of its namespace.

    `redis` is a client of the node of its keys, `room` reserves what it may use. Raises BadExport, ExperimentExists,
    InvalidInput for the name, and what `room` raises.
    """
    check_experiment_id(ref.experiment, "--as")
    seconds, _ = await redis.time()
    try:
        _end_leases(export)
        contents = _Contents(export, 1000 * int(seconds)).all()
        snapshot = decode(ref, contents)
    except _WRONG as error:
        raise BadExport(f"it does not describe a search: {type(error).__name__}: {error}") from None
    if violated := check(snapshot).violated:
        name, texts = next(iter(violated.items()))
        raise BadExport(f"it contradicts itself: {name}: {texts[0]}")
    assert snapshot.plan
    async with room(claim_of(snapshot.plan, ExperimentState(export.search["tally"]["state"]))):
        await write_keys(redis, ref, contents)
    return snapshot.created_ms


def _end_leases(export: ExportFile) -> None:
    """End every lease as if its worker had released the trial."""
    progress = export.search["tally"]
    over = ExperimentState(progress["state"]).is_over
    state = "stopped" if over else "queued"
    running = sorted(
        (each for each in export.trials if each["state"] == "running"), key=lambda each: int(each["fence"])
    )
    for trial in running:
        trial["state"] = state
        if over:
            trial["outcome"] = "stopped"
        else:
            export.search["line"].append(trial["trial"])
        if "spent" in progress:
            progress["spent"][trial.get(ENTRY, 0)] -= trial["to"] - trial["length"]
            _give_back(export.search, trial)
        progress["live"][trial["bracket"]] -= 1
        progress["states"]["running"] -= 1
        progress["states"][state] = progress["states"].get(state, 0) + 1
        ms, _, count = str(export.events[-1]["event"]).partition("-")
        event = {"event": f"{ms}-{int(count) + 1}", "kind": "release", "trial": trial["trial"], "reason": "preempted"}
        event |= {"bracket": trial["bracket"], "rung": -1, "rank": 0, "size": 0, "quota": 0, "cutoff": ""}
        export.events.append(event | {name: trial[name] for name in ("length", "metric", "worker")})
        trial["log"].append(event["event"])
    progress["revision"] += bool(running)


def _give_back(search: dict[str, Any], trial: dict[str, Any]) -> None:
    """What a lease did not train is not spent on the source of its trial."""
    sources, source = search["plan"].get("sources"), trial.get("source", SAMPLER)
    if sources and sources["learns"] and source in sources["names"]:
        search["tally"]["sources"]["spent"][sources["names"].index(source)] -= trial["to"] - trial["length"]


class _Contents:
    """The contents of each key, as Redis would answer."""

    def __init__(self, export: ExportFile, now_ms: int) -> None:
        self._export, self._now_ms = export, now_ms
        self._config = parse_config(export.search["config"])[0]
        self._pack = Configurations(self._config.space).pack
        self._plan = plan_from_json(json.dumps(export.search["plan"]))
        told = {int(each["trial"]): each["metrics"] for each in export.trials if each["metrics"]}
        self._names, self._further = stored(told)
        self._any_further = bool(told)
        self._best = {int(each["trial"]): best for each in export.trials if (best := _own_best(each)) is not None}
        """The best checkpoints that records have apart."""

    def all(self) -> list[Any]:
        """By the order of the keys."""
        export, search, pack = self._export, self._export.search, self._pack
        valid = [each for each in export.trials if each["best_metric"] != "" and each["state"] != "invalid"]
        best = sorted(self._rank(float(each["best_metric"])) + int(each["trial"]).to_bytes(4, "big") for each in valid)
        return [
            self._meta(),
            {name_of(each["trial"]): self._record(each) for each in export.trials},
            {name_of(each["proposal"]): pack(each["hparams"]) for each in export.suggestions}
            | {b"%d:%d" % (each["lane"], each["proposal"]): pack(each["hparams"]) for each in export.stock},
            [],
            [name_of(number) for number in search["line"]],
            sorted(
                [*(bytes.fromhex(each[:4]) + packed_result(each[4:]) for each in search["ready"]), *self._waiting()]
            ),
            best[:MOST_BEST],
            dict(self._pieces()) | self._further,
            [(each["event"].encode(), {b"e": packed(self._event(each))}) for each in export.events],
            {},
            {},
            [pack(each) for each in search["queue"]],
            sorted(self._rungs()),
            self._points_used(),
        ]

    def _rank(self, metric: float) -> bytes:
        """The key that a metric ranks by."""
        return sort_key(metric, self._config.searcher.smaller_is_better)

    def _key(self, metric: float | str) -> bytes:
        """The key that tells a metric exactly; nothing for none."""
        return b"" if metric == "" else metric_key(float(metric), self._config.searcher.smaller_is_better)

    def _text(self, metric: float | str) -> str:
        return binary(self._key(metric).hex())

    def _meta(self) -> dict[bytes, bytes]:
        search, config = self._export.search, self._config
        fencing_token = max(int(search["tally"]["next_fence"]), 16 * self._now_ms)
        progress = {name: value for name, value in search["tally"].items() if name in PROGRESS_FIELDS}
        progress |= {"generation": 0, "since": self._now_ms, "next_fence": fencing_token, "remembered": 0}
        progress |= stored_trained(int(progress["trained"]))
        if self._any_further:
            progress[FIELD] = len(Names(self._names).names)
        if self._best:
            progress[SUPERSEDED] = [0, 0, 0]
        counts = {name: progress.pop(name) for name in _COUNTS if name in progress}
        settings = {name: int(search["settings"].get(name, default)) for name, default in SETTINGS.items()}
        parts = json.loads(plan_for_lua(self._plan, config, **settings))
        parts["plan"]["target"] = binary(parts["plan"]["target"])
        texts = {
            "schema": str(self._schema()),
            "uid": uuid.uuid4().hex,
            "created": str(int(search["created_ms"])),
            "request": "",
            "print": "",
            "config": json.dumps(search["config"]),
            "plan_json": plan_to_json(self._plan),
            "notes": json.dumps(search["notes"]),
        }
        values = {"plan": parts["plan"], "ladder": parts["ladder"], "tally": progress, "counts": counts}
        if "points" in search["tally"]:
            texts["keys"] = POINTS
        if about := search.get("about"):
            texts[layout_about.FIELD] = layout_about.stored(layout_about.of_document(about))
        if search["tally"].get("failing"):
            texts["failing"] = str(search.get("failing", ""))
        meta = {name.encode(): text.encode() for name, text in texts.items()}
        meta |= {name.encode(): packed(value) for name, value in values.items()}
        return meta | ({FIELD.encode(): self._names} if self._any_further else {})

    def _schema(self) -> int:
        """The oldest layout that has all of this."""
        found = [schema_of(self._config)]
        found += [FURTHER_METRICS] if self._any_further else []
        found += [ABOUT] if self._export.search.get("about") else []
        found += [CHECKPOINTS] if self._best else []
        return max(found)

    def _record(self, trial: dict[str, Any]) -> bytes:
        last = len(trial["curve"]) % CURVE_PIECE
        tail = self._points(trial["curve"], len(trial["curve"]) - last, len(trial["curve"]))
        times = [int(part) for each in trial["log"] for part in each.split("-")]
        times[::2] = [ms - trial["created"] for ms in times[::2]]
        metric, best_key = self._text(trial["metric"]), self._text(trial["best_metric"])
        reached = max(int(trial["length"]), int(trial["checkpoint_length"]))  # files of layout 5 do not say it
        values = (
            {"reached": reached}
            | {name: trial[name] for name in TRIAL_NAMES if name in trial}
            | {
                "state": TrialState(trial["state"])[0],
                "metric": "" if tail else metric,
                "best_key": best_key != metric and best_key,
                "best_length": trial["best_length"] != trial["length"] and trial["best_length"],
                "points": len(trial["curve"]),
                "tail": binary(tail.hex()),
                "entries": [binary(stamp) for stamp in trial["entries"]],
                "log": times,
                "config": self._pack(trial["hparams"]).decode(errors=BINARY),
                **dict.fromkeys(("request", "print", "verdict"), ""),
            }
        )
        best = self._best.get(int(trial["trial"]))
        origin = int(trial.get(ENTRY, 0)) + SOURCES * CODES_OF[trial.get("source", SAMPLER)]
        more: list[object] = [origin] if self._plan.entries or self._plan.sources else []
        if best is not None:
            more = [*(more or [False]), best]
        if self._plan.objectives and trial["curve"]:
            more = [*more, *[False] * (2 - len(more)), self._vectors(trial).decode(errors=BINARY)]
        return packed([*(values[name] for name in TRIAL_FIELDS), *more])

    def _vectors(self, trial: dict[str, Any]) -> bytes:
        """What the last report of a trial ranks by."""
        curve: Curve = trial["curve"]
        ((length, metric),) = curve.part(len(curve) - 1, len(curve))
        further = next((told for place, told in reversed(trial["metrics"]) if place == len(curve) - 1), None)
        return vectors_of(self._config.searcher, Report(length, metric, further))

    def _points(self, curve: Curve, first: int, last: int) -> bytes:
        return b"".join(POINT.pack(length, self._key(metric)) for length, metric in curve.part(first, last))

    def _pieces(self) -> Iterator[tuple[bytes, bytes]]:
        for trial in self._export.trials:
            curve = trial["curve"]
            for piece in range(len(curve) // CURVE_PIECE):
                points = self._points(curve, piece * CURVE_PIECE, (piece + 1) * CURVE_PIECE)
                yield f"{int(trial['trial'])}.{piece}".encode(), points

    def _rungs(self) -> Iterator[bytes]:
        for trial in self._export.trials:
            for k, stamp in enumerate(trial["entries"]):
                if not stamp:  # a clone was never there
                    continue
                entry = bytes.fromhex(stamp) + int(trial["trial"]).to_bytes(4, "big")
                yield bytes([trial["bracket"], k]) + entry
                if self._plan.sources and self._plan.sources.protects and trial.get("source", SAMPLER) == SAMPLER:
                    yield bytes([OWN + trial["bracket"], k]) + entry

    def _waiting(self) -> Iterator[bytes]:
        """Where trials go on after the last new one: the results of those that wait."""
        for trial in self._export.trials if self._plan.go_on else ():
            if trial["state"] == "paused":
                at = bytes([WAITING + trial["bracket"], 255 - trial["rung"]])
                yield at + packed_result(result_of(trial["entries"][trial["rung"]], int(trial["trial"])))

    def _points_used(self) -> dict[bytes, bytes]:
        """How often each point was used. The configurations of clones are not counted."""
        search = self._export.search
        if "points" not in search["tally"]:
            return {}
        trials = [each for each in self._export.trials if not each["parent"]]
        uses = Counter(map(self._pack, [*(each["hparams"] for each in trials), *search["queue"]]))
        invalid = {self._pack(each["hparams"]): b"invalid" for each in trials if each["state"] == "invalid"}
        return {point: str(count).encode() for point, count in uses.items()} | invalid

    def _event(self, each: dict[str, Any]) -> list[Any]:
        if "trial" not in each:
            return [CODES.get(each["kind"], each["kind"]), *([each["message"]] if "message" in each else ())]
        kind, reason = (CODES.get(each[name], each[name]) for name in ("kind", "reason"))
        bracket, *numbers = (int(each[name]) for name in NUMBERS)
        trained = [int(each["trial"]), int(each["length"]), self._text(each["metric"]), each["worker"]]
        last = [each[name] for name in ("parent", "front") if name in each]
        more = last or each.get("entries", [])
        more = [*more, each["proposed"]] if "proposed" in each else more
        rung = [*numbers, self._text(each["cutoff"]), *more]
        return [kind, *trained, reason, bracket, *(rung if numbers[0] != NO_RUNG[0] or more else ())]


def _own_best(trial: dict[str, Any]) -> str | None:
    """The best checkpoint of a trial where its record has to say it."""
    lengths = trial["best_length"], trial["checkpoint"], trial["checkpoint_length"]
    derived = derived_best_checkpoint(trial["best_metric"] != "", *lengths)
    best: str = trial.get(BEST_CHECKPOINT, derived)
    return None if best == derived else best


_AT_ONCE, _BYTES = 500, 1 << 18
"""Most items and bytes that are written at once."""
_ABANDONED_MS = 3_600_000
"""How long temporary keys stay when an import breaks off."""


async def write_keys(redis: "Redis", ref: ExperimentRef, contents: list[Any]) -> None:
    """Write all keys under temporary names, piece by piece, and rename them in one MULTI/EXEC, which does nothing when
    the name is taken. What a broken import leaves is never visible, and expires."""
    keys = experiment_keys(ref, POINTS)
    staged = [f"{key}:import:{uuid.uuid4().hex}" for key in keys]
    if await redis.exists(keys[0]):
        raise ExperimentExists(ref.experiment)
    try:
        for position, (key, content) in enumerate(zip(staged, contents, strict=True)):
            for part in _parts(content):
                await write_part(redis, position, key, part)
        async with redis.pipeline(transaction=True) as pipe:
            await pipe.watch(keys[0])
            if await pipe.exists(keys[0]):
                raise ExperimentExists(ref.experiment)
            pipe.multi()  # type: ignore[no-untyped-call]  # redis-py has no types here
            pipe.unlink(*keys)
            for name, key, content in zip(staged, keys, contents, strict=True):
                if content:
                    pipe.rename(name, key)
                    pipe.persist(key)
            await pipe.execute()
    except BaseException:
        await redis.unlink(*staged)
        raise


async def write_part(redis: "Redis", position: int, key: str, part: Any) -> None:
    """Add items to a key; `position` is that in `KEY_TYPES`."""
    async with redis.pipeline(transaction=False) as pipe:
        match KEY_TYPES[position]:
            case "hash":
                pipe.hset(key, mapping=part)
            case "list":
                pipe.rpush(key, *part)
            case "stream":
                for line_id, fields in part:
                    pipe.xadd(key, fields, id=line_id)
            case "zset":
                pipe.zadd(key, dict.fromkeys(part, 0))
        pipe.pexpire(key, _ABANDONED_MS)
        await pipe.execute()


def _parts(content: dict[bytes, bytes] | list[Any]) -> Iterator[Any]:
    """The content in parts, each of which keeps Redis busy for a moment only."""
    part: list[Any] = []
    size = 0
    for item in content.items() if isinstance(content, dict) else content:
        part.append(item)
        size += len(item) if isinstance(item, bytes) else sum(map(len, item))
        if len(part) == _AT_ONCE or size >= _BYTES:
            yield dict(part) if isinstance(content, dict) else part
            part, size = [], 0
    if part:
        yield dict(part) if isinstance(content, dict) else part
