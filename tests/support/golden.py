"""Golden files: all keys of a search as one layout stores them, what reads showed of it, and how it continued.

`python -m tests.support.golden FOLDER [SUFFIX…]` writes one of each kind of search, or those of these suffixes, with
the layout of today: `layout-6.json`, a rich one in a finite space; `-population`, with clones; `-stopping`, where rungs
stop trials; `-braked`, which has paused itself; `layout-8-further.json`, whose reports have further metrics;
`layout-9-checkpoints.json`, with replaced checkpoints and best ones beside the last; `layout-11-about.json`, with
labels, an owner and a comment; `layout-14-objectives.json`, whose rungs rank by fronts; `layout-16-numbers.json`, a
cost-aware one whose trials enter at several rungs, and whose configurations have several sources: what is in stock of
these is used, and no model proposes any more. Of layouts that no search is written in any more there are
`layout-12-auto.json`, whose trials enter at several rungs and go on after the last new one; `layout-13-sources.json`,
with several sources; `layout-15-costs.json`, as that of layout 16. A file never changes once a release has its layout.
Bytes are written as hexadecimal digits, so that any version of Redis can load them.
"""

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from redis import Redis as SyncRedis
from redis.asyncio import Redis

from rungway_server.domain.about import About, AboutChange
from rungway_server.domain.engine import Assignment, ExperimentState, Further, Lease, Outcome, Release, Report, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.schema import (
    ABOUT,
    CHECKPOINTS,
    FURTHER_METRICS,
    NUMBERS,
    OBJECTIVES,
    SCHEMA,
)
from tests.support.calls import config
from tests.support.models import untaught
from tests.support.moving import exported
from tests.support.redis_server import redis_on_socket
from tests.support.snapshot import Snapshot, snapshot

REF = ExperimentRef("default", "golden")
FOLDER = Path(__file__).parents[1] / "golden"
SPACE = {
    "layers": {"type": "int", "minval": 1, "maxval": 4},
    "optimizer": {"name": {"type": "categorical", "vals": ["sgd", "adam"]}},
    "momentum": {"type": "double", "minval": 0.0, "maxval": 0.75, "step": 0.25},
}
ASHA: dict[str, Any] = {"max_length": {"epochs": 27}, "divisor": 3, "max_rungs": 3, "max_concurrent_trials": 12}
MIXED: dict[str, Any] = {"max_length": {"epochs": 8}, "divisor": 2, "proposals": "mixture", "max_concurrent_trials": 12}
PBT: dict[str, Any] = {"population_size": 8, "num_rounds": 6, "length_per_round": {"epochs": 3}, "max_trials": None}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "": config("adaptive_asha", space=SPACE, max_trials=40, **ASHA),
    "-population": config("pbt", max_length=None, **PBT),
    "-stopping": config(
        "async_halving", max_trials=16, num_rungs=3, divisor=3, max_length={"epochs": 9}, stop_once=True
    ),
    "-braked": config("random", max_trials=40, max_length={"epochs": 3}),
    "-numbers": config("auto", max_trials=40, cost_aware=True, **MIXED),
    "-further": config("async_halving", max_trials=12, num_rungs=3, divisor=3, max_length={"epochs": 270}),
    "-checkpoints": config("pbt", max_length=None, **PBT),
    "-about": config("random", max_trials=8, max_length={"epochs": 3}),
    "-objectives": config(
        "async_halving",
        max_trials=30,
        num_rungs=3,
        divisor=2,
        max_length={"epochs": 4},
        metrics=[
            {"name": "loss", "goal": "minimize"},
            {"name": "m0", "goal": "minimize"},
            {"name": "late", "goal": "maximize", "at": "final"},
        ],
        outcome_constraints=["m0 <= 0.75"],
    ),
}
"""Configurations by the suffix of the file name."""
BESIDE = About({"team": "vision", "run/kind": ""}, "zoë", "a first try\nwith ünits")
LAYOUT_OF = {
    **{"-further": FURTHER_METRICS, "-checkpoints": CHECKPOINTS, "-about": ABOUT},
    "-objectives": OBJECTIVES,
    "-numbers": NUMBERS,
}
"""The layout of those that are not of today's."""
STEPS = {
    **{"": 64, "-population": 24, "-stopping": 24, "-braked": 0},
    **{"-further": 24, "-checkpoints": 70, "-about": 12},
    "-objectives": 80,
    "-numbers": 110,
}
"""How long each is played before it is written; the last steps only tell, so that some trials are promotable."""


