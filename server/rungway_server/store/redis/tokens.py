"""Tokens in Redis, where every server sees a new or revoked one.

One hash, `rungway:tokens`: token id -> JSON of everything but the secret, whose SHA-256 it holds. Each operation is one
command on one key, so a Cluster needs nothing special.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from rungway_server.domain.errors import StoreUnavailable
from rungway_server.service.tokens import Role, Token

if TYPE_CHECKING:
    from redis.asyncio import Redis

_KEY = "rungway:tokens"


class RedisTokens:
    """The tokens of an installation. Raises StoreUnavailable."""

    def __init__(self, redis: "Redis") -> None:
        self._redis: Any = redis  # its methods are typed as answering now or later

    async def find(self, token_id: str) -> Token | None:
        """The token of this id."""
        with _typed():
            stored = await self._redis.hget(_KEY, token_id)
        return _read(token_id, stored) if stored else None

    async def every(self) -> list[Token]:
        """All tokens, oldest first, expired ones too."""
        with _typed():
            stored = await self._redis.hgetall(_KEY)
        return sorted((_read(*item) for item in stored.items()), key=lambda token: (token.created_ms, token.token_id))

    async def add(self, token: Token) -> None:
        """Store a new token."""
        fields = {
            "sha256": token.secret_sha256,
            "namespace": token.namespace,
            "role": token.role.word,
            "name": token.name,
            "created_ms": token.created_ms,
            "expires_ms": token.expires_ms,
        }
        with _typed():
            await self._redis.hset(_KEY, token.token_id, json.dumps(fields))

    async def revoke(self, token_id: str) -> bool:
        """Remove a token; False when there is none of this id."""
        with _typed():
            return bool(await self._redis.hdel(_KEY, token_id))


def _read(token_id: str, stored: str) -> Token:
    found = json.loads(stored)
    return Token(
        token_id,
        found["sha256"],
        found["namespace"],
        Role[found["role"].upper()],
        found["name"],
        found["created_ms"],
        found["expires_ms"],
    )


@contextmanager
def _typed() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable("the store does not answer; repeat the call") from error
