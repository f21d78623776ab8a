"""These tests need the engines whose workers they use: `make engines` runs them in an environment of its own."""

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.support.audited import check_all_sound
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

# Ray leaves no token in the home folder, and tells nobody that it is used.
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
collect_ignore_glob = [] if find_spec("distributed") else ["test_*.py"]


@pytest.fixture(scope="session")
def target() -> Iterator[str]:
    """The address of a service for all of them; what it has stored is sound at the end."""
    with redis_on_socket() as url, services(url) as (service,):
        yield service.address
        check_all_sound(url)
