"""Unary gRPC calls at a fraction of the cost of a gRPC library: what keeps the load generator out of the figures.

Only what a load test on the loopback needs of HTTP/2 (RFC 9113) and of gRPC's mapping onto it: one frame of headers and
one of data each way, no compression, no deadline. A compression table of size 0 (RFC 7541, section 4.2) makes each
block of response headers stand by itself, so that each distinct block is decoded once and then known by its bytes.
"""

import asyncio
import struct
from collections import deque
from typing import Self, cast

from hpack import Decoder

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_TABLE_SIZE, _MOST_STREAMS, _INITIAL_WINDOW = 1, 3, 4
_REFUSED = (7).to_bytes(4, "big")
_LARGEST_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_REFILL = 1 << 30
"""Bytes taken after which the server may send as many again."""


class CallFailed(Exception):
    """A call did not end with status OK; has the number of its status ("" if there was none) and the message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"status {status or 'none'}: {message}")
        self.status = status


class Connection(asyncio.Protocol):
    """One connection to a gRPC server without TLS; any number of calls at once."""

    def __init__(self, authority: str) -> None:
        """`open` is the way to make one."""
        self._authority = authority
        self._loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._heads: dict[str, bytes] = {}
        self._known: dict[bytes, tuple[str, str]] = {}
        self._calls: dict[int, _Call] = {}
        self._waiting: deque[tuple[int, bytes, int]] = deque()
        self._unsent: list[bytes] = []
        self._buffer = b""
        self._next_stream = 1
        self._window = _DEFAULT_WINDOW
        self._open = 0
        self._most_open = _LARGEST_WINDOW
        self._taken = 0
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: str) -> Self:
        """Connect to host:port."""
        host, _, port = address.rpartition(":")
        _, connection = await asyncio.get_running_loop().create_connection(lambda: cls(address), host, int(port))
        await connection._greeted  # how many calls at once the server takes is known from then on
        return connection

    def close(self) -> None:
        """Close; calls under way fail."""
        if self._transport:
            self._transport.close()

    def call(self, path: str, message: bytes) -> "asyncio.Future[bytes]":
        """Send a message to `/package.Service/Method`; the future holds the answer's. It may raise CallFailed."""
        call = _Call(path, message, self._loop.create_future())
        self._begin(call)
        return call.answer

    def _begin(self, call: "_Call") -> None:
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._calls[stream] = call
        head, message = self._heads.get(call.path) or self._head(call.path), call.request
        frames = b"".join(
            (
                _frame_head(len(head), _HEADERS, _END_HEADERS, stream),
                head,
                _frame_head(len(message) + 5, _DATA, _END_STREAM, stream),
                b"\0",  # not compressed
                len(message).to_bytes(4, "big"),
                message,
            )
        )
        self._waiting.append((len(message) + 5, frames, stream))
        self._send_waiting()

    def _head(self, path: str) -> bytes:
        fields = {":authority": self._authority, ":path": path, "content-type": "application/grpc", "te": "trailers"}
        # 0x83 and 0x86 are ":method: POST" and ":scheme: http"; each other one is a literal that enters no table.
        literals = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
        self._heads[path] = b"\x83\x86" + literals
        return self._heads[path]

    def _send(self, frames: bytes) -> None:
        """All that is sent in one turn of the event loop leaves together."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frames)

    def _flush(self) -> None:
        assert self._transport
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        settings = struct.pack(">HIHI", _TABLE_SIZE, 0, _INITIAL_WINDOW, _LARGEST_WINDOW)
        self._send(_PREFACE + _frame_head(len(settings), _SETTINGS, 0, 0) + settings)
        self._send(_window(_LARGEST_WINDOW - _DEFAULT_WINDOW))

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        buffer = self._buffer + data if self._buffer else data
        start, end = 0, len(buffer)
        while end - start >= 9:
            length = int.from_bytes(buffer[start : start + 3], "big")
            if end - start < 9 + length:
                break
            stream = int.from_bytes(buffer[start + 5 : start + 9], "big")
            body = buffer[start + 9 : start + 9 + length]
            self._frame(buffer[start + 3], buffer[start + 4], stream, body)
            start += 9 + length
        self._buffer = buffer[start:]

    def _frame(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        if kind in (_DATA, _HEADERS, _RESET) and stream in self._calls:
            self._of_call(kind, flags, stream, body)
        elif kind == _WINDOW and not stream:
            self._window += int.from_bytes(body, "big")
            self._send_waiting()
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            if kind == _SETTINGS:
                settings = dict(struct.iter_unpack(">HI", body))
                self._most_open = settings.get(_MOST_STREAMS, self._most_open)
                if not self._greeted.done():
                    self._greeted.set_result(None)
            answer = body if kind == _PING else b""
            self._send(_frame_head(len(answer), kind, _ACK, 0) + answer)
        elif kind == _GOAWAY:
            self._end(f"the server goes away: {body[8:].decode(errors='replace')}")

    def _of_call(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        call = self._calls[stream]
        if kind == _DATA:
            call.message += body
            self._refill(len(body))
        elif kind == _HEADERS:
            call.status = self._status(body)
        else:
            call.status = "", f"stream reset: {body.hex()}"
        if kind == _RESET or flags & _END_STREAM:
            del self._calls[stream]
            self._open -= 1
            if kind == _RESET and body == _REFUSED:  # begun a moment too early; not executed (RFC 9113, section 8.7)
                self._begin(call)
            else:
                call.end()
                self._send_waiting()

    def _refill(self, taken: int) -> None:
        self._taken += taken
        if self._taken >= _REFILL:
            self._send(_window(self._taken))
            self._taken = 0

    def _send_waiting(self) -> None:
        """What the server's limits let through now: bytes, and calls at once. The others wait here, in order."""
        while self._waiting and self._waiting[0][0] <= self._window and self._open < self._most_open:
            size, frames, stream = self._waiting.popleft()
            if self._calls[stream].answer.done():  # its caller gave up: do not send it
                del self._calls[stream]
                continue
            self._window -= size
            self._open += 1
            self._send(frames)

    def _status(self, block: bytes) -> tuple[str, str]:
        """The status and the message in a block of headers, both empty when it has none."""
        known = self._known.get(block)
        if known is None:
            fields = {str(name): str(value) for name, value in Decoder().decode(block)}
            known = self._known[block] = fields.get("grpc-status", ""), fields.get("grpc-message", "")
        return known

    def _end(self, why: str) -> None:
        if not self._greeted.done():
            self._greeted.set_exception(ConnectionError(why))
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.status = "", why
            call.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._end(f"lost the connection: {exc or 'closed'}")


class _Call:
    """One call under way."""

    __slots__ = ("answer", "message", "path", "request", "status")

    def __init__(self, path: str, request: bytes, answer: "asyncio.Future[bytes]") -> None:
        self.path, self.request, self.answer = path, request, answer
        self.message = b""
        self.status = "", ""

    def end(self) -> None:
        if self.answer.done():  # its caller was cancelled
            return
        if self.status[0] == "0":
            self.answer.set_result(self.message[5:])
        else:
            self.answer.set_exception(CallFailed(*self.status))


def _frame_head(length: int, kind: int, flags: int, stream: int) -> bytes:
    return struct.pack(">IBI", length << 8 | kind, flags, stream)


def _window(size: int) -> bytes:
    return _frame_head(4, _WINDOW, 0, 0) + size.to_bytes(4, "big")


def _text(text: str) -> bytes:
    """A string as it is (RFC 7541, section 5.2); shorter than 127 bytes."""
    encoded = text.encode()
    if len(encoded) > 126:
        raise ValueError(f"too long for this generator: {text}")
    return bytes((len(encoded),)) + encoded
