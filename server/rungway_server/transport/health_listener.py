"""`GET /livez` and `GET /readyz` in plain text, whatever TLS and tokens the service asks of its callers.

For the HEALTHCHECK of a container and for kubelets, whose gRPC probes know no TLS. It has a thread and a loop of its
own, so that it also answers while calls keep the loop of the service busy, and from before the store is there until the
process ends. It tells nothing but what these two answers say.
"""

import asyncio
import socket
import threading
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self

STARTING, STOPPING, NO_STORE = "starting", "stopping", "store unavailable"
"""What `/readyz` says while calls are not served, beside 503."""

_BEAT_SECONDS = 1.0
_DEAD_SECONDS = 60.0
"""A loop that has not turned for so long is taken for dead: `/livez` says so, and the process is replaced."""
_ANSWER_SECONDS = 5.0
_MOST_BYTES = 8192
"""Longest head of a request."""
_MOST_CONNECTIONS = 100
"""Connections at once; one more closes the oldest, so that nobody who holds many keeps probes out."""


class HealthListener:
    """Use as a context manager in the loop of the service. Raises OSError when it cannot listen."""

    address: str
    """Where it listens, host:port."""

    def __init__(self, host: str, port: int) -> None:
        """Where to listen, IPv6 without brackets; port 0 picks a free one."""
        self._address = (host, port)
        self._problem = STARTING
        self._beat = time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._open: dict[asyncio.StreamWriter, None] = {}  # in order of age

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        try:
            self._socket = socket.create_server(self._address, family=family, dualstack_ipv6=self._address[0] == "::")
        except BaseException:
            self._loop.close()
            raise
        host, port = self._socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()
        self._beating = asyncio.ensure_future(self._beats())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beating.cancel()
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def report(self, problem: str) -> None:
        """Calls are served (""), or why not, in a word."""
        self._problem = problem

    async def _beats(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

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
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):  # a timeout is an OSError
            pass
        finally:
            self._open.pop(writer, None)
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.split(b" ", 1)[0].split(b"?", 1)[0]
        if path == b"/livez":
            problem = "stuck" if time.monotonic() - self._beat > _DEAD_SECONDS else ""
        elif path == b"/readyz":
            problem = self._problem
        else:
            return _response(HTTPStatus.NOT_FOUND, "there are /livez and /readyz")
        if method not in (b"GET", b"HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "wanted GET")
        return _response(HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK, problem or "ok", method)


def _response(status: HTTPStatus, word: str, method: bytes = b"GET") -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(word) + 1}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return (head + ("" if method == b"HEAD" else f"{word}\n")).encode("ascii")
