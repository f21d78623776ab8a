"""Where messages go, and how they are signed: as the Standard Webhooks specification 1.0 has it.

Each URL has a key of its own, made from the secret of the service, so that one receiver cannot sign for another.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from rungway_server.domain.names import NAME

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
"""Of a secret."""
MAKES_ONE = "`rungway webhook secret` makes one"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL, the namespace whose searches it hears of ("" = of all), and the keys that sign for it."""

    url: str
    namespace: str
    keys: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """What stands for it in Redis, where the URL would be seen: it may hold a password."""
        return hashlib.sha256(f"{self.namespace}={self.url}".encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """What logs show of it: scheme, host and port."""
        return shown(self.url)

    def hears_of(self, namespace: str) -> bool:
        """Whether messages about this namespace go there."""
        return self.namespace in ("", namespace)

    def headers(self, message_id: str, now_seconds: int, body: bytes) -> dict[str, str]:
        """The headers that name and sign an attempt to send this body."""
        signed = f"{message_id}.{now_seconds}.".encode() + body
        signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in self.keys)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(now_seconds),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def shown(url: str) -> str:
    """A URL without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def new_secret() -> str:
    """A secret of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def read_secret(text: str) -> bytes:
    """The bytes of a secret. Raises ValueError, without the secret."""
    wanted = f"wanted {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} bytes in base64: {MAKES_ONE}"
    if not text.startswith(PREFIX):
        raise ValueError(wanted)
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(wanted) from None
    if not LEAST_BYTES <= len(found) <= MOST_BYTES:
        raise ValueError(wanted)
    return found


def read_secrets(text: str) -> list[bytes]:
    """One secret per line, the present one first; empty lines do not count. Raises ValueError."""
    found = [read_secret(line.strip()) for line in text.splitlines() if line.strip()]
    if not found:
        raise ValueError(f"got no secret: {MAKES_ONE}")
    return found


def key_of(secret: bytes, url: str) -> bytes:
    """The key of a URL: HMAC-SHA256 of the URL under the secret."""
    return hmac.digest(secret, url.encode(), "sha256")


def key_text(secret: bytes, url: str) -> str:
    """The same as receivers are given it."""
    return PREFIX + base64.b64encode(key_of(secret, url)).decode()


def read_endpoint(text: str, secrets_of_service: Sequence[bytes]) -> Endpoint:
    """`URL`, or `NAMESPACE=URL`. Raises ValueError, without the URL."""
    namespace, _, url = text.partition("=")
    if not NAME.fullmatch(namespace):
        namespace, url = "", text
    parts = urlsplit(url)
    readable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or not readable:
        raise ValueError("wanted http://… or https://… without a fragment, perhaps after NAMESPACE=")
    _ = parts.port  # raises ValueError for one that is none
    return Endpoint(url, namespace, tuple(key_of(secret, url) for secret in secrets_of_service))
