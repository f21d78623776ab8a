"""uvicorn's HTTP/1.1 with what it lacks: deadlines and limits for heads and bodies, a limit of connections, one write
per reply.

Its classes are no public interface: the version is pinned, and tests/integration/test_http_hostile.py holds each of
these limits.
"""

import asyncio
from enum import Enum
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from rungway_server.service.high_water import HighWaterWarning

HEAD_SECONDS, BODY_SECONDS = 10.0, 30.0
"""How long the head, and then the body, of a request may take to arrive."""
MOST_HEAD_BYTES = 16 << 10
_MOST_HELD = 1 << 16


class _Awaiting(Enum):
    """What a connection is about to receive."""

    NOTHING = 0
    HEAD = 1
    BODY = 2


class _OneWrite:
    """A transport that sends with one system call what is written in one turn of the event loop: head and body."""

    __slots__ = ("_held", "_loop", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> None:
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST_HELD:
            self._flush()

    def write_whole(self, data: bytes) -> None:
        """Write something that nothing follows in this turn."""
        if self._held:
            self.write(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._size = self._held, [], 0
            self._transport.write(b"".join(held))


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    most_connections = 10_000
    """Set once per process, in a subclass: further connections are closed."""
    high_water: HighWaterWarning | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._awaiting, self._timed = _Awaiting.HEAD, _Awaiting.NOTHING
        self._timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._head_bytes, self._head_began, self._large_piece = 0, False, False
        self._status, self._problem = 400, ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(cast("asyncio.Transport", _OneWrite(transport, self.loop)))
        if len(self.connections) > self.most_connections:
            transport.abort()
            return
        if self.high_water:
            self.high_water.note(len(self.connections))
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._stop_timer()
        if self._idle_timer:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._awaiting is _Awaiting.NOTHING:  # the next request begins, maybe with less than its first line
            self._awaiting = _Awaiting.HEAD
        self._head_began = False
        self._large_piece = len(data) > MOST_HEAD_BYTES
        if self.parser is not None and not self.transport.is_closing():
            super().data_received(data)
        if self._awaiting is _Awaiting.HEAD:  # one that begins with this data is counted from the next on
            self._head_bytes = 0 if self._head_began else self._head_bytes + len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                self._refuse_head()
        if self._awaiting is not self._timed:
            self._set_timer()

    def on_message_begin(self) -> None:
        """A callback of the parser, like the next ones."""
        super().on_message_begin()
        self._awaiting, self._head_began = _Awaiting.HEAD, True

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._large_piece or not self._head_began:  # one that came whole in a small piece is small
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MOST_HEAD_BYTES:
                self._status, self._problem = 431, f"The head is larger than {MOST_HEAD_BYTES} bytes."
                raise ValueError(self._problem)
        self._awaiting = _Awaiting.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._awaiting = _Awaiting.NOTHING
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As of uvicorn, but for its timer that closes an idle connection: to set and cancel one with each request
        takes longer than to look now and then how long the connection was idle."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if not self._idle_timer:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._idle)

    def _idle(self) -> None:
        """Close the connection if it was idle for long."""
        self._idle_timer = None
        if self._awaiting is not _Awaiting.NOTHING or not self.cycle.response_complete:
            return  # a request is there; the end of its reply sets the timer
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._idle)
        else:
            self.timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed, and close."""
        content = (self._problem or msg).encode("ascii") + b"\n"
        head = STATUS_LINE[
            self._status
        ] + b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
        self.transport.write(head + content)
        self.transport.close()

    def _refuse_head(self) -> None:
        self._status, self._problem = 431, f"The head is larger than {MOST_HEAD_BYTES} bytes."
        self.send_400_response("")

    def _set_timer(self) -> None:
        self._stop_timer()
        self._timed = self._awaiting
        if self._awaiting is not _Awaiting.NOTHING:
            seconds = HEAD_SECONDS if self._awaiting is _Awaiting.HEAD else BODY_SECONDS
            self._timer = self.loop.call_later(seconds, self._late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """The caller is too slow."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self._status, self._problem = 408, "The request did not arrive in time."
            self.send_400_response("")
        else:
            self.transport.close()


def send_at_once(send: object, head: bytes, body: bytes) -> bool:
    """Send a whole reply of status 200, in a fourth of the time that ASGI's two messages take.

    `head` has all headers but those that uvicorn adds, and each ends with a line end. False = it cannot be sent in this
    way, and nothing was sent.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not isinstance(cycle.transport, _OneWrite):
        return False
    usual = cycle.keep_alive and cycle.scope["method"] != "HEAD" and not cycle.waiting_for_100_continue
    if not usual or cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    cycle.response_started = cycle.response_complete = True
    added = b"".join([b"%s: %s\r\n" % each for each in cycle.default_headers])
    cycle.transport.write_whole(b"".join((STATUS_LINE[200], added, head, b"\r\n", body)))
    cycle.message_event.set()
    cycle.on_response()
    return True
