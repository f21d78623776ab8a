"""Checks a Redis before searches are stored in it: version, eviction, and what a crash or a failover loses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hiredis import ReplyError

from rungway_server.domain.errors import StoreUnavailable
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.router import Router, read_info, version_numbers

OLDEST = (6, 2)
"""The oldest Redis whose commands the scripts can use. Every Valkey is newer."""
_ASKED = ("appendfsync", "save", "min-replicas-to-write", "maxmemory-policy", "lazyfree-lazy-expire")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Facts about a node. `settings` is None where CONFIG is not allowed, as at many cloud providers."""

    node: str
    info: Mapping[str, str]
    settings: Mapping[str, str] | None

    @property
    def eviction(self) -> str | None:
        """The maxmemory policy; None where it may not be read."""
        return self.info.get("maxmemory_policy") or (self.settings or {}).get("maxmemory-policy")

    @property
    def version(self) -> str:
        """Product and version; Valkey reports its own version beside that of the Redis it is compatible with."""
        if valkey := self.info.get("valkey_version"):
            return f"Valkey {valkey}"
        return f"Redis {self.info.get('redis_version', '')}"

    @property
    def is_primary(self) -> bool:
        """Whether it takes writes."""
        return self.info.get("role") == "master"

    @property
    def persistence(self) -> str:
        """In words, what a crash of this node loses."""
        if self.info.get("aof_enabled") == "1":
            return {
                "always": "append-only file, synced with every change: a crash loses nothing acknowledged",
                "everysec": "append-only file, synced every second: a crash may lose the last second",
                "no": "append-only file, synced when the system likes: a crash may lose many seconds",
            }.get(
                (self.settings or {}).get("appendfsync", ""), "append-only file; how often it is synced may not be read"
            )
        if self.settings is None:
            return "no append-only file; whether there are snapshots may not be read: a crash may lose every search"
        if self.settings.get("save"):
            return "snapshots only: a crash loses everything since the last one; turn appendonly on"
        return "none found: a crash loses every search; turn appendonly on"

    @property
    def replication(self) -> str:
        """In words, what a failover from this node to a replica loses; "" without replicas."""
        count = int(self.info.get("connected_slaves", "0"))
        if not count:
            return ""
        least = int((self.settings or {}).get("min-replicas-to-write", "0"))
        bound = (
            f"refuses writes with fewer than {least} of them"
            if least
            else "min-replicas-to-write 1 would bound how many"
        )
        return f"{count} replica{'s' if count > 1 else ''}: a failover may lose the last writes ({bound})"


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """Facts about all nodes; `silent` has the nodes that did not answer or refused, with their errors."""

    nodes: tuple[NodeFacts, ...]
    silent: Mapping[str, str]

    @property
    def evicting(self) -> list[NodeFacts]:
        """Nodes that may drop keys of a search when memory is short."""
        return [each for each in self.nodes if each.eviction not in (None, "noeviction")]

    @property
    def holding_up(self) -> list[NodeFacts]:
        """Nodes that block all calls while they free a search whose retention is over."""
        return [each for each in self.nodes if (each.settings or {}).get("lazyfree-lazy-expire") == "no"]

    @property
    def unknown_eviction(self) -> list[str]:
        """Nodes whose policy could not be read."""
        return [each.node for each in self.nodes if each.eviction is None] + list(self.silent)

    @property
    def version(self) -> str:
        """Product and version of the oldest node."""
        return min(
            (each.version for each in self.nodes), key=lambda version: version_numbers(version.partition(" ")[2])
        )

    @property
    def survival(self) -> str:
        """One line: what a crash or a failover loses. Where nodes differ, each sentence appears once."""
        primaries = [each for each in self.nodes if each.is_primary] or list(self.nodes)
        said = dict.fromkeys([*(each.persistence for each in primaries), *(each.replication for each in primaries)])
        return "; ".join(text for text in said if text)


async def inspect(router: Router) -> RedisFacts:
    """Ask every node, replicas too, for version, eviction policy and persistence.

    Raises RedisStartError when one is too old, and StoreUnavailable when none answers.
    """
    answers = await router.on_each(("INFO",), *(("CONFIG", "GET", name) for name in _ASKED))
    nodes, silent = [], {}
    for node, (info, *settings) in answers.items():
        if isinstance(info, Exception):
            silent[node] = str(info) or type(info).__name__
        else:
            nodes.append(NodeFacts(node, read_info(info), _settings(settings)))
    if not nodes:
        raise StoreUnavailable(f"no Redis or Valkey answers: {'; '.join(silent.values())}")
    for each in nodes:
        if version_numbers(each.info.get("redis_version", "")) < OLDEST:
            raise RedisStartError(f"{each.version} is too old: {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    return RedisFacts(tuple(nodes), silent)


def _settings(answers: list[Any]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for answer in answers:
        if isinstance(answer, ReplyError | Exception):
            return None
        words = [word.decode(errors="replace") for word in answer]
        found |= dict(zip(words[::2], words[1::2], strict=True))
    return found
