"""The layout of an experiment in Redis has a version, which must change with the layout."""

import hashlib
import json
from typing import Any

from redis.asyncio import Redis

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.codes import CODES
from rungway_server.store.redis.layout.keys import POINTS, experiment_keys
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, unpack
from rungway_server.store.redis.layout.schema import LAYOUTS, OLDEST, SCHEMA
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


def test_versions_are_numbered_without_gaps() -> None:
    assert list(LAYOUTS) == list(range(1, SCHEMA + 1))
    assert 1 <= OLDEST <= SCHEMA
