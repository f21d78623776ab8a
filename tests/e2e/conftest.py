"""What most tests of this folder begin with: a Redis, or a service on one."""

from collections.abc import Iterator

import pytest

from tests.support.audited import check_all_sound
from tests.support.redis_server import redis_on_socket
from tests.support.service import services


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis of one test alone; the audit finds nothing wrong in it at the end."""
    with redis_on_socket() as url:
        yield url
        check_all_sound(url)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """The address of a service for one file."""
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address
