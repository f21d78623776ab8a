"""One call over HTTP: its headers, its message, its deadline."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, status_pb2

from rungway_server.domain.errors import InvalidInput
from rungway_server.service.offload import in_thread
from rungway_server.service.worker_thread import Priority
from rungway_server.transport.http import codec
from rungway_server.transport.http.bodies import Bodies
from rungway_server.transport.http.problems import Refused
from rungway_server.transport.http.replies import COMPRESSED_FROM, Header, Reply, accepts_gzip, compressed
from rungway_server.transport.http.routes import Route

JSON, PROTO = b"application/json", b"application/proto"
LARGE = 1 << 16
"""Bytes of a message from which it is translated in a thread instead of on the event loop."""
Headers = Mapping[bytes, bytes]

_PARAMETERS = {
    "encoding": ("json", "proto"),
    "connect": ("v1",),
    "base64": ("0", "1"),
    "compression": ("identity", "gzip"),
}
"""What the parameters of a GET may be, the default first."""


class Context:
    """What a servicer gets as its context; a refusal ends the call."""

    __slots__ = ()

    async def abort_with_status(self, status: Any) -> NoReturn:
        """As of grpc.aio.ServicerContext. Raises Refused."""
        binary = next(value for key, value in status.trailing_metadata if key == "grpc-status-details-bin")
        raise Refused(status_pb2.Status.FromString(binary))


CONTEXT = Context()


class Deadline(Context):
    """The context of a call that may be held."""

    __slots__ = ("_seconds",)

    def __init__(self, headers: "Headers") -> None:
        """`headers` have been read by `deadline`."""
        given = headers.get(b"connect-timeout-ms")
        self._seconds = int(given) / 1000 if given else None

    def time_remaining(self) -> float | None:
        """As of the time when the request had arrived."""
        return self._seconds

    def peer(self) -> str:
        """A connection carries one call at a time."""
        return ""


TOO_LATE = "no answer within Connect-Timeout-Ms"
_NO_DEADLINE: AbstractAsyncContextManager[object] = nullcontext()


def media_type(headers: Headers) -> bytes:
    """The Content-Type without parameters, in lower case."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def deadline(headers: Headers) -> AbstractAsyncContextManager[object]:
    """Around the work of a call: after Connect-Timeout-Ms it is cancelled, with a TimeoutError. Raises InvalidInput."""
    given = headers.get(b"connect-timeout-ms")
    if given is None:
        return _NO_DEADLINE
    if not given.isdigit() or len(given) > 10:
        raise InvalidInput.one("connect-timeout-ms", "wanted milliseconds in at most 10 digits")
    return asyncio.timeout(int(given) / 1000)


def too_late() -> status_pb2.Status:
    """The status of a call whose deadline is over."""
    return status_pb2.Status(code=code_pb2.DEADLINE_EXCEEDED, message=TOO_LATE)


def check_protocol(headers: Headers) -> None:
    """Refuse a version of the Connect protocol other than 1, the only one. Raises InvalidInput."""
    version = headers.get(b"connect-protocol-version", b"1")
    if version != b"1":
        raise InvalidInput.one("connect-protocol-version", f"got {version[:20].decode('latin-1')!r}, wanted '1'")


async def read_message(route: Route, data: bytes, namespace: str, *, as_json: bool) -> Message:
    """The request in these bytes. Raises InvalidInput."""
    if not as_json:
        try:
            return route.request.FromString(data)
        except DecodeError as error:
            raise InvalidInput.one("request", str(error), reason="UNREADABLE_REQUEST") from None
    try:
        if len(data) > LARGE:
            return await in_thread(Priority.CREATE, namespace, codec.decode, data, route.request)
        return codec.decode(data, route.request)
    except codec.InvalidJson as error:
        if error.path:
            raise InvalidInput.one(error.path, error.problem) from None
        raise InvalidInput.one("request", error.problem, reason="UNREADABLE_REQUEST") from None


async def written(message: Message, namespace: str, *, as_json: bool) -> bytes:
    """A message as bytes of the reply."""
    if not as_json:
        return message.SerializeToString()
    if message.ByteSize() > LARGE:
        return await in_thread(Priority.READ, namespace, codec.encode, message)
    return codec.encode(message)


async def reply_with(message: Message, namespace: str, headers: Headers, *, as_json: bool) -> Reply:
    """The reply to a call with one answer."""
    body = await written(message, namespace, as_json=as_json)
    extra: list[Header] = []
    if len(body) >= COMPRESSED_FROM and accepts_gzip(headers.get(b"accept-encoding", b"")):
        if len(body) > LARGE:
            body = await in_thread(Priority.READ, namespace, compressed, body)
        else:
            body = compressed(body)
        extra = [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    return Reply(200, JSON if as_json else PROTO, body, extra)


def query_message(query: bytes, bodies: Bodies) -> tuple[bytes, bool]:
    """The message in the query of a GET (Connect protocol, "Unary-Get-Request"), and whether it is JSON.

    Raises InvalidInput.
    """
    try:
        given = dict(
            parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
        )
    except ValueError as error:
        raise InvalidInput.one("query", f"cannot be read: {error}", reason="UNREADABLE_REQUEST") from None
    if unknown := sorted(given.keys() - _PARAMETERS.keys() - {"message"}):
        wanted = ", ".join((*_PARAMETERS, "message"))
        raise InvalidInput.one(unknown[0][:40], f"there is no such parameter: wanted {wanted}")
    for name, allowed in _PARAMETERS.items():
        if given.get(name, allowed[0]) not in allowed:
            raise InvalidInput.one(name, f"got {given[name][:40]!r}, wanted {' or '.join(map(repr, allowed))}")
    data = given.get("message", "").encode()
    if given.get("base64") == "1":
        try:
            data = base64.b64decode(data.rstrip(b"=") + b"=" * (-len(data.rstrip(b"=")) % 4), b"-_", validate=True)
        except binascii.Error as error:
            raise InvalidInput.one("message", f"is not base64 (URL-safe): {error}") from None
    if given.get("compression") == "gzip":
        data = bodies.gunzip(data)
    as_json = given.get("encoding", "json") == "json"
    return data or (b"{}" if as_json else b""), as_json
