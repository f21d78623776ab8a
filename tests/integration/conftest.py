"""Stores on one real Redis for the tests of this folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress

import pytest
from redis.asyncio import Redis

from rungway_server.domain.errors import UnknownExperiment
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection import connect
from tests.support.audited import assert_sound
from tests.support.calls import unique_name
from tests.support.redis_server import redis_on_socket


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis of these tests alone."""
    with redis_on_socket() as url:
        yield url


@pytest.fixture
async def stores(redis_url: str) -> AsyncIterator[list[RedisStore]]:
    """Two stores on one Redis, each with connections and caches of its own."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(redis_url, timeout_seconds=5, max_connections=4)) for _ in range(2)
        ]
        yield [RedisStore(client) for client in clients]


@pytest.fixture
def store(stores: list[RedisStore]) -> RedisStore:
    """The first of them."""
    return stores[0]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Redis, past the stores."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
async def ref(redis_url: str) -> AsyncIterator[ExperimentRef]:
    """A name that no other test of this process uses; what is stored under it in the end must pass the audit."""
    ref = ExperimentRef("default", unique_name("s"))
    yield ref
    with suppress(UnknownExperiment):
        await assert_sound(redis_url, ref.experiment)
