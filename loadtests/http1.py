"""Calls over HTTP/1.1 at a fraction of the cost of an HTTP library, so that the generator does not limit the figures.

It has only what a load test on the loopback needs: POST on one connection that stays open, one call at a time, replies
with Content-Length. See RFC 9112.
"""

import asyncio
from typing import Self, cast


class CallFailed(Exception):
    """A call was not answered with status 200. `status` is its number."""

    def __init__(self, status: str, body: bytes) -> None:
        super().__init__(f"status {status}: {body.decode(errors='replace')}")
        self.status = status


class Connection(asyncio.Protocol):
    """One connection to an HTTP server, without TLS, for one call at a time."""

    def __init__(self, authority: str, content_type: str) -> None:
        """Use `open` to make one."""
        self._head = f"HTTP/1.1\r\nhost: {authority}\r\ncontent-type: {content_type}\r\ncontent-length: ".encode()
        self._answer: asyncio.Future[bytes] | None = None
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: str, content_type: str = "application/proto") -> Self:
        """Connect to host:port."""
        host, _, port = address.rpartition(":")
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(address, content_type), host, int(port))
        return connection

    def close(self) -> None:
        """Close the connection; the call under way fails."""
        if self._transport:
            self._transport.close()

    def call(self, path: str, message: bytes) -> "asyncio.Future[bytes]":
        """Send a body to a path. The future gives the body of the reply or raises CallFailed."""
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"POST %b %b%d\r\n\r\n%b" % (path.encode(), self._head, len(message), message))
        return self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        at = head.index(b"content-length: ") + 16
        length = int(head[at:].partition(b"\r\n")[0])
        body = self._buffer[end + 4 :]
        if len(body) < length or self._answer is None:
            return
        self._buffer = b""
        if self._answer.done():  # its caller was cancelled
            return
        if head[9:12] == b"200":
            self._answer.set_result(body)
        else:
            self._answer.set_exception(CallFailed(head[9:12].decode(), body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._answer and not self._answer.done():
            self._answer.set_exception(CallFailed("-", f"lost the connection: {exc or 'closed'}".encode()))
