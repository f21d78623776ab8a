"""The router: commands reach the right node whatever happens to the nodes, and none is executed twice."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from rungway_server.domain.errors import StoreUnavailable
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.connection.preflight import inspect
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.keys import experiment_keys, index_key
from tests.support import redis_topologies
from tests.support.redis_node import Access
from tests.support.redis_topology import Cluster, Topology, UnderSentinel, wait_for
from tests.support.searches import ask_for, create_planned, plan

REF = ExperimentRef("default", "router")
META = experiment_keys(REF)[0]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with redis_topologies.start("cluster") as topology:
        assert isinstance(topology, Cluster)
        yield topology


@pytest.fixture(scope="module")
def standalone() -> Iterator[Topology]:
    with redis_topologies.start("standalone") as topology:
        yield topology


@pytest.fixture
async def to_cluster(cluster: Cluster) -> AsyncIterator[Router]:
    async with connect(cluster.url, timeout_seconds=10) as router:
        yield router


@pytest.fixture
async def to_one(standalone: Topology) -> AsyncIterator[Router]:
    async with connect(standalone.url, timeout_seconds=10) as router:
        yield router


async def until(call: Callable[[], Any]) -> Any:
    """The result of the call, once Redis accepts it."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except StoreUnavailable:
                await asyncio.sleep(0.05)


async def count(router: Router, key: str, times: int = 1) -> list[int]:
    return list(await asyncio.gather(*(router.call(key, ("INCR", key)) for _ in range(times))))


# One Redis.


async def test_a_primary_that_becomes_a_replica_is_left(standalone: Topology, to_one: Router) -> None:
    node, key = standalone.nodes[0], "rungway:{left}"
    assert await count(to_one, key) == [1]
    number = await to_one.call(key, ("CLIENT", "ID"))
    node.command("REPLICAOF", "127.0.0.1", 1)
    with pytest.raises(StoreUnavailable):
        await count(to_one, key)
    node.command("REPLICAOF", "NO", "ONE")
    assert await count(to_one, key) == [2]
    assert await to_one.call(key, ("CLIENT", "ID")) != number


async def test_a_script_that_redis_forgot_is_loaded_again(standalone: Topology, to_one: Router) -> None:
    store = RedisStore(to_one)
    await create_planned(store, REF, plan((1,)))
    standalone.nodes[0].command("SCRIPT", "FLUSH")
    assert len(await ask_for(store, REF)) == 1


