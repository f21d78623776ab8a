"""Golden files: all keys of a search as servers of one layout left them, what was read of it then, and how it went on.

`python -m tests.support.golden FILE` writes one with the layout of today. A file is never written again once a release
has its layout. Bytes are in hexadecimal digits, so that any Redis can take them.
"""

import asyncio
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from rungway_server.domain.decisions import Assignment, Lease, Outcome, Release, Report, Result
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection import connect
from rungway_server.store.redis.keys import experiment_keys
from rungway_server.store.redis.schema import SCHEMA
from tests.support.calls import config
from tests.support.moving import exported
from tests.support.redis_server import redis_on_socket

REF = ExperimentRef("default", "golden")
FOLDER = Path(__file__).parents[1] / "golden"
DOCUMENT = config(
    "adaptive_asha", max_trials=40, max_length={"epochs": 27}, divisor=3, max_rungs=3, max_concurrent_trials=12
)


async def read_keys(redis: Any) -> dict[str, Any]:
    """Every key of the search by name: its type and its content."""
    found: dict[str, Any] = {}
    for key in experiment_keys(REF):
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
    """Make Redis hold them."""
    await redis.flushall()
    for key, held in keys.items():
        for item in held["content"]:
            if held["type"] == "hash":
                await redis.hset(key, bytes.fromhex(item[0]), bytes.fromhex(item[1]))
            elif held["type"] == "list":
                await redis.rpush(key, bytes.fromhex(item))
            elif held["type"] == "zset":
                await redis.zadd(key, {bytes.fromhex(item[0]): item[1]})
            else:
                await redis.xadd(key, {"e": bytes.fromhex(item[1])}, id=item[0])


async def seen_of(store: RedisStore) -> dict[str, Any]:
    """Everything that reads show of the search."""
    text = await exported(store, REF)
    trials = await store.trials(REF, list(range(60)), curve=True)
    return {
        "export": [json.loads(line) for line in text.splitlines()[1:-1]],
        "trials": plain([asdict(trial) for trial in trials]),
        "best": [trial.trial for trial in await store.best(REF, 50)],
        "tally": plain(asdict(await store.tally(REF))),
    }


def plain(value: Any) -> Any:
    """As JSON has it; floats as their shortest text."""
    return json.loads(json.dumps(_texts(value), default=str))


def _texts(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {str(getattr(name, "value", name)): _texts(item) for name, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _texts(value._asdict())
    return [_texts(item) for item in value] if isinstance(value, list | tuple) else value


def kept(frozen: Any, found: Any) -> Any:
    """What was found, without the fields that a later layout added."""
    if isinstance(frozen, dict) and isinstance(found, dict):
        return {name: kept(frozen[name], found[name]) for name in frozen if name in found}
    if isinstance(frozen, list) and isinstance(found, list) and len(frozen) == len(found):
        return [kept(a, b) for a, b in zip(frozen, found, strict=True)]
    return found


async def play(store: RedisStore, held: list[list[Any]], now: int) -> list[Any]:
    """Play the search to its end; what was decided. `held` are trial, fence and next length of each lease."""
    rng = random.Random(5)
    said: list[Any] = []
    while True:
        given = (await store.ask(REF, "", 1, "late", now_ms=now)).assignments
        for each in given:
            held.append([each.lease.trial, each.lease.fence, each.next_decision_length])
            said.append([each.lease.trial, each.from_length, each.to_length, each.restarts, each.checkpoint])
            said.append([str(each.explanation.reason), dict(each.hparams)])
        if not held:
            return list(plain(said))
        trial, fence, length = held.pop(0)
        result = Result(Lease(trial, fence), [Report(length, rng.random())], f"c{length}")
        told = (await store.tell(REF, "", [result], now_ms=now)).verdicts[0]
        why = told.explanation
        said.append(
            [trial, str(told.decision), str(why.reason), why.rung, why.rank, why.rung_size, why.quota, why.cutoff]
        )
        if told.next_decision_length:
            held.insert(0, [trial, fence, told.next_decision_length])


async def rich(store: RedisStore) -> tuple[list[list[Any]], int]:
    """Make a search that has something of everything; the leases held, and the time."""
    view = await ExperimentUseCases(store).create(REF, DOCUMENT, "made")
    now, rng = view.definition.created_ms, random.Random(3)
    held: dict[int, Assignment] = {}
    for step in range(70):
        now += 100
        if rng.random() < 0.5 or not held:
            for given in (await store.ask(REF, f"a{step}", 2, "w", now_ms=now)).assignments:
                held[given.lease.trial] = given
            continue
        given = held.pop(rng.choice(sorted(held)))
        luck = rng.random()
        if luck < 0.2:
            outcome = [Outcome.ERROR, Outcome.INVALID, Outcome.TRANSIENT][step % 3]
            await store.fail(REF, f"f{step}", given.lease, outcome, "broken ä", now_ms=now)
        elif luck < 0.3:
            await store.release(REF, f"r{step}", [Release(given.lease)], now_ms=now)
        else:
            reports = [Report(n, rng.random()) for n in range(given.from_length + 1, given.next_decision_length + 1)]
            result = Result(given.lease, reports, f"at {given.next_decision_length}")
            verdict = (await store.tell(REF, f"t{step}", [result], now_ms=now)).verdicts[0]
            if verdict.next_decision_length:
                held[given.lease.trial] = given._replace(
                    from_length=given.next_decision_length, next_decision_length=verdict.next_decision_length
                )
    await store.enqueue(REF, "q", {"rate": 0.003, "layers": 2}, now_ms=now)
    return [[t, g.lease.fence, g.next_decision_length] for t, g in sorted(held.items())], now


async def made() -> dict[str, Any]:
    """What a golden file says."""
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=5) as lanes, Redis.from_url(url) as redis:
            store = RedisStore(lanes)
            held, now = await rich(store)
            found = {"schema": SCHEMA, "now_ms": now, "held": held, "keys": await read_keys(redis)}
            found |= {"seen": await seen_of(store), "played": await play(store, [list(each) for each in held], now)}
            return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(asyncio.run(made()), indent=0) + "\n", encoding="utf-8")
