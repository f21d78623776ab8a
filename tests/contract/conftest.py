"""One service with its own Redis for all tests of this folder."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.support.calls import Calls, calls_to
from tests.support.redis_topology import Topology
from tests.support.service import Service, services


@pytest.fixture(scope="session")
def redis_url(chosen_redis_url: str) -> str:
    """A Redis that only these tests use."""
    return chosen_redis_url


@pytest.fixture(scope="session")
def store(topology: Topology | None, redis_url: str) -> Iterator[Redis]:
    """A client of the Redis of the service, to see what is stored."""
    with topology.client() if topology else Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def service(redis_url: str) -> Iterator[Service]:
    """A running service."""
    with services(redis_url) as (running,):
        yield running


@pytest.fixture(scope="session")
def calls(service: Service) -> Iterator[Calls]:
    """The rpcs of the service."""
    with calls_to(service.address) as calls:
        yield calls
