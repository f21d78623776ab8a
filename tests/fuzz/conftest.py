"""One service on a Redis of its own for each file of this folder."""

from collections.abc import Iterator

import grpc
import pytest
from redis import Redis

from tests.fuzz.caller import Caller
from tests.support.audited import check_all_sound
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of these tests alone; the audit finds nothing wrong in it at the end."""
    with redis_on_socket() as url:
        yield url
        check_all_sound(url)


@pytest.fixture(scope="module")
def store(redis_url: str) -> Iterator[Redis]:
    """The store of the service, read directly."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="module")
def service(redis_url: str) -> Iterator[Service]:
    """A running service, which is still the same process at the end and has logged no unexpected error."""
    with services(redis_url) as (running,):
        yield running
        assert running.process.poll() is None, running.log()
        assert "unexpected_error" not in running.log()


@pytest.fixture(scope="module")
def caller(service: Service, store: Redis) -> Iterator[Caller]:
    """Calls its rpcs; prints the slowest answer at the end."""
    with grpc.insecure_channel(service.address) as channel:
        calls = Caller(channel, store)
        yield calls
        seconds, rpc = calls.slowest
        print(f"\n{calls.answered} calls answered, {calls.refused} refused, slowest {rpc}: {seconds:.2f} s")
