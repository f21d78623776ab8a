"""Stores on one real Redis for all tests of this folder."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
from redis.asyncio import Redis

from rungway_server.domain.errors import UnknownExperiment
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect, plain_client
from rungway_server.store.redis.connection.router import Router
from tests.support.audited import assert_sound
from tests.support.calls import unique_name
from tests.support.moving import Site
from tests.support.redis_server import redis_on_socket
from tests.support.redis_topology import Topology


@pytest.fixture(scope="session")
def redis_url(chosen_redis_url: str) -> str:
    """A Redis that only these tests use."""
    return chosen_redis_url


@pytest.fixture(scope="session")
def admin_url(topology: Topology | None, redis_url: str) -> str:
    """The same Redis, as a user with every right."""
    return topology.admin_url if topology else redis_url


@pytest.fixture
async def stores(redis_url: str) -> AsyncIterator[list[RedisStore]]:
    """Two stores on one Redis, each with its own connections and caches."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(redis_url, timeout_seconds=5)) for _ in range(2)]
        yield [RedisStore(client) for client in clients]


@pytest.fixture
async def router(redis_url: str) -> AsyncIterator[Router]:
    """A router for stores that a test makes itself."""
    async with connect(redis_url, timeout_seconds=5) as router:
        yield router


@pytest.fixture
def store(stores: list[RedisStore]) -> RedisStore:
    """The first of them."""
    return stores[0]


@pytest.fixture
async def redis(topology: Topology | None, redis_url: str) -> AsyncIterator[Redis]:
    """A client of the Redis below the stores, with every right."""
    client = topology.async_client() if topology else Redis.from_url(redis_url, decode_responses=True)
    async with client:
        yield client


@pytest.fixture
async def ref(admin_url: str) -> AsyncIterator[ExperimentRef]:
    """A name that no other test uses. What is stored under it at the end must pass the audit."""
    ref = ExperimentRef("default", unique_name("s"))
    yield ref
    with suppress(UnknownExperiment):
        await assert_sound(admin_url, ref.experiment)


@pytest.fixture
async def sites(redis_url: str) -> AsyncIterator[tuple[Site, Site]]:
    """Two Redis with a store each; the second is empty."""
    async with AsyncExitStack() as stack:
        other = stack.enter_context(redis_on_socket())
        found = []
        for url in (redis_url, other):
            router = await stack.enter_async_context(connect(url, timeout_seconds=5))
            client = await stack.enter_async_context(plain_client(url, timeout_seconds=5))
            found.append(Site(url, RedisStore(router), client))
        yield found[0], found[1]
