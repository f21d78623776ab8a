"""The one real store: Redis, with a Lua script per decision (see lua/KEYS.md)."""

from rungway_server.store.redis.store import RedisStore

__all__ = ["RedisStore"]
