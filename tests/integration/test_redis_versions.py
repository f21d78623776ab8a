"""Redis is replaced by another version at the same address: the service continues without a restart."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from redis import Redis

from rungway.v1 import experiment_service_pb2 as pb
from tests.integration.test_redis_full import changes, halving, refused, refused_whole
from tests.support import redis_server
from tests.support.calls import SECONDS, Calls, calls_to, unique_name
from tests.support.redis_server import free_port, redis_on_port, redis_on_socket, servers_at_hand
from tests.support.service import services

BINARIES = servers_at_hand()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that sets the binary of the servers started from then on."""
    return lambda path: monkeypatch.setattr(redis_server, "find_redis_server", lambda: path)


@pytest.mark.parametrize("path", BINARIES.values(), ids=BINARIES)
def test_what_needs_memory_is_refused_whole_on_every_version(path: str, use: Callable[[str], None]) -> None:
    use(path)
    with (
        redis_on_socket("--maxmemory-policy", "noeviction") as url,
        Redis.from_url(url) as redis,
        services(url) as (service,),
        calls_to(service.address) as calls,
    ):
        experiment = unique_name("full")
        calls.create(experiment, halving())
        refused_whole(redis, changes(calls, experiment))
        calls.experiments.DeleteExperiment(pb.DeleteExperimentRequest(experiment=experiment), timeout=SECONDS)


@pytest.mark.skipif(len(BINARIES) < 2, reason=f"one version of Redis or Valkey only: {list(BINARIES)}")
def test_another_version_behind_the_address(use: Callable[[str], None]) -> None:
    """Each version in turn, up and down again; each starts empty, like one that lost its data."""
    port, paths = free_port(), [*BINARIES.values(), *reversed(BINARIES.values())]
    with ExitStack() as stack:
        calls: Calls | None = None
        for path in paths:
            use(path)
            with redis_on_port("--maxmemory-policy", "noeviction", port=port) as url, Redis.from_url(url) as redis:
                if calls is None:
                    (service,) = stack.enter_context(services(url))
                    calls = stack.enter_context(calls_to(service.address))
                experiment = unique_name("moved")
                calls.create(experiment, halving())
                every = changes(calls, experiment)
                redis.config_set("maxmemory", 1)
                for change in every:
                    refused(change)
                request = pb.DeleteExperimentRequest(experiment=experiment)
                calls.experiments.DeleteExperiment(request, timeout=SECONDS)
