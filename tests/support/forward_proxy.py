"""A forward proxy as companies have them: it passes on requests for http:// URLs and opens tunnels for https://.

`python -m tests.support.forward_proxy LOG [USER:PASSWORD [CERT KEY]]`: it prints its port, and appends a line for each
request to LOG. Every name means this host, so that tests reach a service by names that only the proxy knows.
"""

import asyncio
import os
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


class _Proxy:
    def __init__(self, log: Path, login: str) -> None:
        self._log, self._login = log, b64encode(login.encode()).decode() if login else ""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            with self._log.open("a") as log:
                log.write(f"{method} {target}\n")
            if self._login and f"proxy-authorization: basic {self._login.lower()}" not in head.lower():
                text = "<html><body>Tell me who you are</body></html>"
                answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=proxy\r\n"
                writer.write(f"{answer}Content-Type: text/html\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            else:
                await self._forward(method, target, head, reader, writer)
        writer.close()

    async def _forward(
        self, method: str, target: str, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", url.port)
        except OSError:
            writer.write(b"HTTP/1.1 502 No Such Host\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:  # one request for each connection
            lines = [line for line in head.split("\r\n")[1:] if not line.lower().startswith("connection:")]
            path = f"{url.path}?{url.query}" if url.query else url.path
            up_writer.write("\r\n".join((f"{method} {path} HTTP/1.1", "Connection: close", *lines)).encode())
        await asyncio.gather(_pass_on(reader, up_writer), _pass_on(up_reader, writer))
        up_writer.close()


async def _serve(log: str, login: str = "", *pair: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if pair else None
    if context:
        context.load_cert_chain(*pair)
    server = await asyncio.start_server(_Proxy(Path(log), login).accept, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def forward_proxy(log: Path, login: str = "", *pair: str) -> Iterator[str]:
    """The host:port of a proxy that runs while the block lasts; with a pair of certificate and key it speaks TLS."""
    command = [sys.executable, "-m", "tests.support.forward_proxy", str(log), login, *pair]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            assert process.stdout
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
