"""One service with its own Redis for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from redis import Redis

from tests.contract.transports import TRANSPORTS, Agreeing
from tests.support.calls import Calls
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


@pytest.fixture(scope="session", params=TRANSPORTS)
def each_channel(request: pytest.FixtureRequest, service: Service) -> Iterator[grpc.Channel]:
    """A channel to the service, of each transport in turn."""
    with TRANSPORTS[request.param](service) as channel:
        yield channel


@pytest.fixture(scope="session")
def calls(each_channel: grpc.Channel) -> Calls:
    """The rpcs of the service, over each transport in turn."""
    return Calls(each_channel)


@pytest.fixture(scope="session")
def agreeing(service: Service) -> Iterator[Calls]:
    """The rpcs of the service, refused in the same words over every transport."""
    with ExitStack() as stack:
        channel: Any = Agreeing([stack.enter_context(opened(service)) for opened in TRANSPORTS.values()])
        yield Calls(channel)
