"""Finds the node of a Redis that takes the commands of a key, and connects to it: alone, under Sentinel, as a Cluster.

redis-py asks sentinels and clusters for their nodes. It never sends a command of ours, because a script whose reply was
lost may have run.
"""

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from rungway_server.store.redis.connection.address import RedisAddress
from rungway_server.store.redis.connection.errors import broken_connections
from rungway_server.store.redis.connection.opening import CONNECTING_SECONDS, open_connection, split_node
from rungway_server.store.redis.connection.pipelined import PipelinedConnection

_REPLICA = "replica "
"""Before the address in the name of a node that takes no writes."""


class Topology(Protocol):
    """The nodes of one Redis. A node's name is `host:port`, or a word for the only one.

    Methods raise OSError and redis-py's errors.
    """

    def primary(self, key: str) -> str:
        """The last known node that takes writes of a key; "" if none is known."""

    async def connect(self, node: str) -> PipelinedConnection:
        """A new connection to a node, logged in."""

    async def refresh(self) -> None:
        """Look again for the nodes that take writes."""

    async def follow(self) -> None:
        """Notice a change that the old primary does not report: called each second."""

    async def nodes(self) -> list[str]:
        """Every node, replicas too."""

    async def aclose(self) -> None:
        """Close connections to sentinels and for finding nodes."""


def topology_of(address: RedisAddress, timeout_seconds: float) -> Topology:
    """The topology of an address; nothing is sent yet. Each wait ends after `timeout_seconds`."""
    match address.kind:
        case "single":
            return Single(address, timeout_seconds)
        case "sentinel":
            return UnderSentinel(address, timeout_seconds)
        case "cluster":
            return Sharded(address, timeout_seconds)


async def open_client(address: RedisAddress, timeout_seconds: float, key: str) -> Redis:
    """A client of redis-py for the node that takes writes of the key now; answers are bytes."""
    arguments = {**address.arguments, **_waits(timeout_seconds), "decode_responses": False}
    if address.path:
        return Redis(unix_socket_path=address.path, **arguments)
    host, port = address.hosts[0]
    if address.kind != "single":
        topology = topology_of(address, timeout_seconds)
        try:
            await topology.refresh()
            host, port = split_node(topology.primary(key))
        finally:
            await topology.aclose()
    return Redis(host=host, port=port, **arguments)


def _waits(timeout_seconds: float) -> dict[str, Any]:
    """What every client of redis-py is told besides where to go: limits, and no retries."""
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": min(timeout_seconds, CONNECTING_SECONDS),
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "protocol": 2,
    }


class Single:
    """One Redis, or a name that always leads to the primary."""

    def __init__(self, address: RedisAddress, timeout_seconds: float) -> None:
        self._address = address.path or _name(*address.hosts[0])
        self._arguments, self._timeout = address.arguments, timeout_seconds

    def primary(self, key: str) -> str:
        """See Topology."""
        return "redis"

    async def connect(self, node: str) -> PipelinedConnection:
        """See Topology."""
        return await open_connection(self._address, self._arguments, self._timeout)

    async def refresh(self) -> None:
        """See Topology."""

    async def follow(self) -> None:
        """See Topology."""

    async def nodes(self) -> list[str]:
        """See Topology."""
        return ["redis"]

    async def aclose(self) -> None:
        """See Topology."""


class UnderSentinel:
    """A primary that sentinels watch. They are asked before each connection, and by `follow`: in a failover by order of
    an operator, the old primary still takes writes for some seconds, which are lost."""

    def __init__(self, address: RedisAddress, timeout_seconds: float) -> None:
        self._service = address.service
        self._arguments, self._timeout = address.arguments, timeout_seconds
        sentinel_arguments = {**address.sentinel_arguments, **_waits(timeout_seconds)}
        self._sentinel = Sentinel(list(address.hosts), sentinel_kwargs=sentinel_arguments)  # type: ignore[no-untyped-call]
        self._primary = ""

    def primary(self, key: str) -> str:
        """See Topology."""
        return self._primary

    async def connect(self, node: str) -> PipelinedConnection:
        """See Topology."""
        if not node.startswith(_REPLICA):
            await self.refresh()
            if node not in ("", self._primary):
                raise ConnectionError(f"{node} is no longer the primary, {self._primary} is")
        return await open_connection((node or self._primary).removeprefix(_REPLICA), self._arguments, self._timeout)

    async def refresh(self) -> None:
        """See Topology."""
        with broken_connections():
            host, port = await self._sentinel.discover_master(self._service)
        self._primary = _name(host, port)

    async def follow(self) -> None:
        """See Topology."""
        await self.refresh()

    async def nodes(self) -> list[str]:
        """See Topology."""
        await self.refresh()
        with broken_connections():
            replicas: Any = await self._sentinel.discover_slaves(self._service)
        return [self._primary, *(f"{_REPLICA}{_name(host, port)}" for host, port in replicas)]

    async def aclose(self) -> None:
        """See Topology."""
        await self._sentinel.aclose()


class Sharded:
    """A Cluster: 16,384 slots, shared among the primaries. All keys of an experiment are in one slot."""

    def __init__(self, address: RedisAddress, timeout_seconds: float) -> None:
        self._seeds = address.hosts
        self._arguments, self._timeout = address.arguments, timeout_seconds
        self._cluster = self._new()

    def primary(self, key: str) -> str:
        """See Topology."""
        holders = self._cluster.nodes_manager.slots_cache.get(key_slot(key.encode()))
        return str(holders[0].name) if holders else ""

    async def connect(self, node: str) -> PipelinedConnection:
        """See Topology."""
        if not node:
            raise ConnectionError("no node of the Redis Cluster says which node has which slots")
        return await open_connection(node, self._arguments, self._timeout)

    async def refresh(self) -> None:
        """See Topology. If none of the known nodes answers, the nodes of the URL are asked again."""
        try:
            await self._find()
        except Exception:
            await self._close(self._cluster)
            self._cluster = self._new()
            try:
                await self._find()
            except Exception as error:  # redis-py raises many kinds, not all of them RedisError
                raise ConnectionError(
                    f"no node of the Redis Cluster says which node has which slots: {error}"
                ) from error

    async def follow(self) -> None:
        """See Topology: nothing to do, because a node that has handed its slots on says so."""

    async def nodes(self) -> list[str]:
        """See Topology."""
        await self.refresh()
        return list(self._cluster.nodes_manager.nodes_cache)

    async def aclose(self) -> None:
        """See Topology."""
        await self._close(self._cluster)

    def _new(self) -> RedisCluster:
        nodes = [ClusterNode(host, port) for host, port in self._seeds]
        arguments = {**self._arguments, **_waits(self._timeout)}
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **arguments)

    async def _find(self) -> None:
        async with asyncio.timeout(self._timeout):
            await self._cluster.nodes_manager.initialize()

    @staticmethod
    async def _close(cluster: RedisCluster) -> None:
        for kept in ("nodes_cache", "startup_nodes"):
            with suppress(Exception):  # they may be broken already
                await cluster.nodes_manager.aclose(kept)


def _name(host: str, port: int) -> str:
    return f"{host}:{port}"