async def test_an_unreachable_redis_is_reported_at_once_and_used_again(standalone: Topology, to_one: Router) -> None:
    key = "rungway:{away}"
    await count(to_one, key)
    standalone.nodes[0].kill()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(to_one.call(key, ("INCR", key)) for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    with pytest.raises(ConnectionError, match=r"refused|closed|connect"):
        await to_one.check()
    standalone.nodes[0].start()
    await to_one.check()
    assert sorted(await count(to_one, key, 50)) == list(range(1, 51))  # nothing was stored, and nothing was sent later


async def test_a_redis_that_does_not_speak_tls_is_waited_for_once(standalone: Topology) -> None:
    """It says nothing to a handshake, and would say nothing to the next one."""
    began = time.monotonic()
    async with connect(standalone.url.replace("redis://", "rediss://"), timeout_seconds=1) as router:
        with pytest.raises(StoreUnavailable) as caught:
            await router.call("rungway:{silent}", ("PING",))
    assert "does it speak TLS?" in str(caught.value.__cause__)
    assert time.monotonic() - began < 3


# A Cluster.


async def test_commands_reach_the_shard_of_their_key(to_cluster: Router) -> None:
    keys = [f"rungway:{{shard {number}}}" for number in range(60)]
    assert {to_cluster.topology.primary(key) for key in keys} == {""}
    assert await asyncio.gather(*(to_cluster.call(key, ("INCR", key)) for key in keys)) == [1] * 60
    assert len({to_cluster.topology.primary(key) for key in keys}) == 3


async def test_moved_slots_are_followed(cluster: Cluster, to_cluster: Router) -> None:
    key = "rungway:{moved}"
    assert await count(to_cluster, key) == [1]
    new = await asyncio.to_thread(cluster.failover, key)
    assert sorted(await count(to_cluster, key, 200)) == list(range(2, 202))
    assert to_cluster.topology.primary(key) == new.address


async def test_a_migrating_slot_is_served_where_the_key_is(cluster: Cluster, to_cluster: Router) -> None:
    """ASK for a key that has moved or does not exist yet, script included; TRYAGAIN if only some keys have moved."""
    await to_cluster.check()
    slot = key_slot(META.encode())
    source = cluster.primary(META)
    target = next(node for node in cluster.nodes if node.role() == "master" and node is not source)
    source_id, target_id = (str(node.command("CLUSTER", "MYID")) for node in (source, target))
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    assert await count(to_cluster, META) == [1]
    assert target.command("CLUSTER", "COUNTKEYSINSLOT", slot) == 1
    await to_cluster.call(META, ("UNLINK", META))

    store = RedisStore(to_cluster)
    with pytest.raises(StoreUnavailable):  # a script needs all of its keys on one node
        await create_planned(store, REF, plan((1,)))
    for node in (target, source):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    await until(lambda: create_planned(store, REF, plan((1,))))
    assert target.command("CLUSTER", "COUNTKEYSINSLOT", slot) > 0
    assert [name for name, _ in await store.experiments("default", "", 10)] == [REF.experiment]
    assert len(await ask_for(store, REF)) == 1
    await store.delete(REF)
    assert target.command("CLUSTER", "COUNTKEYSINSLOT", slot) == 0


async def test_every_node_is_inspected(cluster: Cluster, to_cluster: Router) -> None:
    await asyncio.to_thread(wait_for, cluster.in_agreement)  # the others ignore a node that has just changed its role
    facts = await inspect(to_cluster)
    assert {each.node for each in facts.nodes} == {node.address for node in cluster.nodes}
    replica = cluster.replicas(META)[0]
    replica.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert [each.node for each in (await inspect(to_cluster)).evicting] == [replica.address]
    replica.command("CONFIG", "SET", "maxmemory-policy", "noeviction")


# Deletion takes two steps on two shards.


async def test_a_deletion_cut_short_is_finished_by_the_next_read(standalone: Topology, to_one: Router) -> None:
    store, index = RedisStore(to_one), index_key("mend")
    for name, look in (("listed", "progress"), ("deleted", "delete")):
        ref = ExperimentRef("mend", name)
        await create_planned(store, ref, plan((1,)))
        other = RedisStore(to_one)
        await other.progress(ref)
        await to_one.call(META, ("UNLINK", *(await other._experiments.find(ref)).keys))
        assert await to_one.call(index, ("ZCARD", index)) == 1
        with pytest.raises(Exception, match="there is no experiment"):
            await getattr(other, look)(ref)
        assert await to_one.call(index, ("ZCARD", index)) == 0


async def test_a_late_deletion_leaves_a_new_experiment_on_the_list(to_one: Router) -> None:
    store, ref, index = RedisStore(to_one), ExperimentRef("late", "again"), index_key("late")
    old = await create_planned(store, ref, plan((1,)))
    await store.delete(ref)
    await asyncio.sleep(0.002)
    new = await create_planned(store, ref, plan((1,)))
    assert new.created_ms > old.created_ms
    await store._experiments.unlist(ref, old.created_ms)
    assert await to_one.call(index, ("ZSCORE", index, "again")) == b"%d" % new.created_ms


# Passwords and certificates on the way to every node.


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
async def test_passwords_and_certificates(kind: str, tmp_path: Path) -> None:
    try:
        access = Access("da#ta", redis_topologies.certificates(tmp_path))
    except redis_topologies.Unsupported as why:
        pytest.skip(str(why))
    with ExitStack() as processes:
        topology: UnderSentinel | Cluster
        if kind == "sentinel":
            topology = redis_topologies.under_sentinel(tmp_path, {}, processes, access, "senti/nel")
        else:
            topology = redis_topologies.cluster(tmp_path, {}, processes, access)
        async with AsyncExitStack() as stack:
            router = await stack.enter_async_context(connect(topology.url, timeout_seconds=10))
            store = RedisStore(router)
            await router.check()
            await create_planned(store, REF, plan((1,)))
            assert len(await ask_for(store, REF)) == 1
            assert (await inspect(router)).silent == {}
        untrusted = topology.url.replace(f"ssl_ca_certs={access.tls.ca}&", "") if access.tls else ""
        async with connect(untrusted, timeout_seconds=5) as router:
            with pytest.raises(ConnectionError, match=r"(?i)certificate|Sentinel|master|slots"):
                await router.check()


# Under Sentinel.


async def test_a_failover_by_order_is_noticed_though_the_old_primary_lives() -> None:
    """Sentinels demote the old primary last. Until then it accepts writes, which are lost."""
    with redis_topologies.start("sentinel") as topology:
        async with connect(topology.url, timeout_seconds=10) as router:
            await router.check()
            old = router.topology.primary("")
            new = await asyncio.to_thread(topology.failover)
            async with asyncio.timeout(20):  # until the sentinel that is asked knows of it
                while router.topology.primary("") == old:
                    await router.check()
            assert (router.topology.primary(""), old) == (new.address, topology.nodes[0].address)
            assert await count(router, "rungway:{a}") == [1]
            assert new.command("GET", "rungway:{a}") == "1"


async def test_calls_while_it_closes_fail_and_open_nothing(standalone: Topology) -> None:
    router = connect(standalone.url, timeout_seconds=10)
    await router.call(META, ("PING",))
    closing = asyncio.ensure_future(router.aclose())
    await asyncio.sleep(0)
    late = await asyncio.gather(*(router.call(META, ("PING",)) for _ in range(3)), return_exceptions=True)
    await closing
    assert [type(error) for error in late] == [StoreUnavailable] * 3
