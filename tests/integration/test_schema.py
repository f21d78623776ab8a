"""The layout of an experiment in Redis has a version, which must change with the layout."""

import hashlib
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.codes import CODES
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, unpack
from rungway_server.store.redis.layout.schema import LATER_KINDS, LAYOUTS, NEWEST, OLDEST, SCHEMA
from tests.support.searches import create_planned, plan

PACKED = ("plan", "ladder", "tally", "counts")
"""Fields of `meta` that are MessagePack; those of `JSON` are JSON."""
JSON = ("plan_json", "config", "notes")


def names(value: object) -> object:
    """The structure of a value: names and nesting, without the values."""
    if isinstance(value, dict):
        return {name: names(item) for name, item in value.items()}
    return [names(item) for item in value] if isinstance(value, list) else ""


async def layout(store: RedisStore, admin_url: str, ref: ExperimentRef) -> dict[str, Any]:
    """All that servers of one version must agree on, as a new experiment with counted points shows it."""
    await create_planned(store, ref, plan(), points=200)
    keys = experiment_keys(ref, POINTS)
    async with Redis.from_url(admin_url) as redis:
        found: dict[bytes, bytes] = await redis.hgetall(keys[0])  # type: ignore[assignment]  # decoded is another client
    meta = {name.decode(): value for name, value in found.items()}
    values = {
        name: names(unpack(meta[name]) if name in PACKED else json.loads(meta[name])) for name in (*PACKED, *JSON)
    }
    return {
        "keys": [key.rpartition("}:")[2] for key in keys],
        "meta": sorted(meta),
        "values": values,
        "trial": TRIAL_FIELDS,
        "codes": CODES,
    }


async def test_a_changed_layout_has_a_new_version(store: RedisStore, admin_url: str, ref: ExperimentRef) -> None:
    found = hashlib.sha256(json.dumps(await layout(store, admin_url, ref), sort_keys=True).encode()).hexdigest()[:16]
    assert LAYOUTS[SCHEMA] == found, (
        "What an experiment looks like in Redis has changed. Give it a new version in store/redis/layout/schema.py: "
        f'`{SCHEMA + 1}: "{found}"` (CONTRIBUTING.md says when the old one may just get this fingerprint instead).'
    )


async def test_the_layout_has_its_names(store: RedisStore, admin_url: str, ref: ExperimentRef) -> None:
    taken = await layout(store, admin_url, ref)
    assert {"schema", "uid", "plan", "tally"} <= set(taken["meta"])
    assert {"state", "revision", "next_fence", "since"} <= set(taken["values"]["tally"])
    assert taken["values"]["counts"]["points"].keys() >= {"size", "left", "at"}


FIRST_KINDS: list[dict[str, object]] = [
    {"type": "const", "val": [1]},
    {"type": "int", "minval": 1, "maxval": 9, "step": 2, "log": False},
    {"type": "double", "minval": 0, "maxval": 1, "step": 0.25},
    {"type": "log", "base": 10, "minval": -3, "maxval": 0, "step": 1},
    {"type": "log_uniform", "minval": 0.1, "maxval": 1},
    {"type": "double", "minval": 0.1, "maxval": 1, "log": True},
    {"type": "categorical", "vals": [1, "a"]},
]
LATER: list[dict[str, object]] = [
    {"type": "log_int", "minval": 1, "maxval": 9},
    {"type": "int", "minval": 1, "maxval": 9, "log": True},
    {"type": "log_uniform", "minval": 0.1, "maxval": 1, "step": 0.1},
    {"type": "reverse_log_uniform", "minval": 0.1, "maxval": 0.9},
    {"type": "normal", "mu": 0, "sigma": 1},
    {"type": "lognormal", "mu": 0, "sigma": 1},
    {"type": "categorical", "vals": [1, "a"], "weights": [1, 2]},
    {"type": "ordinal", "vals": [1, 2]},
]


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [*((each, SCHEMA) for each in FIRST_KINDS), *((each, LATER_KINDS) for each in LATER)],
    ids=lambda each: str(each)[:70],
)
async def test_a_space_has_the_oldest_number_that_reads_it(
    parameter: dict[str, object], schema: int, store: RedisStore, admin_url: str, ref: ExperimentRef
) -> None:
    """Servers from before a kind of parameter refuse a search that has one, and no other."""
    document = {"hyperparameters": {"g": {"x": parameter}}, "searcher": {"name": "random", "metric": "m"}}
    document["searcher"] |= {"max_trials": 5, "max_length": 3}  # type: ignore[operator]  # of dicts
    planned = plan_search(document)
    made = await store.create(ref, planned.config, planned.plan, (), "")
    meta = experiment_keys(ref)[0]
    async with Redis.from_url(admin_url) as redis:
        assert int(await redis.hget(meta, "schema") or 0) == schema
        assert await store.change_plan(ref, made, planned.config, planned.plan)
        assert int(await redis.hget(meta, "schema") or 0) == schema


def test_versions_are_numbered_without_gaps() -> None:
    assert list(LAYOUTS) == list(range(1, SCHEMA + 1))
    assert 1 <= OLDEST <= SCHEMA <= NEWEST
