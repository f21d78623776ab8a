"""What tests can do to a Redis of several nodes: find the primary, kill it, promote a replica."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import quote

import redis
import redis.asyncio

from tests.support.redis_node import Node
from tests.support.redis_server import redis_on_socket
from tests.support.waiting import SECONDS

SERVICE_NAME = "mymaster"
T = TypeVar("T")


class Topology:
    """Nodes that belong together. `url` is what `rungway serve --redis` is given."""

    name: str
    url: str

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        """The nodes that hold data: primaries and replicas."""

    @property
    def admin_url(self) -> str:
        """A URL with every right."""
        return self.url

    def client(self) -> Any:
        """A redis-py client of the whole, with every right; close it. Keys and values are bytes."""
        return redis.Redis(host="127.0.0.1", port=self.primary().port, **self.nodes[0].access.arguments)

    def async_client(self) -> Any:
        """The same for asyncio, with replies as text."""
        arguments = {**self.nodes[0].access.arguments, "decode_responses": True}
        return redis.asyncio.Redis(host="127.0.0.1", port=self.primary().port, **arguments)

    def primary(self, key: str = "") -> Node:
        """The live node that accepts writes of the key."""
        return self.nodes[0]

    def replicas(self, key: str = "") -> list[Node]:
        """The other live nodes that hold the key."""
        return []

    def failover(self, key: str = "") -> Node:
        """Promote a replica in an orderly failover; returns the new primary once it accepts writes."""
        raise NotImplementedError(f"{self.name} has no replicas")

    def in_agreement(self) -> bool:
        """Whether every node is up and all agree on their roles, so that one may be killed."""
        return all(node.alive for node in self.nodes)

    def kill_primary(self, key: str = "") -> Node:
        """SIGKILL the primary of the key, without waiting; returns it, for `start`."""
        node = self.primary(key)
        node.kill()
        return node

    def wait_for_new_primary(self, old: Node, key: str = "") -> Node:
        """Wait until another node than `old` accepts writes of the key; returns it."""
        return cast("Node", wait_for(lambda: self._primary_but(old, key)))

    def _primary_but(self, old: Node, key: str) -> Node | None:
        found = quietly(lambda: self.primary(key))
        return None if found is old else found


class UnderSentinel(Topology):
    """One primary, two replicas, three sentinels that agree by two. A dead primary is replaced in 2 to 4 seconds."""

    name = "sentinel"

    def __init__(self, nodes: list[Node], sentinels: list[Node], query: str) -> None:
        super().__init__(nodes)
        self.sentinels = sentinels
        access, sentinel_access = nodes[0].access, sentinels[0].access
        secret = f":{quote(access.password, safe='')}@" if access.password else ""
        if sentinel_access.password:
            query += f"&sentinel_password={quote(sentinel_access.password, safe='')}"
        hosts = ",".join(node.address for node in sentinels)
        scheme = "rediss" if access.tls else "redis"
        self.url = f"{scheme}+sentinel://{secret}{hosts}/{SERVICE_NAME}{query.replace('&', '?', 1)}"

    def primary(self, key: str = "") -> Node:
        """See above; as a majority of the sentinels say and the node itself agrees."""
        ports = [quietly(partial(self._told_by, node)) for node in self.sentinels]
        node = next(node for node in self.nodes if ports.count(node.port) >= 2)
        if node.role() != "master":
            raise LookupError(f"{node.address} is no primary yet")
        return node

    def replicas(self, key: str = "") -> list[Node]:
        """See above."""
        primary = self.primary()
        return [node for node in self.nodes if node is not primary and node.alive]

    def failover(self, key: str = "") -> Node:
        """See above, by SENTINEL FAILOVER."""
        old = self.primary()
        wait_for(lambda: quietly(lambda: self.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE_NAME)))
        new = self.wait_for_new_primary(old)
        wait_for(lambda: new.command("ROLE")[2])  # the third node follows it too, so it may be killed next
        return new

    def in_agreement(self) -> bool:
        """Whether every sentinel knows the others and both replicas, and all are healthy."""
        return all(_sees_everything(node) for node in self.sentinels)

    @staticmethod
    def _told_by(sentinel: Node) -> int:
        return int(sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE_NAME)[1])


class Cluster(Topology):
    """Three shards of a primary and a replica each. A dead primary is replaced in 2 to 4 seconds."""

    name = "cluster"

    def __init__(self, nodes: list[Node], query: str) -> None:
        super().__init__(nodes)
        access = nodes[0].access
        secret = f":{quote(access.password, safe='')}@" if access.password else ""
        scheme = "rediss" if access.tls else "redis"
        hosts = ",".join(node.address for node in nodes[:3])
        self.url = f"{scheme}+cluster://{secret}{hosts}{query.replace('&', '?', 1)}"

    def client(self) -> Any:
        """See above."""
        port = next(node.port for node in self.nodes if node.alive)
        return redis.RedisCluster(host="127.0.0.1", port=port, **self.nodes[0].access.arguments)

    def async_client(self) -> Any:
        """See above."""
        arguments = {**self.nodes[0].access.arguments, "decode_responses": True}
        return redis.asyncio.RedisCluster(host="127.0.0.1", port=self.primary().port, **arguments)

    def primary(self, key: str = "") -> Node:
        """See above; as the live nodes agree."""
        return self._holders(key)[0]

    def replicas(self, key: str = "") -> list[Node]:
        """See above."""
        return [node for node in self._holders(key)[1:] if node.alive]

    def failover(self, key: str = "") -> Node:
        """See above, by CLUSTER FAILOVER on a replica."""
        old = self.primary(key)
        wait_for(lambda: quietly(lambda: self.replicas(key)[0].command("CLUSTER", "FAILOVER")))
        return self.wait_for_new_primary(old, key)

    def in_agreement(self) -> bool:
        """Whether every node serves all slots and knows three replicas."""
        return all(_serves_all(node, len(self.nodes)) for node in self.nodes)

    def _holders(self, key: str) -> list[Node]:
        """Primary and replicas of the key's slot, if all live nodes agree on them."""
        living = [node for node in self.nodes if node.alive]
        slot = int(living[0].command("CLUSTER", "KEYSLOT", key))
        views = {_holders_seen_by(node, slot) for node in living}
        primaries = {view[0] for view in views}
        if len(primaries) != 1:
            raise LookupError(f"the nodes do not agree who has slot {slot}")
        by_port = {node.port: node for node in self.nodes}
        holders = [by_port[port] for port in max(views, key=len)]
        if not holders[0].alive:
            raise LookupError(f"the primary of slot {slot} is dead and not replaced yet")
        return holders


