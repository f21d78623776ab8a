"""The gRPC server on its port, put up again whenever gRPC's own loop ends by itself.

grpc.aio decodes the path of a call outside of any call: a path that is not UTF-8, whoever sent it, ends the loop that
takes calls, and with it the server. Here another server takes the port in a moment; calls in work finish meanwhile, and
clients connect again by themselves.
"""

import asyncio
from collections.abc import Callable

import grpc
import structlog

_LOOK_SECONDS = 0.1
_FINISH_SECONDS = 2.0
"""How long calls in work may take to finish on a server that has ended; some of its calls nobody works on."""
_log = structlog.get_logger()


class Listener:
    """Builds servers by `build`; `bind(server, address)` makes one listen, and tells the address with its port."""

    def __init__(self, build: Callable[[], grpc.aio.Server], bind: Callable[[grpc.aio.Server, str], str]) -> None:
        self._build, self._bind = build, bind
        self._server = build()
        self._following: asyncio.Task[None] | None = None
        self._ended: set[asyncio.Task[None]] = set()

    async def start(self, address: str) -> str:
        """Take calls at host:port; the address with the port that was taken. Raises what `bind` raises."""
        taken = self._bind(self._server, address)
        await self._server.start()
        self._following = asyncio.create_task(self._follow(taken))
        return taken

    async def stop(self, seconds: float) -> None:
        """No new calls; those in work have so many seconds to finish."""
        if self._following:
            self._following.cancel()
        await self._server.stop(seconds)

    async def _follow(self, address: str) -> None:
        while True:
            try:
                await self._server.wait_for_termination(_LOOK_SECONDS)
            except Exception as error:
                _log.error("server_ended_by_itself", error=repr(error))
                await self._replace(address)

    async def _replace(self, address: str) -> None:
        ended = asyncio.create_task(self._server.stop(_FINISH_SECONDS))
        self._ended.add(ended)  # the loop itself keeps no task alive
        ended.add_done_callback(self._ended.discard)
        while True:
            server = self._build()
            try:
                self._bind(server, address)
            except Exception as error:  # the port is not free yet
                _log.warning("port_not_taken", address=address, error=str(error))
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            self._server = server
            await server.start()
            return
