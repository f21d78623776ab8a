"""Deletion works for every layout, readable or not, and never hits a new search of the same name."""

import json
import random

import pytest
from redis.asyncio import Redis

from rungway_server.domain.errors import NewerSchema, OlderSchema, UnknownExperiment
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.keys import experiment_keys, index_key
from rungway_server.store.redis.layout.schema import NEWEST, OLDEST, SCHEMA
from tests.integration.live_searches import create, halving, report
from tests.support.searches import ask_for, create_planned, plan

OTHERS = [*range(1, OLDEST), NEWEST + 1, 99, 0]


async def made(store: RedisStore, redis: Redis, ref: ExperimentRef, schema: int) -> str:
    """Create a search as a server of another layout may have left it; returns its uid."""
    await create(store, ref, halving(9))
    for given in await ask_for(store, ref, 5):
        await report(store, ref, given, random.random())
    meta = experiment_keys(ref)[0]
    uid = (await store.definition(ref)).uid
    await redis.hset(meta, mapping={"schema": schema})
    tag = meta.removesuffix(":meta")
    more = ["rung:0:0", "rung:0:2"] if schema == 1 else []
    if schema > NEWEST:
        more = ["later", "curves:2"]
        await redis.hset(meta, "keys", " ".join(more))
    for name in more:
        await redis.zadd(f"{tag}:{name}", {"x": 0})
    return uid


async def left(redis: Redis, ref: ExperimentRef) -> list[str]:
    """Keys of the experiment, and its entry in the list."""
    listed = await redis.zscore(index_key(ref.namespace), ref.experiment)
    return [key async for key in redis.scan_iter(f"*{ref.experiment}*")] + ([] if listed is None else ["listed"])


@pytest.mark.parametrize("schema", OTHERS)
async def test_a_search_of_any_layout_can_be_deleted(
    schema: int, store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await made(store, redis, ref, schema)
    with pytest.raises((NewerSchema, OlderSchema)):
        await store.definition(ref, fresh=True)
    await store.delete(ref)
    assert await left(redis, ref) == []


@pytest.mark.parametrize("found", ["no such thing", b"\xff\xfe"], ids=["text", "bytes"])
@pytest.mark.parametrize("name", ["schema", "config", "plan_json", "notes", "plan", "tally", "counts"])
async def test_a_damaged_search_can_be_deleted(
    name: str, found: str | bytes, store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await made(store, redis, ref, SCHEMA)
    await redis.hset(experiment_keys(ref)[0], name, found)
    await store.delete(ref)
    assert await left(redis, ref) == []


@pytest.mark.parametrize("text", ["", "[]", '{"brackets": 7}', json.dumps({"brackets": [{"rungs": 3}]})])
async def test_the_plan_of_an_old_search_may_be_odd(
    text: str, store: RedisStore, redis: Redis, ref: ExperimentRef
) -> None:
    await create(store, ref, halving(9))
    await redis.hset(experiment_keys(ref)[0], mapping={"schema": 1, "plan_json": text})
    await store.delete(ref)
    assert await left(redis, ref) == []


@pytest.mark.parametrize("schema", [SCHEMA, 3, 99])
async def test_a_repeated_delete_leaves_a_new_search_of_the_name(
    schema: int, stores: list[RedisStore], redis: Redis, ref: ExperimentRef
) -> None:
    one, two = stores
    uid = await made(one, redis, ref, schema)
    await one.delete(ref, uid)
    await create_planned(two, ref, plan())
    for store in stores:
        with pytest.raises(UnknownExperiment):
            await store.delete(ref, uid)
    new = await one.definition(ref, fresh=True)
    assert new.uid != uid
    await one.delete(ref, new.uid)
    assert await left(redis, ref) == []
