"""One connection to Redis with many calls under way at once.

redis-py waits for each answer before it sends the next call; this connection does not (docs/adr/0003-concurrency.md
has the figures). A call leaves at once while calls are few or come one at a time. When there are many, those of three
milliseconds leave together, so that a busy service reads, writes and wakes up rarely (docs/adr/0006-under-load.md).
Answers come in order.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import hiredis

if TYPE_CHECKING:
    from collections.abc import Callable

Call = tuple[str | bytes | int | float, ...]

_PAUSE_SECONDS = 0.003
"""Between two writes, while there are many calls."""
_MANY = 5
"""With so many calls within a pause they leave together, unless each waited for the one before."""

_INCOMPLETE = object()
"""What the reader gives while an answer has not come whole."""


class PipelinedConnection(asyncio.Protocol):
    """Use `open_connection` to get one. After a break it stays closed: open another one.

    An answer is bytes, an integer, None, a list of these, or a `hiredis.ReplyError`.
    """

    def __init__(self, timeout_seconds: float) -> None:
        """Each call must be answered within `timeout_seconds`."""
        self.closed = False
        self.wrote: Callable[[int], None] | None = None
        """Is told of each write how many commands it had."""
        self._broken = False
        self._timeout = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._unsent: list[bytes] = []
        self._paused_until, self._several = 0.0, False
        self._recent = deque([0.0] * _MANY, _MANY)  # when the last calls came
        self._calls: deque[tuple[float, asyncio.Future[Any]]] = deque()  # with the time by which each must be answered
        self._watch: asyncio.TimerHandle | None = None

    async def close(self) -> None:
        """Close the connection; calls under way fail."""
        self.closed = self._broken = True
        self._transport.abort()  # with TLS, a polite end would take another exchange
        await asyncio.wait([self._lost], timeout=1.0)

    async def drain(self) -> None:
        """Take no more calls, and close when those under way are answered, or time is up."""
        self.closed = True
        if self._calls:
            await asyncio.wait([answer for _, answer in self._calls])
        await self.close()

    def send(self, command: Call, *, asking: bool = False) -> "asyncio.Future[Any]":
        """Send a command; the answer, to be awaited. An error that Redis answers is a value: `hiredis.ReplyError`.

        `asking`: the node is about to take the key over (Cluster), and serves it to those who say so. Raises
        ConnectionError when the connection is closed. The future raises it, or TimeoutError, when no answer comes:
        whether the command ran is then unknown.
        """
        if self.closed:
            raise ConnectionError("the connection to Redis is closed")
        if asking:
            self.send(("ASKING",)).add_done_callback(lambda done: done.cancelled() or done.exception())
        packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub means a tuple of one
        now = self._loop.time()
        if not self._unsent:
            busy = (self._calls or self._several) and now - self._recent[0] < _PAUSE_SECONDS
            self._loop.call_later(max(0, self._paused_until - now) if busy else 0, self._write)
        self._recent.append(now)
        self._unsent.append(packed)
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._calls.append((now + self._timeout, answer))
        if not self._watch:
            self._watch = self._loop.call_later(self._timeout, self._check)
        return answer

    def _write(self) -> None:
        self._paused_until, self._several = self._loop.time() + _PAUSE_SECONDS, len(self._unsent) > 1
        if self.wrote:
            self.wrote(len(self._unsent))
        packed, self._unsent = b"".join(self._unsent), []
        if not self._broken:
            self._transport.write(packed)

    def _check(self) -> None:
        """Break the connection when its oldest call is overdue: all behind it are stuck as well."""
        self._watch = None
        if not self._calls:
            return
        due = self._calls[0][0]
        if due <= self._loop.time():
            self._fail(TimeoutError("Redis did not answer in time"))
            self._transport.abort()
        else:
            self._watch = self._loop.call_at(due, self._check)

    def _fail(self, error: Exception) -> None:
        self.closed = self._broken = True
        if self._watch:
            self._watch.cancel()
        while self._calls:
            _, answer = self._calls.popleft()
            if not answer.done():
                answer.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of its class

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._broken:
            return
        self._reader.feed(data)
        try:
            while (found := self._reader.gets()) is not _INCOMPLETE:
                _, answer = self._calls.popleft()
                if not answer.done():  # its caller may have been cancelled
                    answer.set_result(found)
        except hiredis.ProtocolError as error:
            self._fail(ConnectionError(f"what answers is no Redis, or wants TLS (rediss://): {error}"))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._fail(ConnectionError(f"lost the connection to Redis: {exc or 'closed by the other side'}"))
        if not self._lost.done():
            self._lost.set_result(None)
