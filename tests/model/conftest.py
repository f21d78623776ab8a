"""One redis-server and one store for all tests of this folder."""

from typing import TYPE_CHECKING

import pytest

from tests.support.redis_server import redis_on_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.model.driver import Workbench

pytest.register_assert_rewrite(*(f"tests.model.examples_{part}" for part in ("calls", "leases", "rungs", "users")))


@pytest.fixture(scope="session")
def workbench() -> "Iterator[Workbench]":
    """A store on a real redis-server."""
    from tests.model.driver import open_workbench  # after the registration above

    with redis_on_socket() as url, open_workbench(url) as workbench:
        yield workbench
