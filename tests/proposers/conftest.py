"""These tests need the libraries that propose: `make proposers` runs them in an environment of its own."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.support.redis_server import redis_on_socket
from tests.support.service import services

collect_ignore_glob = [] if find_spec("hyperopt") else ["test_*.py"]


@pytest.fixture(scope="session")
def target() -> Iterator[str]:
    """The address of a service for all of them."""
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address
