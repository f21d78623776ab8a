"""Bearer tokens, `rwy_<id>_<secret>`: the id is public and finds the token, the secret only its owner has."""

import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

EVERY_NAMESPACE = "*"
"""The namespace of a token for all namespaces; no namespace can have this name."""

_FORM = re.compile(r"rwy_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Role(IntEnum):
    """What a token allows; each role includes those before it."""

    READ = 1
    """Look at experiments and trials."""
    WORK = 2
    """What workers do: ask, tell, heartbeat, release, fail."""
    ADMIN = 3
    """Create, change and delete the experiments of the namespace."""

    @property
    def word(self) -> str:
        """The name of the role in commands and messages."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored: with the SHA-256 of its secret instead of the secret.

    A fast hash is enough, and the slow hashes made for passwords would cost time on every call: the secret is 32 random
    bytes, which cannot be guessed.
    """

    token_id: str
    secret_sha256: str = field(repr=False)
    namespace: str
    role: Role
    name: str
    created_ms: int
    expires_ms: int
    """0 = never."""

    def has_secret(self, secret: str) -> bool:
        """Whether this is its secret, compared in constant time."""
        return hmac.compare_digest(_digest(secret), self.secret_sha256)

    def expired(self, now: int) -> bool:
        """Whether it has expired at this time (milliseconds since the epoch)."""
        return 0 < self.expires_ms <= now


class TokenText(NamedTuple):
    """The two parts of a token's text."""

    token_id: str
    secret: str


def read_token(text: str) -> TokenText | None:
    """The parts of a text that has the form of a token; None for any other text."""
    found = _FORM.fullmatch(text)
    return TokenText(found[1], found[2]) if found else None


def make_token(namespace: str, role: Role, *, name: str = "", lifetime_ms: int = 0) -> tuple[Token, str]:
    """A new token and its text, which cannot be recovered later. With `lifetime_ms` 0 it never expires."""
    token_id, secret, now = secrets.token_hex(8), secrets.token_urlsafe(32), now_ms()
    token = Token(token_id, _digest(secret), namespace, role, name, now, now + lifetime_ms if lifetime_ms else 0)
    return token, f"rwy_{token_id}_{secret}"


def now_ms() -> int:
    """The time of this host in milliseconds since the epoch: tokens live for days, so small clock differences are
    fine."""
    return time.time_ns() // 1_000_000


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