async def read_keys(redis: Any) -> dict[str, Any]:
    """Every key of the search by name: its type and its content."""
    found: dict[str, Any] = {}
    for key in experiment_keys(REF, POINTS):
        kind = (await redis.type(key)).decode()
        if kind == "hash":
            value: Any = sorted([k.hex(), v.hex()] for k, v in (await redis.hgetall(key)).items())
        elif kind == "list":
            value = [item.hex() for item in await redis.lrange(key, 0, -1)]
        elif kind == "zset":
            value = [[item.hex(), score] for item, score in await redis.zrange(key, 0, -1, withscores=True)]
        elif kind == "stream":
            value = [[line.decode(), fields[b"e"].hex()] for line, fields in await redis.xrange(key)]
        else:
            continue
        found[key] = {"type": kind, "content": value}
    return found


async def write_keys(redis: Any, keys: dict[str, Any]) -> None:
    """Write these keys into Redis."""
    pipe = redis.pipeline(transaction=False).flushall()
    for key, held in keys.items():
        for item in held["content"]:
            if held["type"] == "hash":
                pipe.hset(key, bytes.fromhex(item[0]), bytes.fromhex(item[1]))
            elif held["type"] == "list":
                pipe.rpush(key, bytes.fromhex(item))
            elif held["type"] == "zset":
                pipe.zadd(key, {bytes.fromhex(item[0]): item[1]})
            else:
                pipe.xadd(key, {"e": bytes.fromhex(item[1])}, id=item[0])
    await pipe.execute()


def written(url: str, file: str) -> Snapshot:
    """What the Redis of this URL holds when it holds nothing but the search of this golden file."""

    async def write() -> None:
        async with Redis.from_url(url) as redis:
            await write_keys(redis, json.loads((FOLDER / file).read_text())["keys"])

    asyncio.run(write())
    with closing(SyncRedis.from_url(url)) as client:
        return snapshot(client)


async def seen_of(store: RedisStore) -> dict[str, Any]:
    """All that the reads of the store return for the search."""
    text = await exported(store, REF)
    trials = await store.trials(REF, list(range(60)), curve=True)
    return {
        "export": [json.loads(line) for line in text.splitlines()[1:-1]],
        "trials": plain([asdict(replace(trial, curve=tuple(trial.curve))) for trial in trials]),
        "best": [trial.trial for trial in await store.best(REF, 50)],
        "tally": plain(asdict(await store.progress(REF))),
    }


_AS_STORED = {"fencing_token": "fence", "rung_promoted": "rung_passed", "rung_promotable": "rung_ready"}
"""Fields that have another name in the golden files."""


def plain(value: Any) -> Any:
    """The value as JSON can hold it; floats become their shortest text."""
    return json.loads(json.dumps(_texts(value), default=str))


