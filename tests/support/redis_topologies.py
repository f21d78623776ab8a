"""Redis as operators run it: standalone, under Sentinel, as a Cluster, behind TLS, with a least-privilege user.

The nodes are real redis-server processes on free loopback ports. They start in a second or two, and can be killed,
restarted and failed over. `start(name)` gives a `Topology`; it raises `Unsupported` for what the binary cannot do.
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trustme

from tests.support.redis_node import OPEN, Access, Certificates, Node
from tests.support.redis_server import find_redis_server
from tests.support.redis_topology import SERVICE_NAME, Cluster, Topology, UnderSentinel, quietly, wait_for

NAMES = ("standalone", "sentinel", "cluster", "tls", "acl")
SLOTS = 16384
OPERATORS_PAGE = Path(__file__).parents[2] / "docs" / "redis.md"


class Unsupported(Exception):
    """This redis-server binary cannot run the topology; the text says why."""


@contextmanager
def start(name: str, options: Mapping[str, str] | None = None) -> Iterator[Topology]:
    """A topology by its name; `options` are added to the redis.conf of each node that holds data."""
    makers: dict[str, Callable[[Path, Mapping[str, str], ExitStack], Topology]] = {
        "standalone": lambda folder, more, stack: _single(folder, more, stack, name),
        "tls": lambda folder, more, stack: _single(folder, more, stack, name, Access(tls=certificates(folder))),
        "acl": _with_user,
        "sentinel": under_sentinel,
        "cluster": cluster,
    }
    with tempfile.TemporaryDirectory(prefix="rw-") as folder, ExitStack() as stack:
        yield makers[name](Path(folder), options or {}, stack)


def require(name: str) -> None:
    """Raises Unsupported when the redis-server found cannot run the topology."""
    if name == "tls":
        try:
            find_redis_server(tls=True)
        except FileNotFoundError as error:
            raise Unsupported(str(error)) from None


def certificates(folder: Path) -> Certificates:
    """A CA and certificates for 127.0.0.1 and localhost, made now. Raises Unsupported."""
    require("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("node", "client"):
        certificate = authority.issue_cert("127.0.0.1", "localhost", common_name=name)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    return Certificates(
        *(str(folder / file) for file in ("ca.pem", "node.pem", "node.key", "client.pem", "client.key"))
    )


def under_sentinel(
    folder: Path,
    options: Mapping[str, str],
    stack: ExitStack,
    access: Access = OPEN,
    sentinel_password: str = "",
) -> UnderSentinel:
    """A primary, replicas and sentinels that agree on their roles."""
    primary = Node(folder, options, access=access)
    follow = {**options, "replicaof": f"127.0.0.1 {primary.port}"}
    nodes = [primary, *(Node(folder, follow, access=access) for _ in range(2))]
    _run(nodes, stack)
    wait_for(lambda: len(primary.command("ROLE")[2]) == 2)
    watch = {
        f"sentinel monitor {SERVICE_NAME}": f"127.0.0.1 {primary.port} 2",
        f"sentinel down-after-milliseconds {SERVICE_NAME}": "1000",
        f"sentinel failover-timeout {SERVICE_NAME}": "6000",
    }
    if access.password:
        watch[f"sentinel auth-pass {SERVICE_NAME}"] = access.password
    own = Access(sentinel_password, access.tls)
    sentinels = [Node(folder, watch, access=own, sentinel=True) for _ in range(3)]
    _run(sentinels, stack)
    found = UnderSentinel(nodes, sentinels, _query(access))
    # Sentinels greet each other every 2 s. Redis 7 can do it faster until they have met. Not for longer: in a
    # failover they would demote the new primary.
    _set_greeting(sentinels, 100)
    wait_for(found.in_agreement)
    _set_greeting(sentinels, 2000)
    return found


def cluster(folder: Path, options: Mapping[str, str], stack: ExitStack, access: Access = OPEN) -> Cluster:
    """Three shards with a replica each, which agree on their roles."""
    own = {"cluster-enabled": "yes", "cluster-node-timeout": "1500", "cluster-config-file": "nodes.conf"}
    if access.tls:
        own["tls-cluster"] = "yes"
    nodes = [Node(folder, {**own, **options}, access=access) for _ in range(6)]
    _run(nodes, stack)
    primaries, replicas = nodes[:3], nodes[3:]
    share = -(-SLOTS // 3)
    for number, node in enumerate(primaries):
        node.command("CLUSTER", "ADDSLOTS", *range(number * share, min((number + 1) * share, SLOTS)))
    for number, node in enumerate(nodes):
        node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for other in nodes[:number]:
            node.command("CLUSTER", "MEET", "127.0.0.1", other.port)
    for replica, primary in zip(replicas, primaries, strict=True):
        identity = str(primary.command("CLUSTER", "MYID"))
        wait_for(partial(quietly, partial(replica.command, "CLUSTER", "REPLICATE", identity)))
    found = Cluster(nodes, _query(access))
    wait_for(found.in_agreement)
    return found


def operators_user() -> str:
    """The ACL rules of the operators' page, read from it."""
    found = re.search(r"^    user rungway on (.*?)\n\n", OPERATORS_PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, "docs/redis.md has no user"
    return " ".join(found[1].replace("\\\n", " ").split())


def _single(folder: Path, options: Mapping[str, str], stack: ExitStack, name: str, access: Access = OPEN) -> Topology:
    node = Node(folder, options, access=access)
    _run([node], stack)
    topology = Topology([node])
    scheme = "rediss" if access.tls else "redis"
    topology.name, topology.url = name, f"{scheme}://{node.address}{_query(access).replace('&', '?', 1)}"
    return topology


def _with_user(folder: Path, options: Mapping[str, str], stack: ExitStack) -> Topology:
    """A Redis with the user of the operators' page for the service, and no default user. Tests use one that has every
    right."""
    users = folder / "users.acl"
    rules = operators_user().replace(">SECRET", ">s3cret")
    nobody = re.search(r"^    (user default .*)$", OPERATORS_PAGE.read_text(), re.MULTILINE)
    assert nobody, "docs/redis.md has no default user"
    users.write_text(f"{nobody[1]}\nuser rungway on {rules}\nuser admin on >admin ~* &* +@all\n")
    node = Node(folder, {**options, "aclfile": str(users)}, access=_AdminAccess())
    _run([node], stack)
    topology = _WithUser([node])
    topology.name, topology.url = "acl", f"redis://rungway:s3cret@{node.address}"
    return topology


class _WithUser(Topology):
    @property
    def admin_url(self) -> str:
        return f"redis://admin:admin@{self.nodes[0].address}"


class _AdminAccess(Access):
    @property
    def options(self) -> dict[str, str]:
        return {}

    @property
    def arguments(self) -> dict[str, Any]:
        return {"username": "admin", "password": "admin"}


def _query(access: Access) -> str:
    """What a URL needs for TLS, each with a leading &."""
    if not access.tls:
        return ""
    tls = access.tls
    return f"&ssl_ca_certs={tls.ca}&ssl_certfile={tls.client}&ssl_keyfile={tls.client_key}"


def _run(nodes: list[Node], stack: ExitStack) -> None:
    for node in nodes:
        stack.callback(node.kill)
        node.launch()
    for node in nodes:
        node.wait_ready()


def _set_greeting(sentinels: list[Node], milliseconds: int) -> None:
    for node in sentinels:
        quietly(partial(node.command, "SENTINEL", "DEBUG", "INFO-PERIOD", 1000, "PUBLISH-PERIOD", milliseconds))
