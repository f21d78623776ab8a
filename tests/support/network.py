"""A TCP proxy that acts as a bad network: down, slow, silent, in small pieces, reset or half closed."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from tests.support.proxy import Proxy, running


class Link(Proxy):
    """A good network until an attribute says otherwise. Attributes may be set from any thread."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.delay = 0.0
        """Delay of each piece (seconds)."""
        self.slice = 0
        """Largest piece (bytes) that is passed on at once; 0 = as it was sent."""
        self.silent = False
        """Whether connections stay open but pass nothing on."""
        self._down = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """See Proxy."""
        self._loop = asyncio.get_running_loop()
        await super().serve(ready, stop)

    def heal(self) -> None:
        """Work as a good network again."""
        self.delay, self.slice, self.silent, self._down = 0.0, 0, False, False

    def go_down(self) -> None:
        """Cut every connection and refuse new ones."""
        self._down = True
        self.reset()

    def reset(self) -> None:
        """Cut every connection with a RST; new ones work."""
        self._soon(lambda end: end.transport.abort(), linger=True)

    def half_close(self) -> None:
        """End the stream towards both sides of every connection (FIN), but still pass on what they send."""
        self._soon(lambda end: end.write_eof())

    def _soon(self, act: Callable[[asyncio.StreamWriter], object], *, linger: bool = False) -> None:
        def all_ends() -> None:
            for end in list(self._ends):
                with suppress(OSError, RuntimeError):  # it is just closing
                    if linger:
                        end.get_extra_info("socket").setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    act(end)

        assert self._loop
        self._loop.call_soon_threadsafe(all_ends)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
        else:
            await super()._carry(reader, writer)

    async def _send(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        await self._pump(reader, upstream)

    async def _reply(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        await self._pump(upstream, writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):  # closed, also by half_close
            while data := await reader.read(65536):
                await asyncio.sleep(self.delay)
                while self.silent:  # noqa: ASYNC110 - set from another thread
                    await asyncio.sleep(0.01)
                size = self.slice or len(data)
                for start in range(0, len(data), size):
                    writer.write(data[start : start + size])
                    await writer.drain()
                    await asyncio.sleep(0)


def link_to(port: int) -> AbstractContextManager[Link]:
    """A network in front of a port on the loopback interface."""
    return running(Link(port))
