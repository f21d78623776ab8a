"""Listens for HTTP: uvicorn on the event loop of the gRPC server, without its signals, with TLS that is reloaded."""

import asyncio
import errno
import math
import socket
import ssl
from typing import Any

import structlog
import uvicorn

from rungway_server.service.high_water import HighWaterWarning
from rungway_server.transport.http.app import App
from rungway_server.transport.http.protocol import LimitedProtocol

_KEEP_ALIVE_SECONDS = 75
"""How long a connection without requests stays open; that of clients is shorter, so that they close first."""
_HANDSHAKE_SECONDS = 10.0
_BACKLOG = 2_048
_log = structlog.get_logger()


class Listener:
    """The HTTP port of one process."""

    def __init__(self, app: App, sock: socket.socket, tls: ssl.SSLContext | None, most_connections: int) -> None:
        """`sock` is bound; with `tls` the port speaks https only."""
        self._app, self._socket = app, sock
        self._server = _Server(app, tls, most_connections)
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """host:port, IPv6 in brackets."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        """Accept connections."""
        await self._server.startup([self._socket])
        self._serving = asyncio.ensure_future(self._server.run_until_stopped([self._socket]))

    def announce_end(self) -> None:
        """From now on `/readyz` says no, and each connection is closed after its next reply."""
        self._app.draining = True

    async def stop(self, seconds: float) -> None:
        """Accept nothing more, and wait so long for requests that run; then they are cancelled."""
        self._server.config.timeout_graceful_shutdown = math.ceil(seconds)
        self._server.should_exit = True
        if self._serving:
            await self._serving


class _Server(uvicorn.Server):
    """uvicorn's server as a part of another program."""

    def __init__(self, app: App, tls: ssl.SSLContext | None, most_connections: int) -> None:
        limits: dict[str, Any] = {
            "most_connections": most_connections,
            "high_water": HighWaterWarning("many_http_connections", most_connections),
        }
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http=type("Protocol", (LimitedProtocol,), limits),
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                log_level="critical",  # what is unexpected is logged by the app; what cannot be parsed is the caller's
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )
        self._tls = tls

    async def run_until_stopped(self, sockets: list[socket.socket]) -> None:
        """What `serve` does after `startup`; signals are not uvicorn's here."""
        await self.main_loop()
        await self.shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, with a deadline for TLS handshakes."""
        if not self.config.loaded:
            self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            kind: Any = config.http_protocol_class
            made: asyncio.Protocol = kind(config=config, server_state=self.server_state, app_state={}, _loop=loop)
            return made

        handshake = _HANDSHAKE_SECONDS if self._tls else None
        self.servers = [
            await loop.create_server(
                protocol, sock=each, ssl=self._tls, backlog=_BACKLOG, ssl_handshake_timeout=handshake
            )
            for each in sockets or ()
        ]
        self.started = True


def bound(host: str, port: int, *, shared: bool = False, else_free: bool = False) -> socket.socket:
    """A socket bound to an address; other processes may bind a `shared` one, too. One that is not shared listens.

    With `else_free` any free port is taken where this one is in use, with a warning in the log. Raises OSError.
    """
    name = host.strip("[]")
    family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    try:
        return _bound(family, address, shared=shared)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not else_free:
            raise
    sock = _bound(family, (address[0], 0, *address[2:]), shared=shared)
    _log.warning("http_port_taken", wanted=f"{host}:{port}", instead=sock.getsockname()[1])
    return sock


def _bound(family: int, address: tuple[Any, ...], *, shared: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME-WAIT hold no port
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and address[0] == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # as gRPC does
        sock.bind(address)
        if not shared:  # two programs can bind a port until one listens, and uvloop does not tell that it could not
            sock.listen(_BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