def _texts(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        texts = {str(getattr(name, "value", name)): _texts(item) for name, item in value.items()}
        return {_AS_STORED.get(name, name): item for name, item in texts.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _texts(value._asdict())
    return [_texts(item) for item in value] if isinstance(value, list | tuple) else value


def kept(frozen: Any, found: Any) -> Any:
    """What was found, without fields that a later layout added."""
    if isinstance(frozen, dict) and isinstance(found, dict):
        return {name: kept(frozen[name], found[name]) for name in frozen if name in found}
    if isinstance(frozen, list) and isinstance(found, list) and len(frozen) == len(found):
        return [kept(a, b) for a, b in zip(frozen, found, strict=True)]
    return found


async def log_of(store: RedisStore) -> list[Any]:
    """The event log without the times of this machine."""
    events, _ = await store.events(REF, "", 1_000)
    return list(plain([asdict(event) | {"event_id": "", "time_ms": 0} for event in events]))


async def play(store: RedisStore, held: list[list[Any]], now: int) -> list[Any]:
    """Play the search to its end; returns the decisions. `held`: trial, fencing token and next length of each lease."""
    rng = random.Random(5)
    said: list[Any] = []
    further = Further({"m0": 0.5, "late": -1.0}, 2.5) if await _further(store) else None
    if (await store.progress(REF)).state is ExperimentState.PAUSED:
        await store.set_state(REF, ExperimentState.RUNNING)
    while True:
        given = (await store.ask(REF, "", 1, "late", now_ms=now)).assignments
        for each in given:
            held.append([each.lease.trial, each.lease.fencing_token, each.next_decision_length])
            said.append([each.lease.trial, each.from_length, each.to_length, each.restarts, each.checkpoint])
            said.append([str(each.explanation.reason), dict(each.hparams)])
        if not held:
            return list(plain([*said, *await _further(store)]))
        trial, fencing_token, length = held.pop(0)
        result = Result(Lease(trial, fencing_token), [Report(length, rng.random(), further)], f"c{length}")
        told = (await store.tell(REF, "", [result], now_ms=now)).replies[0]
        why = told.explanation
        said.append(
            [trial, str(told.decision), str(why.reason), why.rung, why.rank, why.rung_size, why.quota, why.cutoff]
        )
        if told.next_decision_length:
            held.insert(0, [trial, fencing_token, told.next_decision_length])


async def _further(store: RedisStore) -> list[Any]:
    """The further metrics of all trials, in order."""
    trials = await store.trials(REF, list(range(60)), curve=True)
    return [[view.trial, point.length, point.further] for view in trials for point in view.curve if point.further]


class Made:
    """Makes a search, and notes its leases and the replies to calls whose request ids are remembered."""

    def __init__(self, store: RedisStore, name: str) -> None:
        self.store, self.name, self.rng = store, name, random.Random(3)
        self.now = 0
        self.held: dict[int, Assignment] = {}
        self.calls: list[list[Any]] = []
        """The request id and the arguments of each call."""

    async def make(self) -> None:
        """A search with something of every kind."""
        document = DOCUMENTS[self.name]
        self.calls.append(["made", document])
        view = await ExperimentUseCases(self.store).create(REF, document, "made")
        if self.name == "-about":
            change = AboutChange(BESIDE.labels, (), BESIDE.owner, BESIDE.comment)
            await self.store.change_about(REF, change)
        self.now = view.definition.created_ms
        if self.name == "-braked":
            await self._only_fail()
        for step in range(most := STEPS[self.name]):
            self.now += 100
            if not self.held or (self.rng.random() < 0.5 and step < most - 8):
                await self._ask(f"a{step}", 2)
            else:
                await self._answer(step, self.held.pop(self.rng.choice(sorted(self.held))))
        if self.name == "":
            await self._release("r", self.held.popitem()[1].lease)
            await self._enqueue()

    async def _enqueue(self) -> None:
        """Enqueue a configuration: the first that no trial has had."""
        for layers in (1, 2, 3, 4):
            with suppress(InvalidInput):
                own = {"layers": layers, "optimizer": {"name": "adam"}, "momentum": 0.25}
                await self.store.enqueue(REF, "q", own, now_ms=self.now)
                self.calls.append(["q", own])
                return

    async def _ask(self, request_id: str, count: int) -> None:
        self.calls.append([request_id, count])
        for given in (await self.store.ask(REF, request_id, count, "wörker", now_ms=self.now)).assignments:
            self.held[given.lease.trial] = given

    async def _fail(self, request_id: str, lease: Lease, outcome: Outcome, message: str) -> None:
        self.calls.append([request_id, *lease, outcome.value, message])
        await self.store.fail(REF, request_id, lease, outcome, message, now_ms=self.now)

    async def _release(self, request_id: str, lease: Lease) -> None:
        self.calls.append([request_id, *lease])
        await self.store.release(REF, request_id, [Release(lease)], now_ms=self.now)

    async def _only_fail(self) -> None:
        for number in range(10):
            await self._ask(f"a{number}", 1)
            await self._fail(f"f{number}", self.held.popitem()[1].lease, Outcome.ERROR, "KeyError: 'ä'")

    async def _answer(self, step: int, given: Assignment) -> None:
        luck, lease = self.rng.random(), given.lease
        if luck < 0.2:
            outcome = [Outcome.ERROR, Outcome.INVALID, Outcome.TRANSIENT][step % 3]
            await self._fail(f"f{step}", lease, outcome, "broken ä")
            return
        if luck < 0.3:
            await self._release(f"r{step}", lease)
            return
        over, most = luck < 0.45, given.next_decision_length
        length = self.rng.randint(given.from_length + 1, most) if over or luck < 0.6 else most
        if self.name == "-checkpoints":
            length = given.from_length + 1
        reports = [self._report(n) for n in range(given.from_length + 1, length + 1)]
        told = [[part for part in report if part is not None] for report in reports]
        checkpoint = f"{lease.trial} at {length}" if self.name == "-checkpoints" else "saved"
        self.calls.append([f"t{step}", *lease, told, checkpoint, over])
        result = Result(lease, reports, checkpoint, over)
        reply = (await self.store.tell(REF, f"t{step}", [result], now_ms=self.now)).replies[0]
        if reply.next_decision_length:
            following = reply.next_decision_length
            self.held[lease.trial] = given._replace(from_length=length, next_decision_length=following)

    def _report(self, length: int) -> Report:
        metric = self.rng.random()
        if self.name == "-objectives":
            return Report(length, metric, Further({"m0": self.rng.choice([0.25, 0.5, 1.0]), "late": self.rng.random()}))
        if self.name == "-numbers":
            return Report(length, metric, Further({}, self.rng.choice([0.5, 1.25, self.rng.random()])))
        if self.name != "-further" or length % 3 == 0:
            return Report(length, metric)
        metrics = {f"m{k}": self.rng.choice([0.25, -0.0, self.rng.random()]) for k in range(self.rng.randrange(5))}
        return Report(length, metric, Further(metrics, 1.5 if length % 2 else None))


def _read_report(length: int, metric: float, further: Sequence[Any] = ()) -> Report:
    """A report as the calls of a file have it."""
    return Report(length, metric, Further(*further) if further else None)


async def repeat(store: RedisStore, calls: list[list[Any]], now: int) -> list[Any]:
    """The replies when these calls are repeated."""
    said: list[Any] = []
    for request_id, *call in calls:
        try:
            said.append(await _repeated(store, request_id, call, now))
        except InvalidInput as refused:  # only the last tell under a lease is remembered
            said.append(refused.reason)
    return list(plain(said))


async def _repeated(store: RedisStore, request_id: str, call: list[Any], now: int) -> object:
    """Repeat a call; the first letter of its id says which: make, ask, tell, fail, release, queue (enqueue)."""
    if request_id == "made":
        return (await ExperimentUseCases(store).create(REF, call[0], request_id)).definition.uid
    if request_id == "q":
        return await store.enqueue(REF, request_id, call[0], now_ms=now)
    if request_id[0] == "a":
        given = (await store.ask(REF, request_id, call[0], "wörker", now_ms=now)).assignments
        return [[each.lease, each.to_length, dict(each.hparams)] for each in given]
    lease = Lease(*call[:2])
    if request_id[0] == "f":
        return (await store.fail(REF, request_id, lease, Outcome(call[2]), call[3], now_ms=now))[0].explanation
    if request_id[0] == "r":
        told = await store.release(REF, request_id, [Release(lease)], now_ms=now)
    else:
        _, _, reports, checkpoint, over = call
        result = Result(lease, [_read_report(*each) for each in reports], checkpoint, over)
        told = await store.tell(REF, request_id, [result], now_ms=now)
    return [told.replies[0].decision, told.replies[0].explanation]


async def made(name: str) -> dict[str, Any]:
    """The content of a golden file."""
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=5) as router, Redis.from_url(url) as redis:
            making = Made(RedisStore(router, longest_wait_for_models=None, compute=untaught), name)
            await making.make()
            store = RedisStore(router, longest_wait_for_models=0)
            now, keys = making.now, await read_keys(redis)
            held = [[t, g.lease.fencing_token, g.next_decision_length] for t, g in sorted(making.held.items())]
            found = {
                "schema": LAYOUT_OF.get(name, SCHEMA),
                "now_ms": now,
                "held": held,
                "keys": keys,
                "seen": await seen_of(store),
            }
            found |= {"calls": making.calls, "repeated": await repeat(store, making.calls, now)}
            await write_keys(redis, keys)  # asks that had to wait would get a trial now
            found["played"] = await play(store, [list(each) for each in held], now)
            found["log"] = await log_of(store)
            return found


if __name__ == "__main__":
    for name in sys.argv[2:] or DOCUMENTS:
        file = Path(sys.argv[1]) / f"layout-{LAYOUT_OF.get(name, SCHEMA)}{name}.json"
        file.write_text(json.dumps(asyncio.run(made(name)), indent=0) + "\n", encoding="utf-8")
