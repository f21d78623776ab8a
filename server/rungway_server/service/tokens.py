"""Bearer tokens: `rwy_<id>_<secret>`. The id is public and finds the token; the secret is known to its owner alone."""

import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

EVERY_NAMESPACE = "*"
"""Namespace of a token for all of them; no namespace can have this name."""

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
        """As people write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored: without its secret, of which only the SHA-256 is kept.

    A fast hash is right here, and a slow one for passwords would be a waste on every call: the secret is 32 random
    bytes, so there is nothing that guessing, however fast, could find.
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
        """Whether this is its secret, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(_digest(secret), self.secret_sha256)

    def expired(self, now: int) -> bool:
        """Whether its time is over."""
        return 0 < self.expires_ms <= now


class Read(NamedTuple):
    """The two halves of a token's text."""

    token_id: str
    secret: str


def read_token(text: str) -> Read | None:
    """The halves of what may be a token; None when it cannot be one."""
    found = _FORM.fullmatch(text)
    return Read(found[1], found[2]) if found else None


def make_token(namespace: str, role: Role, *, name: str = "", lifetime_ms: int = 0) -> tuple[Token, str]:
    """A new token and its text, which nothing can tell again; it never expires with `lifetime_ms` 0."""
    token_id, secret, now = secrets.token_hex(8), secrets.token_urlsafe(32), now_ms()
    token = Token(token_id, _digest(secret), namespace, role, name, now, now + lifetime_ms if lifetime_ms else 0)
    return token, f"rwy_{token_id}_{secret}"


def now_ms() -> int:
    """The time of this host: tokens live for days, so clocks need not agree better than hosts' clocks do."""
    return time.time_ns() // 1_000_000


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
