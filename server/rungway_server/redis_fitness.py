"""Looks at a Redis before it is used, and refuses one that may lose searches."""

import structlog

from rungway_server.settings import Settings
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.preflight import inspect
from rungway_server.store.redis.connection.router import Router

_log = structlog.get_logger()


async def fit_for_use(router: Router, settings: Settings) -> None:
    """Raises RedisStartError when this Redis may lose searches; logs what it found."""
    facts = await inspect(router)
    for each in facts.evicting:
        policy = f"maxmemory-policy {each.eviction} of {each.node}"
        problem = f"{each.version} may evict keys ({policy}), which destroys searches"
        if settings.unsafe_eviction == "refuse":
            raise RedisStartError(f"{problem}: set it to noeviction, or RUNGWAY_UNSAFE_EVICTION=warn to go on")
        _log.warning("redis_unsafe", problem=problem)
    if slow := ", ".join(each.node for each in facts.holding_up):
        problem = (
            "searches whose retention is over are freed while other commands wait: set lazyfree-lazy-expire to yes"
        )
        _log.warning("redis_slow", problem=f"{problem} ({slow})")
    if unknown := ", ".join(facts.unknown_eviction):
        _log.warning("redis_unsafe", problem=f"maxmemory-policy not checked, make sure it is noeviction: {unknown}")
    _log.info("redis", version=facts.version, nodes=len(facts.nodes), survival=facts.survival)
