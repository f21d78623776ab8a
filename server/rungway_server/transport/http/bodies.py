"""Reads the body of a request: bounded before it is unpacked, and bounded in all.

`max_message_bytes` bounds a body as sent, and as unpacked. `Bodies` bounds what all requests of the process hold
together, so that many callers that send slowly cannot fill the memory.
"""

import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from rungway_server.domain.errors import InvalidInput, Overloaded

Receive = Callable[[], Awaitable[dict[str, Any]]]
"""ASGI's `receive`."""

MOST_IN_ALL = 256 << 20
"""Most bytes of the bodies that one process receives and reads at once."""


class Gone(Exception):
    """The caller has closed the connection."""


class Bodies:
    """Reads bodies, and counts the bytes that are held."""

    def __init__(self, most: int, most_in_all: int = MOST_IN_ALL) -> None:
        """`most`: bytes of one body."""
        self.most, self._most_in_all = most, max(most, most_in_all)
        self._held = 0

    async def read(self, receive: Receive, content_length: bytes) -> bytes:
        """The whole body, as sent. Raises InvalidInput when it is too large (at once if its header says so), Overloaded
        when too much is held, Gone when the caller leaves."""
        if content_length.isdigit() and int(content_length[:20]) > self.most:
            raise self._too_large()
        event = await receive()
        if not event.get("more_body") and event["type"] == "http.request":
            body: bytes = event["body"]
            if len(body) > self.most:
                raise self._too_large()
            return body
        held, parts = 0, []
        try:
            while True:
                if event["type"] != "http.request":
                    raise Gone
                parts.append(event["body"])
                held += len(parts[-1])
                self._held += len(parts[-1])
                if held > self.most:
                    raise self._too_large()
                if self._held > self._most_in_all:
                    raise Overloaded
                if not event.get("more_body"):
                    return b"".join(parts)
                event = await receive()
        finally:
            self._held -= held

    def unpacked(self, body: bytes, encoding: bytes) -> bytes:
        """The body without its `Content-Encoding` ("" or identity, or gzip). Raises InvalidInput."""
        encoding = encoding.strip().lower()
        if encoding in (b"", b"identity"):
            return body
        if encoding not in (b"gzip", b"x-gzip"):
            raise InvalidInput.one("content-encoding", f"got {encoding[:40]!r}, wanted gzip or identity")
        return self.gunzip(body)

    def gunzip(self, data: bytes) -> bytes:
        """What was compressed; never more than one body may have. Raises InvalidInput."""
        unpacker = zlib.decompressobj(wbits=31)
        try:
            found = unpacker.decompress(data, self.most + 1)
        except zlib.error as error:
            raise InvalidInput.one("request", f"is not gzip: {error}", reason="UNREADABLE_REQUEST") from None
        if len(found) > self.most:
            raise self._too_large()
        if not unpacker.eof or unpacker.unused_data:
            what = "has more after its end" if unpacker.eof else "is cut off"
            raise InvalidInput.one("request", f"the gzip {what}", reason="UNREADABLE_REQUEST")
        return found

    def _too_large(self) -> InvalidInput:
        return InvalidInput.one(
            "request", f"is too large: wanted at most {self.most:,} bytes", reason="REQUEST_TOO_LARGE"
        )
