"""The Redis below the tests of contract and store: `--redis` names another kind, `make topologies` tries all."""

from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.support import redis_topologies
from tests.support.redis_server import redis_on_socket
from tests.support.redis_topology import Topology

# How long an example takes says nothing on a busy machine.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """`-n auto` is two processes more than there are cores: half of the time tests wait for processes they started."""
    return (yield) + 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--redis",
        choices=redis_topologies.NAMES,
        default="standalone",
        help="the Redis below the tests of contract and store",
    )


@pytest.fixture(scope="session")
def topology(request: pytest.FixtureRequest) -> Iterator[Topology | None]:
    """The Redis that was asked for; None = a standalone one on a unix socket."""
    name = request.config.getoption("--redis")
    if name == "standalone":
        yield None
        return
    try:
        redis_topologies.require(name)
    except redis_topologies.Unsupported as why:
        pytest.skip(str(why))
    with redis_topologies.start(name) as topology:
        yield topology


@pytest.fixture(scope="session")
def chosen_redis_url(topology: Topology | None) -> Iterator[str]:
    """Its URL."""
    if topology:
        yield topology.url
        return
    with redis_on_socket() as url:
        yield url
