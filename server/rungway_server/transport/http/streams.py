"""Streams of messages over HTTP: the envelopes of the Connect protocol, and server-sent events."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from rungway.v1.view_service_pb2 import WatchViewResponse
from rungway_server.domain.errors import InvalidInput
from rungway_server.transport.http.bodies import Bodies, Gone, Receive
from rungway_server.transport.http.call import Context, too_late, written
from rungway_server.transport.http.problems import Refused, error_object
from rungway_server.transport.http.replies import COMMON, Header, Send
from rungway_server.transport.http.routes import Serve

COMMENT_SECONDS = 15.0
"""How often a stream of server-sent events says something, so that proxies keep it open."""
_FIRST_SECONDS = 1.0
"""How long it waits for its first message, or a refusal, before it says that it is open."""
_MOST_SHARED, _SHARED_SECONDS = 16, 10.0
"""Messages whose JSON is kept for other streams, and how long: all that follow a view get it at about the same time."""
_ENVELOPE = struct.Struct(">BI")
_COMPRESSED, _END = 1, 2
"""Flags of an envelope."""


class _Shared:
    """The JSON of messages that go to many streams at once, as those of a view do: each is translated once."""

    def __init__(self) -> None:
        self._latest: dict[int, tuple[Message, asyncio.Future[bytes]]] = {}

    async def written(self, message: Message, namespace: str) -> bytes:
        """A message in JSON."""
        if not isinstance(message, WatchViewResponse):
            return await written(message, namespace, as_json=True)
        _, future = self._latest.get(id(message)) or (None, None)
        if future is None:
            future = asyncio.ensure_future(written(message, namespace, as_json=True))
            if len(self._latest) >= _MOST_SHARED:
                self._latest.pop(next(iter(self._latest)))
            self._latest[id(message)] = message, future  # while it is here, no other message has its id
            asyncio.get_running_loop().call_later(_SHARED_SECONDS, self._latest.pop, id(message), None)
        return await asyncio.shield(future)


_SHARED = _Shared()


LEFT = status_pb2.Status(code=code_pb2.CANCELLED)
"""How a stream ended whose caller has left."""


class Form(Protocol):
    """How a stream is written."""

    content_type: bytes

    async def message(self, message: Message) -> bytes:
        """One message."""
        ...

    def end(self, error: status_pb2.Status | None) -> bytes:
        """The end of the stream, with its error if it has one."""
        ...


class Envelopes:
    """The streams of the Connect protocol."""

    def __init__(self, namespace: str, *, as_json: bool) -> None:
        self._namespace, self._as_json = namespace, as_json
        self.content_type = b"application/connect+json" if as_json else b"application/connect+proto"

    async def message(self, message: Message) -> bytes:
        """See Form."""
        if self._as_json:
            data = await _SHARED.written(message, self._namespace)
        else:
            data = await written(message, self._namespace, as_json=False)
        return _ENVELOPE.pack(0, len(data)) + data

    def end(self, error: status_pb2.Status | None) -> bytes:
        """See Form."""
        data = json.dumps({"error": error_object(error)} if error else {}, ensure_ascii=False).encode()
        return _ENVELOPE.pack(_END, len(data)) + data


class Events:
    """Server-sent events (HTML, 9.2): `id` says where the stream goes on after a message."""

    content_type = b"text/event-stream"

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    async def message(self, message: Message) -> bytes:
        """See Form."""
        event_id = _id_of(message)
        data = await _SHARED.written(message, self._namespace)
        return (f"id: {event_id}\n".encode() if event_id else b"") + b"data: " + data + b"\n\n"

    def end(self, error: status_pb2.Status | None) -> bytes:
        """See Form."""
        name, found = ("error", error_object(error)) if error else ("end", {})
        return f"event: {name}\ndata: {json.dumps(found, ensure_ascii=False)}\n\n".encode()


def _id_of(message: Any) -> str:
    """What the next request has in Last-Event-ID: the event of a message, or the cursor of a view; "" if neither."""
    found: str = (
        message.view.cursor if hasattr(message, "view") else getattr(getattr(message, "event", None), "event_id", "")
    )
    return found


def opened(body: bytes, bodies: Bodies, encoding: bytes) -> bytes:
    """The one message in the body of a stream of the Connect protocol. Raises InvalidInput."""
    if len(body) < _ENVELOPE.size:
        raise _unreadable(f"wanted an envelope of {_ENVELOPE.size} bytes and a message, got {len(body)} bytes")
    flags, length = _ENVELOPE.unpack_from(body)
    if len(body) != _ENVELOPE.size + length:
        raise _unreadable(f"the envelope names {length:,} bytes, {len(body) - _ENVELOPE.size:,} follow it")
    data = body[_ENVELOPE.size :]
    if flags == _COMPRESSED and encoding == b"gzip":
        return bodies.gunzip(data)
    if flags:
        raise _unreadable(f"the envelope has the flags {flags}, wanted 0, or 1 with Connect-Content-Encoding: gzip")
    return data


def _unreadable(problem: str) -> InvalidInput:
    return InvalidInput.one("request", problem, reason="UNREADABLE_REQUEST")


class _Writer(Context):
    """The context of a servicer that streams: each message is sent at once."""

    __slots__ = ("_form", "_headers", "_send", "started")

    def __init__(self, form: Form, send: Send, headers: list[Header]) -> None:
        self._form, self._send, self._headers = form, send, headers
        self.started = False

    async def start(self) -> None:
        self.started = True
        headers = [
            *COMMON,
            (b"content-type", self._form.content_type),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            *self._headers,
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, message: Message) -> None:
        """As of grpc.aio.ServicerContext; waits until the caller keeps up."""
        await self.data(await self._form.message(message))

    async def data(self, data: bytes, *, more: bool = True) -> None:
        if not self.started:
            await self.start()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


class Caller(Protocol):
    """The connection of a request."""

    receive: Receive
    send: Send


async def stream(
    serve: Serve,
    request: Message,
    form: Form,
    caller: Caller,
    headers: list[Header],
    deadline: AbstractAsyncContextManager[object],
) -> status_pb2.Status | None:
    """Serve a stream until it ends, or until the caller leaves, which ends its work. Returns the error it ended with.

    Raises Refused when it is refused before anything was sent and its form is not that of the Connect protocol, which
    reports every error at the end of the stream.
    """
    writer = _Writer(form, caller.send, headers)
    async with _under_way(serve(request, writer), caller.receive) as (call, gone):
        if isinstance(form, Envelopes):
            await writer.start()
        try:
            async with deadline:
                while not call.done():
                    if gone in await _first_of(call, gone, form, writer):
                        return LEFT
                call.result()
            error = None
        except Refused as refusal:
            if not writer.started:
                raise
            error = refusal.status
        except TimeoutError:
            error = too_late()
        await writer.data(form.end(error), more=False)
        return error


async def _first_of(call: "_Task", gone: "_Task", form: Form, writer: _Writer) -> set["_Task"]:
    """Which of the two is done, if any; server-sent events say something when nothing happens."""
    seconds = None
    if isinstance(form, Events):
        seconds = COMMENT_SECONDS if writer.started else _FIRST_SECONDS
    done, _ = await asyncio.wait((call, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if not done:
        await writer.data(b": still here\n\n")
    return done


async def unless_gone(serving: Awaitable[Any], receive: Receive) -> Any:
    """The answer of a call that may take long. Raises Gone when the caller leaves, which ends its work."""
    async with _under_way(serving, receive) as (call, gone):
        await asyncio.wait((call, gone), return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise Gone
        return call.result()


_Task = asyncio.Future[Any]


@asynccontextmanager
async def _under_way(serving: Awaitable[Any], receive: Receive) -> AsyncIterator[tuple[_Task, _Task]]:
    """The work of a call, and beside it the wait for its caller to leave. Both end with this."""
    call, gone = asyncio.ensure_future(serving), asyncio.ensure_future(_disconnect(receive))
    try:
        yield call, gone
    finally:
        gone.cancel()
        call.cancel()
        await asyncio.gather(call, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
