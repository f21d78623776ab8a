"""Which node of a Redis takes the commands of a key, and how to connect to it: alone, under Sentinel, as a Cluster.

redis-py finds the nodes and opens connections (address, TLS, credentials, database); it never sends a command of ours,
and never twice: a script whose reply was lost may have run.
"""

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from rungway_server.store.redis.connection.address import RedisAddress
from rungway_server.store.redis.connection.errors import broken_connections

_REPLICA = "replica "
"""Before the address in the name of a node that takes no writes."""


class Topology(Protocol):
    """The nodes of one Redis. A node's name is `host:port`, or a word for the only one. Errors are redis-py's."""

    def primary(self, key: str) -> str:
        """The node that takes writes of a key, as far as is known; "" when nothing is."""

    async def connect(self, node: str) -> AbstractConnection:
        """A new connection to a node."""

    async def refresh(self) -> None:
        """Find out anew who takes writes."""

    async def follow(self) -> None:
        """Find out what the old primary would not tell: called each second."""

    async def nodes(self) -> list[str]:
        """Every node, replicas too."""

    async def aclose(self) -> None:
        """Close what it keeps open itself."""


def topology_of(address: RedisAddress, timeout_seconds: float) -> Topology:
    """The topology of an address; nothing is sent yet. Each wait ends after `timeout_seconds`."""
    kinds = {"single": Single, "sentinel": UnderSentinel, "cluster": Sharded}
    kind: Any = kinds[address.kind]
    found: Topology = kind(address, _waits(timeout_seconds))
    return found


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
            host, port = _split(topology.primary(key))
        finally:
            await topology.aclose()
    return Redis(host=host, port=port, **arguments)


def _waits(timeout_seconds: float) -> dict[str, Any]:
    """What every connection is told besides where to go: limits, and no retries."""
    return {
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "protocol": 2,  # what a lane reads
    }


class Single:
    """One Redis, or a name that always leads to the primary."""

    def __init__(self, address: RedisAddress, waits: dict[str, Any]) -> None:
        arguments = {**address.arguments, **waits}
        kind: type[AbstractConnection] = SSLConnection if arguments.pop("ssl", False) else Connection
        if address.path:
            kind, arguments["path"] = UnixDomainSocketConnection, address.path
        else:
            arguments["host"], arguments["port"] = address.hosts[0]
        self._pool = ConnectionPool(kind, **arguments)

    def primary(self, key: str) -> str:
        """See Topology."""
        return "redis"

    async def connect(self, node: str) -> AbstractConnection:
        """See Topology."""
        return await _connected(self._pool.make_connection())  # type: ignore[no-untyped-call]

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
    """A primary that sentinels watch. They are asked before each connection, and by `follow`: in a failover that an
    operator orders, the old primary goes on taking writes for some seconds, which are lost."""

    def __init__(self, address: RedisAddress, waits: dict[str, Any]) -> None:
        self._service = address.service
        self._arguments = {**address.arguments, **waits}
        self._sentinel = Sentinel(list(address.hosts), sentinel_kwargs={**address.sentinel_arguments, **waits})  # type: ignore[no-untyped-call]
        self._primary = ""

    def primary(self, key: str) -> str:
        """See Topology."""
        return self._primary

    async def connect(self, node: str) -> AbstractConnection:
        """See Topology."""
        if not node.startswith(_REPLICA):
            await self.refresh()
            if node not in ("", self._primary):
                raise ConnectionError(f"{node} is no longer the primary, {self._primary} is")
        return await _connected(_to((node or self._primary).removeprefix(_REPLICA), self._arguments))

    async def refresh(self) -> None:
        """See Topology."""
        with broken_connections():
            host, port = await self._sentinel.discover_master(self._service)
        self._primary = f"{host}:{port}"

    async def follow(self) -> None:
        """See Topology."""
        await self.refresh()

    async def nodes(self) -> list[str]:
        """See Topology."""
        await self.refresh()
        with broken_connections():
            replicas: Any = await self._sentinel.discover_slaves(self._service)
        return [self._primary, *(f"{_REPLICA}{host}:{port}" for host, port in replicas)]

    async def aclose(self) -> None:
        """See Topology."""
        await self._sentinel.aclose()


class Sharded:
    """A Cluster: sixteen thousand slots, shared among the primaries. All keys of an experiment are in one of them."""

    def __init__(self, address: RedisAddress, waits: dict[str, Any]) -> None:
        self._seeds = address.hosts
        self._waits = waits
        self._arguments = {**address.arguments, **waits}
        self._cluster = self._new()

    def primary(self, key: str) -> str:
        """See Topology."""
        holders = self._cluster.nodes_manager.slots_cache.get(key_slot(key.encode()))
        return str(holders[0].name) if holders else ""

    async def connect(self, node: str) -> AbstractConnection:
        """See Topology."""
        if not node:
            raise ConnectionError("no node of the Redis Cluster tells who has which slots")
        return await _connected(_to(node, self._arguments))

    async def refresh(self) -> None:
        """See Topology. When none of the nodes known is there any more, the seeds are asked again."""
        try:
            await self._find()
        except Exception:
            await self._close(self._cluster)
            self._cluster = self._new()
            try:
                await self._find()
            except Exception as error:  # redis-py has many kinds, not all of them its RedisError
                raise ConnectionError(f"no node of the Redis Cluster tells who has which slots: {error}") from error

    async def follow(self) -> None:
        """See Topology: a node that has handed its slots on says so."""

    async def nodes(self) -> list[str]:
        """See Topology."""
        await self.refresh()
        return list(self._cluster.nodes_manager.nodes_cache)

    async def aclose(self) -> None:
        """See Topology."""
        await self._close(self._cluster)

    def _new(self) -> RedisCluster:
        nodes = [ClusterNode(host, port) for host, port in self._seeds]
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **self._arguments)

    async def _find(self) -> None:
        async with asyncio.timeout(self._waits["socket_timeout"]):
            await self._cluster.nodes_manager.initialize()

    @staticmethod
    async def _close(cluster: RedisCluster) -> None:
        for kept in ("nodes_cache", "startup_nodes"):
            with suppress(Exception):  # they may be broken already
                await cluster.nodes_manager.aclose(kept)


def _to(node: str, arguments: dict[str, Any]) -> AbstractConnection:
    host, port = _split(node)
    rest = {name: value for name, value in arguments.items() if name != "ssl"}
    kind = SSLConnection if arguments.get("ssl") else Connection
    return kind(host=host, port=port, **rest)


def _split(node: str) -> tuple[str, int]:
    host, _, port = node.rpartition(":")
    return host.strip("[]"), int(port)


async def _connected(connection: AbstractConnection) -> AbstractConnection:
    with broken_connections():
        await connection.connect()  # type: ignore[no-untyped-call]
    return connection
