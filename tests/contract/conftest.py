"""One service on a Redis of its own for all tests of this folder."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.support.calls import Calls, calls_to
from tests.support.redis_topology import Topology
from tests.support.service import Service, services


@pytest.fixture(scope="session")
def redis_url(chosen_redis_url: str) -> str:
    """A Redis of these tests alone."""
    return chosen_redis_url


@pytest.fixture(scope="session")
def store(topology: Topology | None, redis_url: str) -> Iterator[Redis]:
    """What the service stores, past the service."""
    with topology.client() if topology else Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def service(redis_url: str) -> Iterator[Service]:
    """A running service."""
    with services(redis_url) as (running,):
        yield running


@pytest.fixture(scope="session")
def calls(service: Service) -> Iterator[Calls]:
    """Its rpcs."""
    with calls_to(service.address) as calls:
        yield calls
