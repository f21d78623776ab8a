"""The topologies that other tests stand on: up, reachable by their clients, and failing over as they say."""

from contextlib import AbstractContextManager

import pytest

from tests.support import redis_topologies
from tests.support.redis_topologies import NAMES, start
from tests.support.redis_topology import Topology, wait_for


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_up_and_keeps_a_value(name: str) -> None:
    with _started(name) as topology, topology.client() as client:
        assert client.set("rungway:{a}", "1")
        assert client.get("rungway:{a}") == b"1"
        assert len(topology.replicas("rungway:{a}")) == {"sentinel": 2, "cluster": 1}.get(name, 0)


@pytest.mark.parametrize("name", ["sentinel", "cluster"])
def test_replicas_take_over(name: str) -> None:
    with _started(name) as topology:
        first = topology.primary("{a}")
        second = topology.failover("{a}")
        assert second is not first
        assert topology.kill_primary("{a}") is second
        assert not second.alive
        third = topology.wait_for_new_primary(second, "{a}")
        second.start()
        wait_for(lambda: second.role() == "slave")
        assert third.role() == "master"


def _started(name: str) -> AbstractContextManager[Topology]:
    try:
        redis_topologies.require(name)
    except redis_topologies.Unsupported as why:
        pytest.skip(str(why))
    return start(name)
