"""What a scenario plays on: a Redis, replicas of the service, and a network between all of them and the workers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.redis_node import RedisNode
from tests.support.network import Link, link_to
from tests.support.redis_server import free_port
from tests.support.service import Service

SERVE = ("--redis-timeout", "1", "--drain-notice", "0.2")


class Replica:
    """One `rungway serve` that keeps its port over its lives."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._folder = folder
        self._redis_url = redis_url
        self._lives = 0
        self._service: Service | None = None
        self.port = free_port()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start it."""
        own = self._folder / str(self._lives)
        own.mkdir(parents=True)
        self._lives += 1
        flags = ("--listen", f"127.0.0.1:{self.port}", "--redis", self._redis_url, *SERVE)
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


@dataclass
class Stage:
    """All of it, running. Every way is a `Link`, which can be a bad network."""

    redis: RedisNode
    redis_link: Link
    redis_url: str
    """Past the bad network."""
    replicas: list[Replica]
    links: list[Link] = field(default_factory=list)
    """From the workers to each replica."""

    def target(self, first: int = 0) -> str:
        """How a client reaches the service, beginning with one of the replicas."""
        ports = [link.port for link in self.links]
        turned = ports[first % len(ports) :] + ports[: first % len(ports)]
        return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in turned)

    @property
    def direct(self) -> str:
        """The way of the one who looks on, past the bad network."""
        return "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in self.replicas)


@contextmanager
def staged(folder: Path, *, fsync: str, replicas: int) -> Iterator[Stage]:
    """A Redis with an append-only file and so many replicas; all processes are killed at the end."""
    with ExitStack() as stack:
        (folder / "redis").mkdir()
        redis = RedisNode(folder / "redis", fsync)
        stack.callback(redis.kill)
        redis.start()
        redis_link = stack.enter_context(link_to(redis.port))
        url = f"redis://127.0.0.1:{redis_link.port}/0"
        running = [Replica(folder / f"service {number}", url) for number in range(replicas)]
        for replica in running:
            stack.callback(replica.kill)
            replica.begin()
        for replica in running:
            replica.wait()
        links = [stack.enter_context(link_to(replica.port)) for replica in running]
        yield Stage(redis, redis_link, f"redis://127.0.0.1:{redis.port}/0", running, links)
