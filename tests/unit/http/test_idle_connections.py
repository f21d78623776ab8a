"""A connection that is idle for long is closed, and one that is used is not."""

import asyncio
import socket
from typing import Any

import pytest

from rungway_server.transport.http import listener
from rungway_server.transport.http.replies import Reply

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
IDLE = 0.5


async def app(_scope: Any, _receive: Any, send: Any) -> None:
    await Reply(200, b"text/plain", b"ok").send(send, close=False)


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    """One request and its reply; when that came."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert await reader.readexactly(2) == b"ok"
    return asyncio.get_running_loop().time()


async def test_the_time_counts_from_the_last_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_KEEP_ALIVE_SECONDS", IDLE)
    loop, sock = asyncio.get_running_loop(), socket.create_server(("127.0.0.1", 0))
    server = listener._Server(app, None, 100)  # type: ignore[arg-type]
    await server.startup([sock])
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    begun = last = loop.time()
    while last - begun < 2 * IDLE:
        before, last = last, await asked(reader, writer)
        if last - before >= IDLE:
            pytest.skip("the machine is too busy to use a connection often")
        await asyncio.sleep(IDLE / 10)
    assert await reader.read() == b""
    assert loop.time() - last >= IDLE - 0.05
    writer.close()
    server.servers[0].close()


async def test_a_request_that_lasts_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_KEEP_ALIVE_SECONDS", IDLE)
    waits = iter((0.0, 3 * IDLE))

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(next(waits))
        await app(scope, receive, send)

    sock = socket.create_server(("127.0.0.1", 0))
    server = listener._Server(slow, None, 100)  # type: ignore[arg-type]
    await server.startup([sock])
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    await asked(reader, writer)
    last = await asked(reader, writer)  # the timer of the first reply runs out meanwhile
    assert await reader.read() == b""
    assert asyncio.get_running_loop().time() - last >= IDLE - 0.05
    writer.close()
    server.servers[0].close()
