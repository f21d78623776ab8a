"""A TCP proxy that loses replies: what was sent through it arrives, what comes back does not.

It runs on a thread with an event loop of its own, so that blocking tests can use it too.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Passes everything on, until `lose_replies` names what to lose."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._trigger: bytes | None = None
        self._cut = threading.Event()
        self.port = 0
        """Where it listens on the loopback interface."""
        self.lost = threading.Event()
        """Set when a reply was lost."""

    def lose_replies(self, trigger: bytes, *, cut: bool = True) -> None:
        """The next connection that sends a chunk with `trigger` gets no reply any more, and is cut when one comes from
        upstream. Happens once. With `cut=False` it is left open until `cut()`: for protocols where the first bytes
        that come back may not be the reply yet."""
        self.lost.clear()
        self._cut.clear()
        if cut:
            self._cut.set()
        self._trigger = trigger

    def cut(self) -> None:
        """Close the connection that has lost a reply."""
        self._cut.set()

    async def serve(self) -> None:
        """Listen; returns at once."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        losing = asyncio.Event()
        directions = [
            asyncio.ensure_future(self._send(reader, up_writer, losing)),
            asyncio.ensure_future(self._reply(up_reader, writer, losing)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in directions:
                task.cancel()
            for end in (up_writer, writer):
                end.close()

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


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """A proxy in front of a port of the loopback interface."""
    proxy, loop = Proxy(port), asyncio.new_event_loop()
    loop.run_until_complete(proxy.serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(15)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
