"""The connections below HTTP of a client for asyncio: a handshake that is cancelled closes its socket, which the HTTP
library leaves open."""

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from rungway._core.http_library import SocketOption, check_other_side


class TidyNetwork(httpcore.AnyIOBackend):
    """Opens connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection."""
        connection = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        try:
            check_other_side(connection)
        except BaseException:
            await connection.aclose()
            raise
        return TidyConnection(connection)


class TidyConnection(httpcore.AsyncNetworkStream):
    """A connection that may be encrypted later."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes; none at the end."""
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes."""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the socket."""
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        """What the HTTP library wants to know of the socket."""
        return self._inner.get_extra_info(info)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """The encrypted connection, which takes the place of this one."""
        try:
            return await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._inner.aclose()
            raise
