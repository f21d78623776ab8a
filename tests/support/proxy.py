"""A TCP proxy that loses replies: requests arrive, their replies do not come back.

It has its own thread and event loop, so that blocking tests can use it too.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from tests.support.waiting import SECONDS


class Proxy:
    """Passes everything on until `lose_replies` names a request whose reply is to be lost. With several ports each
    connection goes to the first that listens."""

    def __init__(self, *ports: int) -> None:
        self._upstream = ports
        self._trigger: bytes | None = None
        self._cut = threading.Event()
        self._connections: set[asyncio.Future[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0
        """The port of the loopback interface that it listens on."""
        self.lost = threading.Event()
        """Set when a reply was lost."""

    def lose_replies(self, trigger: bytes, *, cut: bool = True) -> None:
        """Lose the replies to the next connection that sends a chunk with `trigger`, and cut it when the first reply
        comes from upstream. Happens once. With `cut=False` the connection stays open until `cut()`, for protocols in
        which the first bytes that come back may not be the reply yet."""
        self.lost.clear()
        self._cut.clear()
        if cut:
            self._cut.set()
        self._trigger = trigger

    def cut(self) -> None:
        """Close the connection that has lost a reply."""
        self._cut.set()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        while self._connections:
            for end in self._ends:
                end.close()
            await asyncio.wait(self._connections, timeout=0.05)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (upstream := await self._connected()) is None:
            writer.transport.abort()
            return
        up_reader, up_writer = upstream
        self._ends |= {up_writer, writer}
        losing = asyncio.Event()
        directions = [
            asyncio.ensure_future(self._send(reader, up_writer, losing)),
            asyncio.ensure_future(self._reply(up_reader, writer, losing)),
        ]
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for task in directions:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        for end in (up_writer, writer):
            end.close()
            with suppress(OSError):
                await end.wait_closed()
        self._ends -= {up_writer, writer}

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in self._upstream:
            with suppress(OSError):  # nothing listens there
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _send(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._trigger and self._trigger in data:
                    self._trigger = None
                    losing.set()
                upstream.write(data)
                await upstream.drain()

    async def _reply(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await upstream.read(65536):
                if losing.is_set():
                    self.lost.set()
                    await asyncio.to_thread(self._cut.wait, 10)
                    return
                writer.write(data)
                await writer.drain()


P = TypeVar("P", bound=Proxy)


@contextmanager
def running(proxy: P) -> Iterator[P]:
    """Run the proxy on a thread while the block lasts."""
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        await proxy.serve(ready, stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(SECONDS)
    try:
        yield proxy
    finally:
        proxy.cut()
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def proxy_to(*ports: int) -> Iterator[Proxy]:
    """A proxy in front of ports on the loopback interface."""
    with running(Proxy(*ports)) as proxy:
        yield proxy
