"""The audit, for the end of tests: all that Redis holds of an experiment must be consistent."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

from redis import Redis

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.snapshot.audit import Report, audit
from tests.support.snapshot import Snapshot, restore


async def report_of(url: str, ref: ExperimentRef) -> Report:
    """The audit of an experiment in the Redis of this URL."""
    async with connect(url, timeout_seconds=20) as router:
        return await audit(router, ref)


async def assert_sound(url: str, experiment: str, namespace: str = "default") -> None:
    """Fail if the experiment violates an invariant."""
    report = await report_of(url, ExperimentRef(namespace, experiment))
    assert report.violated == {}, f"{experiment} at revision {report.revision}"


async def assert_all_sound(url: str) -> None:
    """Fail if any experiment in this Redis violates an invariant."""
    async with plain_client(url, timeout_seconds=20) as client:
        keys: Any = await client.keys("rungway:{*}:meta")
        for key in keys:
            namespace, _, experiment = key.decode().split("{")[1].split("}")[0].partition("/")
            await assert_sound(url, experiment, namespace)


def check_broken(
    url: str, ref: ExperimentRef, saved: Snapshot, invariant: str, damage: Callable[[Redis], object]
) -> None:
    """Fail unless the audit passes the saved experiment, and names this invariant after the damage."""
    with closing(Redis.from_url(url)) as client:
        restore(client, saved)
        assert asyncio.run(report_of(url, ref)).violated == {}
        damage(client)
        assert invariant in asyncio.run(report_of(url, ref)).violated


def check_all_sound(url: str) -> None:
    """`assert_all_sound` for tests without an event loop."""
    asyncio.run(assert_all_sound(url))
