"""A small HTTP listener in plain text on a port of its own, with a thread and a loop of its own.

It answers also while calls keep the loop of the service busy. Each connection gets one answer to one GET.
"""

import asyncio
import socket
import threading
from http import HTTPStatus
from types import TracebackType
from typing import Self

_ANSWER_SECONDS = 5.0
_MOST_BYTES = 8192
"""Longest head of a request."""
_MOST_CONNECTIONS = 100
"""Connections at once; one more closes the oldest, so that nobody who holds many keeps others out."""


class PlainListener:
    """Use as a context manager in the loop of the service. Raises OSError when it cannot listen."""

    address: str
    """Where it listens, host:port."""

    def __init__(self, name: str, host: str, port: int, *, shared: bool = False) -> None:
        """`name` of the thread. Where to listen, IPv6 without brackets; port 0 picks a free one. Other processes may
        listen on a `shared` port, too."""
        self._name, self._address, self._shared = name, (host, port), shared
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._open: dict[asyncio.StreamWriter, None] = {}  # in order of age

    def __enter__(self) -> Self:
        host = self._address[0]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server(
                self._address, family=family, dualstack_ipv6=host == "::", reuse_port=self._shared
            )
        except BaseException:
            self._loop.close()
            raise
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def answer(self, method: bytes, path: bytes) -> bytes:
        """The whole response to a request, made in the thread of the listener."""
        raise NotImplementedError

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._socket, limit=_MOST_BYTES)
        await self._ended.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _MOST_CONNECTIONS:
            next(iter(self._open)).transport.abort()
        self._open[writer] = None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                method, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b" ")
                writer.write(await self.answer(method, rest.split(b" ", 1)[0].split(b"?", 1)[0]))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):  # a timeout is an OSError
            pass
        finally:
            self._open.pop(writer, None)
            writer.close()


def response(status: HTTPStatus, text: bytes, method: bytes = b"GET", kind: str = "text/plain") -> bytes:
    """A response whose body is the text."""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    ).encode("ascii")
    return head if method == b"HEAD" else head + text
