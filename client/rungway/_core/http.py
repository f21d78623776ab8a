"""The service over HTTP, by the Connect protocol with protobuf messages: what is sent, and what the answers mean.

An answer may also be of a proxy, or of another site altogether; `http_refusals` tells them apart. Nothing here knows
the library that sends and receives.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic

from google.protobuf.message import DecodeError, Message

from rungway.__about__ import __version__
from rungway._core.calls import MAX_REPLY_BYTES
from rungway._core.config import ClientConfig
from rungway._core.errors import InternalError, RungwayError
from rungway._core.requests import milliseconds
from rungway._core.rpcs import Reply, Rpc
from rungway._core.tls import call_metadata

UNARY: Final = "application/proto"
STREAM: Final = "application/connect+proto"
REFUSAL: Final = "application/json"

SILENCE_SECONDS: Final = 45.0
"""How long a stream may be silent; proxies often end connections that are silent for 60 s."""
KEEP_SECONDS: Final = 60.0
"""How long an idle connection is kept; the service ends it after 75 s."""
MOST_CALLS: Final = 100
"""Calls of one client at once, each on a connection of its own; further ones wait. Streams are not counted."""

_FOREIGN_BYTES = 1 << 14
"""How much of an answer that is not the service's own is read."""
_COMPRESSED, _END = 1, 2
"""Flags of an envelope."""
_HEAD = 5
"""Bytes before the message of an envelope: the flags, and its length."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Requests:
    """Makes the requests of a client. Raises InvalidArgument when its token would cross a network in plain text."""

    def __init__(self, config: ClientConfig, url: str) -> None:
        """`url` is that of the service."""
        self._url = url
        common = {
            "user-agent": f"rungway/{__version__}",
            "connect-protocol-version": "1",
            **dict(call_metadata(config)),
        }
        self._unary = {**common, "content-type": UNARY, "accept-encoding": "gzip"}
        self._stream = {**common, "content-type": STREAM, "connect-accept-encoding": "gzip"}

    def unary(self, rpc: Rpc[Any], message: Message, timeout: float) -> Outgoing:
        """A call; the service is told its timeout (seconds), too."""
        headers = {**self._unary, "connect-timeout-ms": str(milliseconds(timeout))}
        return Outgoing(self._url + rpc.path, headers, message.SerializeToString())

    def stream(self, rpc: Rpc[Any], message: Message) -> Outgoing:
        """A call that is answered by a stream."""
        data = message.SerializeToString()
        return Outgoing(self._url + rpc.path, self._stream, bytes(1) + len(data).to_bytes(4, "big") + data)


class Answer:
    """An HTTP response: its head, and the body that is put to it piece by piece."""

    def __init__(self, status: int, headers: Mapping[str, str], url: str) -> None:
        """`headers` finds values whatever the case of their names."""
        self.status, self.url = status, url
        self.kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.encoding = headers.get("content-encoding", "").strip().lower()
        self.location = headers.get("location", "")
        self.retry_after = headers.get("retry-after", "")
        self._body = bytearray()
        self._most = MAX_REPLY_BYTES if self.kind in (UNARY, REFUSAL) else _FOREIGN_BYTES

    @property
    def is_stream(self) -> bool:
        """Whether the body is a stream of the service's messages."""
        return self.status == 200 and self.kind == STREAM

    def add(self, piece: bytes) -> bool:
        """Put a piece to the body; whether to read on. Raises InternalError when the service sends too much."""
        self._body += piece
        if len(self._body) <= self._most:
            return True
        if self.kind == UNARY:
            raise _too_large()
        return False

    def body(self) -> bytes:
        """The body, unpacked. Raises InternalError when that cannot be done."""
        return unpacked(bytes(self._body), self.encoding)

    def beginning(self, most: int = _FOREIGN_BYTES) -> bytes:
        """Up to so many bytes of the body, unpacked as far as it can be."""
        return _unpacked(bytes(self._body), self.encoding, most)[0]


def parsed(rpc: Rpc[Reply], data: bytes) -> Reply:
    """The message in these bytes. Raises InternalError for bytes that are none."""
    try:
        return rpc.reply.FromString(data)
    except DecodeError as error:
        raise _unreadable(f"are not a {rpc.reply.__name__}") from error


def unpacked(data: bytes, encoding: str) -> bytes:
    """The bytes without their compression. Raises InternalError for too many, and for those that cannot be unpacked."""
    found, whole = _unpacked(data, encoding, MAX_REPLY_BYTES + 1)
    if len(found) > MAX_REPLY_BYTES:
        raise _too_large()
    if not whole:
        raise _unreadable(f"cannot be unpacked (content-encoding {encoding[:40]!r})")
    return found


def _unpacked(data: bytes, encoding: str, most: int) -> tuple[bytes, bool]:
    """Up to `most` bytes without their compression, and whether the compressed ones were whole."""
    if encoding in ("", "identity"):
        return data[:most], True
    if encoding != "gzip":
        return b"", False
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return unpacker.decompress(data, most), unpacker.eof
    except zlib.error:
        return b"", False


class Envelopes(Generic[Reply]):
    """The messages in the body of a stream."""

    def __init__(self, rpc: Rpc[Reply]) -> None:
        self._rpc = rpc
        self._buffer = bytearray()
        self.end: bytes | None = None
        """What the service said at the end of the stream; None = there is more to come."""

    def feed(self, piece: bytes) -> Iterator[Reply]:
        """The messages that are complete with this piece of the body. Raises InternalError for one that is too large or
        unreadable."""
        self._buffer += piece
        while self.end is None and (envelope := self._next()):
            flags, data = envelope
            if flags & _COMPRESSED:
                data = unpacked(data, "gzip")
            if flags & _END:
                self.end = data
            else:
                yield parsed(self._rpc, data)

    def _next(self) -> tuple[int, bytes] | None:
        """The flags and the content of the first envelope, which is taken out; None if it is not complete."""
        if len(self._buffer) < _HEAD:
            return None
        end = _HEAD + int.from_bytes(self._buffer[1:_HEAD], "big")
        if end > _HEAD + MAX_REPLY_BYTES:
            raise _too_large()
        if len(self._buffer) < end:
            return None
        flags, data = self._buffer[0], bytes(self._buffer[_HEAD:end])
        del self._buffer[:end]
        return flags, data


def _too_large() -> RungwayError:
    return _unreadable(f"are more than {MAX_REPLY_BYTES}")


def _unreadable(why: str) -> RungwayError:
    return InternalError(f"the bytes of the reply {why}", reason="UNREADABLE_REPLY")