def wait_for(condition: Callable[[], T], seconds: float = SECONDS) -> T:
    """Wait until the condition returns something true; returns that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("waited too long for Redis")
        time.sleep(0.02)
    return found


def quietly(call: Callable[[], T]) -> T | None:
    """The result of the call, None if the nodes cannot tell yet."""
    try:
        return call()
    except (redis.RedisError, LookupError, StopIteration, OSError):
        return None


def _sees_everything(sentinel: Node) -> bool:
    with sentinel.client() as client:
        state: Any = client.sentinel_master(SERVICE_NAME)
        replicas: Any = client.sentinel_slaves(SERVICE_NAME)
    linked = [each for each in replicas if each["flags"] == "slave" and each["master-link-status"] == "ok"]
    return state["num-other-sentinels"] == 2 and state["flags"] == "master" and len(linked) == 2


def _serves_all(node: Node, count: int) -> bool:
    """Whether the node knows all others, every slot is served, and each shard has its replica."""
    if "cluster_state:ok" not in node.command("CLUSTER", "INFO"):
        return False
    ranges = [holders for _, _, *holders in node.command("CLUSTER", "SLOTS")]  # a slot that was moved is a range alone
    shards = {tuple(sorted(int(holder[1]) for holder in holders)) for holders in ranges}
    return len(shards) == count // 2 and all(len(holders) == 2 for holders in shards)


def _holders_seen_by(node: Node, slot: int) -> tuple[int, ...]:
    """Ports of primary and replicas of the slot."""
    for first, last, *holders in node.command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return tuple(int(holder[1]) for holder in holders)
    raise LookupError(f"nobody has slot {slot}")


@contextmanager
def redis_of(topology: Topology | None) -> Iterator[str]:
    """The URL of a topology that runs; without one, of a standalone Redis that runs until the end of the block."""
    if topology:
        yield topology.url
        return
    with redis_on_socket() as url:
        yield url
