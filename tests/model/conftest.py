"""One redis-server and one store for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.model.driver import Workbench, open_workbench
from tests.support.redis_server import redis_on_socket


@pytest.fixture(scope="session")
def workbench() -> Iterator[Workbench]:
    """A store on a real redis-server."""
    with redis_on_socket() as url, open_workbench(url) as workbench:
        yield workbench
