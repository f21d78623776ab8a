"""The topologies that other tests use: they start, their clients reach them, and they fail over."""

from contextlib import AbstractContextManager

import pytest

from tests.support import redis_topologies
from tests.support.redis_topologies import NAMES, start
from tests.support.redis_topology import Topology, quietly, wait_for


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_and_keeps_a_value(name: str) -> None:
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
        topology.wait_for_new_primary(second, "{a}")
        second.start()
        wait_for(lambda: second.role() == "slave")
        wait_for(lambda: quietly(lambda: topology.primary("{a}").role() == "master"))


def test_a_restart_with_the_users_of_the_operators_page_keeps_what_scripts_wrote() -> None:
    """In the append-only file, a script with two writes is a transaction."""
    with start("acl", {"appendonly": "yes", "appendfsync": "always"}) as topology:
        node = topology.nodes[0]
        with node.client() as client:
            client.eval("redis.call('SET', KEYS[1], 1) redis.call('SET', KEYS[2], 2)", 2, "rungway:a", "rungway:b")
        node.kill()
        node.start()
        with node.client() as client:
            assert client.mget("rungway:a", "rungway:b") == ["1", "2"]


def _started(name: str) -> AbstractContextManager[Topology]:
    try:
        redis_topologies.require(name)
    except redis_topologies.Unsupported as why:
        pytest.skip(str(why))
    return start(name)
