"""One reply of the HTTP port, and how it is sent."""

import zlib
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rungway_server.transport.http.protocol import send_at_once

if TYPE_CHECKING:
    from google.rpc import status_pb2

Header = tuple[bytes, bytes]
Send = Callable[[dict[str, Any]], Awaitable[None]]
"""ASGI's `send`."""

COMMON: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Headers of every reply: what a browser must not do with it."""
COMPRESSED_FROM = 4_096
"""Bytes of a reply from which it is compressed for callers that accept it."""


class Reply:
    """A reply whose body is whole."""

    __slots__ = ("body", "content_type", "error", "headers", "status")

    def __init__(self, status: int, content_type: bytes, body: bytes, headers: Sequence[Header] = ()) -> None:
        self.status, self.content_type, self.body, self.headers = status, content_type, body, headers
        self.error: status_pb2.Status | None = None
        """What it reports, unless the call went well."""

    async def send(self, send: Send, *, close: bool) -> None:
        """Send it; with `close` the connection ends after it."""
        if self.status == 200 and not self.headers and not close:
            head = b"%scontent-length: %d\r\n" % (_usual_head(self.content_type), len(self.body))
            if send_at_once(send, head, self.body):
                return
        headers = [
            *COMMON,
            (b"content-type", self.content_type),
            (b"content-length", b"%d" % len(self.body)),
            *self.headers,
        ]
        if close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


@lru_cache(maxsize=16)
def _usual_head(content_type: bytes) -> bytes:
    return b"".join([b"%s: %s\r\n" % each for each in (*COMMON, (b"content-type", content_type))])


def compressed(body: bytes) -> bytes:
    """The body in gzip, quickly rather than small."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(body) + packer.flush()


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether the header of that name accepts gzip (RFC 9110, 12.5.3)."""
    for each in accept_encoding.lower().split(b","):
        name, _, quality = each.partition(b";")
        if name.strip() == b"gzip":
            return quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False
