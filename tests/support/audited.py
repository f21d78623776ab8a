"""The audit as tests end with it: nothing that Redis holds of an experiment contradicts anything else."""

import asyncio

from redis.asyncio import Redis

from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.audit import Report, audit


async def report_of(url: str, ref: ExperimentRef) -> Report:
    """The audit of an experiment in the Redis of this URL."""
    async with Redis.from_url(url, protocol=2) as client:
        return await audit(client, ref)


async def assert_sound(url: str, experiment: str, namespace: str = "default") -> None:
    """Fail when an invariant is violated."""
    report = await report_of(url, ExperimentRef(namespace, experiment))
    assert report.violated == {}, f"{experiment} at revision {report.revision}"


async def assert_all_sound(url: str) -> None:
    """The same of every experiment in a Redis of the tests."""
    async with Redis.from_url(url, protocol=2, decode_responses=True) as client:
        for key in await client.keys("rungway:{*}:meta"):
            namespace, _, experiment = str(key).split("{")[1].split("}")[0].partition("/")
            await assert_sound(url, experiment, namespace)


def check_all_sound(url: str) -> None:
    """The same, for tests without an event loop."""
    asyncio.run(assert_all_sound(url))
