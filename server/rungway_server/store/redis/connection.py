"""Connections to Redis, and what a Redis must be like before a search is trusted to it."""

from dataclasses import dataclass

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, ResponseError

from rungway_server.store.redis.binary import OLDEST
from rungway_server.store.redis.errors import RedisStartError


def connect(url: str, *, timeout_seconds: float, max_connections: int, decode: bool = True) -> Redis:
    """A client with a bounded pool; nothing is sent yet. Raises ValueError for a URL it cannot read.

    `decode`: whether answers are text; what scripts pack is not.

    It never sends a command twice: a script whose reply was lost may have run, and redis-py's default retries would
    run it again. Who asked tries again with the same request id instead. Each wait, for a free connection, for
    connecting and for the answer, ends after `timeout_seconds`.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        retry_on_error=[],
        decode_responses=decode,
        protocol=2,  # with 3, redis-py >= 8 hands out connections that Redis has closed (maintenance notifications)
    )
    return Redis.from_pool(pool)


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a Redis says of itself; `eviction` is None where it may not be read."""

    version: str
    eviction: str | None
    persistence: str

    @property
    def evicts(self) -> bool:
        """Whether it may drop keys of a search when memory is short."""
        return self.eviction not in (None, "noeviction")


async def inspect(client: Redis) -> RedisFacts:
    """Read version, eviction policy and persistence. Raises RedisStartError when the version is too old, and the
    errors of redis-py when it does not answer."""
    info = await client.info()
    version = str(info["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise RedisStartError(f"Redis {version} is too old: {OLDEST[0]}.{OLDEST[1]} or newer is needed")
    return RedisFacts(
        version=version,
        eviction=info.get("maxmemory_policy"),
        persistence=await _persistence(client, bool(info.get("aof_enabled"))),
    )


async def _persistence(client: Redis, appends: bool) -> str:
    """In words, what a crash of this Redis loses."""
    if appends:
        return {
            "always": "append-only file, synced with every change: a crash loses nothing acknowledged",
            "everysec": "append-only file, synced every second: a crash may lose the last second",
            "no": "append-only file, synced when the system likes: a crash may lose many seconds",
        }.get(await _setting(client, "appendfsync") or "", "append-only file; how often it is synced may not be read")
    if await _setting(client, "save"):
        return "snapshots only: a crash loses everything since the last one; turn appendonly on"
    return "none found: a crash loses every search; turn appendonly on"


async def _setting(client: Redis, name: str) -> str | None:
    """A setting of Redis; None where CONFIG is not allowed, as with many managed ones."""
    try:
        value = (await client.config_get(name)).get(name)
    except (NoPermissionError, ResponseError):
        return None
    return None if value is None else str(value)
