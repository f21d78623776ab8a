"""The Redis that contract and store tests run on: `--redis` names another topology, `make topologies` runs all."""

import gc
import os
import signal
import sys
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.support import redis_topologies
from tests.support.cpu import CpuOfFiles
from tests.support.redis_topology import Topology, redis_of

# The time of an example means nothing on a busy machine.
settings.register_profile("short", deadline=None, max_examples=40)
settings.register_profile("long", deadline=None, max_examples=100)
settings.load_profile("short")

# Tests start hundreds of processes: where nothing is kept of what Python compiles, each compiles every module anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts a command with "&" deaf to Ctrl-C, and all that it starts would be, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """`-n auto`: two processes more than cores, because tests often wait for processes that they started."""
    return (yield) + 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--redis",
        choices=redis_topologies.NAMES,
        default="standalone",
        help="the Redis below the tests of contract and store",
    )
    parser.addoption("--image", help="the container image for tests/image: `make image-test` builds it")
    parser.addoption("--helm", action="store_true", help="also tests/deploy/test_chart.py: `make deploy-test`")
    parser.addoption("--slurm", action="store_true", help="also tests/slurm: `make slurm`")
    parser.addoption("--long", action="store_true", help="also what is marked long: `make test-long`")
    parser.addoption("--cpu", action="store_true", help="the processor time of each test file, as a table at the end")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `--long`, what is marked long is left out."""
    if not config.getoption("long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("long"):
        settings.load_profile("long")
    if config.getoption("cpu"):
        config.pluginmanager.register(CpuOfFiles())


def pytest_collection_finish() -> None:
    """Ten thousand tests are a million objects, which the garbage collector would look at again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def topology(request: pytest.FixtureRequest) -> Iterator[Topology | None]:
    """The topology that `--redis` names; None = a standalone Redis on a unix socket."""
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
    """The URL of that Redis."""
    with redis_of(topology) as url:
        yield url
