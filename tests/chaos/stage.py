"""What a scenario plays on: a Redis, replicas of the service, and a network between all of them and the workers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.redis_node import RedisNode
from tests.support.network import Link, link_to
from tests.support.redis_server import free_port
from tests.support.redis_topologies import start
from tests.support.redis_topology import Topology
from tests.support.service import Service

SERVE = ("--redis-timeout", "1", "--drain-notice", "0.2")


class Replica:
    """One `rungway serve` that keeps its port over its lives."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._folder = folder
        self._redis_url = redis_url
        self._lives = 0
        self._service: Service | None = None
        self.port, self.http_port = free_port(), free_port()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it."""
        own = self._folder / str(self._lives)
        own.mkdir(parents=True)
        self._lives += 1
        ports = ("--listen", f"127.0.0.1:{self.port}", "--http", f"127.0.0.1:{self.http_port}")
        flags = (*ports, "--redis", self._redis_url, *SERVE)
        self._service = Service(own, flags)

    def wait(self) -> None:
        """Wait until it is ready."""
        assert self._service
        assert self._service.address

    def kill(self) -> None:
        """SIGKILL."""
        if self._service:
            self._service.kill()

    def terminate(self) -> None:
        """SIGTERM; returns when it has drained. Raises RuntimeError for an exit code other than 0."""
        assert self._service
        if code := self._service.terminate():
            raise RuntimeError(f"`rungway serve` ended with {code}:\n{self._service.log()}")

    def check_alive(self) -> None:
        """Raises RuntimeError when it ended by itself."""
        assert self._service
        if (code := self._service.process.poll()) is not None:
            raise RuntimeError(f"`rungway serve` ended by itself with {code}:\n{self._service.log()}")


@dataclass(frozen=True)
class Store:
    """A Redis, or several that belong together."""

    url: str
    """For the service: through the network that may go bad."""
    direct_url: str
    node: RedisNode | None = None
    link: Link | None = None
    topology: Topology | None = None


@dataclass
class Stage:
    """All of it, running. Every way is a `Link`, which can be a bad network."""

    store: "Store"
    replicas: list[Replica]
    grpc_links: list[Link]
    """From the workers to the gRPC port of each replica."""
    http_links: list[Link]
    """The same to its HTTP port."""
    seconds: float
    """How long the run is to last."""
    start_seconds: float
    """How long the replicas took to be ready, all at once."""
    key: str = ""
    """A key of the search under way: a Cluster has many primaries, and this one's is meant."""

    @property
    def recovers_by_itself(self) -> bool:
        """Whether a replica takes over where a primary falls."""
        return self.store.topology is not None

    @property
    def redis(self) -> RedisNode:
        """The one Redis."""
        assert self.store.node
        return self.store.node

    @property
    def redis_link(self) -> Link:
        """The network between the service and the one Redis."""
        assert self.store.link
        return self.store.link

    @property
    def topology(self) -> Topology:
        """The many Redis."""
        assert self.store.topology
        return self.store.topology

    @property
    def links(self) -> list[Link]:
        """Every way from the workers to the service."""
        return self.grpc_links + self.http_links

    @property
    def targets(self) -> list[str]:
        """How workers reach the service: in turn over gRPC, beginning with each of the replicas, and over HTTP, by one
        of them."""
        ports = [link.port for link in self.grpc_links]
        turned = [ports[first:] + ports[:first] for first in range(len(ports))]
        grpc = ["ipv4:" + ",".join(f"127.0.0.1:{port}" for port in each) for each in turned]
        http = [f"http://127.0.0.1:{link.port}" for link in self.http_links]
        return [target for pair in zip(grpc, http, strict=True) for target in pair]

    @property
    def direct(self) -> str:
        """The way of the one who looks on, past the bad network."""
        return "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in self.replicas)


@contextmanager
def staged(folder: Path, seconds: float, *, topology: str, fsync: str, replicas: int) -> Iterator[Stage]:
    """A Redis with an append-only file and so many replicas; all processes are killed at the end."""
    with ExitStack() as stack:
        store = single(folder / "redis", fsync, stack) if topology == "standalone" else several(topology, fsync, stack)
        running = [Replica(folder / f"service {number}", store.url) for number in range(replicas)]
        began = time.monotonic()
        for replica in running:
            stack.callback(replica.kill)
            replica.begin()
        for replica in running:
            replica.wait()
        took = time.monotonic() - began
        grpc = [stack.enter_context(link_to(replica.port)) for replica in running]
        http = [stack.enter_context(link_to(replica.http_port)) for replica in running]
        yield Stage(store, running, grpc, http, seconds, took)


def single(folder: Path, fsync: str, stack: ExitStack) -> Store:
    """One Redis behind a network of its own."""
    node = RedisNode(folder, fsync)
    stack.callback(node.kill)
    node.start()
    link = stack.enter_context(link_to(node.port))
    return Store(f"redis://127.0.0.1:{link.port}/0", f"redis://{node.address}/0", node, link)


def several(topology: str, fsync: str, stack: ExitStack) -> Store:
    """Primaries and replicas, reached directly: they tell each other's addresses."""
    options = {"appendonly": "yes", "appendfsync": fsync}
    running = stack.enter_context(start(topology, options))
    return Store(running.url, running.url, topology=running)
