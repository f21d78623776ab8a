"""Tokens in Redis, so that every server sees new and revoked ones at once.

One hash, `rungway:tokens`: token id -> JSON of everything but the secret, whose SHA-256 it holds. Each operation is one
command on one key, so it works on a Cluster as well.
"""

import json

from rungway_server.service.tokens import Role, Token
from rungway_server.store.redis.connection.router import Router

_KEY = "rungway:tokens"


class RedisTokens:
    """The tokens of an installation. Raises StoreUnavailable."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def find(self, token_id: str) -> Token | None:
        """The token of this id."""
        stored = await self._router.call(_KEY, ("HGET", _KEY, token_id))
        return _read(token_id, stored) if stored else None

    async def every(self) -> list[Token]:
        """All tokens, oldest first, expired ones too."""
        stored = await self._router.call(_KEY, ("HGETALL", _KEY))
        items = zip(stored[::2], stored[1::2], strict=True)
        return sorted(
            (_read(token_id.decode(), found) for token_id, found in items),
            key=lambda token: (token.created_ms, token.token_id),
        )

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
        await self._router.call(_KEY, ("HSET", _KEY, token.token_id, json.dumps(fields)))

    async def revoke(self, token_id: str) -> bool:
        """Remove a token; False when there is none of this id."""
        return bool(await self._router.call(_KEY, ("HDEL", _KEY, token_id)))


def _read(token_id: str, stored: bytes) -> Token:
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
