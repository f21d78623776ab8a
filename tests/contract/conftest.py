"""One service on a Redis of its own for all tests of this folder."""

from collections.abc import Iterator

import grpc
import pytest
from redis import Redis

from tests.support.calls import Calls
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis of these tests alone."""
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="session")
def store(redis_url: str) -> Iterator[Redis]:
    """What the service stores, past the service."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def service(redis_url: str) -> Iterator[Service]:
    """A running service."""
    with services(redis_url) as (running,):
        yield running


@pytest.fixture(scope="session")
def calls(service: Service) -> Iterator[Calls]:
    """Its rpcs."""
    with grpc.insecure_channel(service.address) as channel:
        yield Calls(channel)
