"""The standard gRPC health service; it follows the state of the store."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from rungway_server.transport.health_listener import NO_STORE, STOPPING

LIVENESS = "liveness"
"""A service name that is SERVING as long as the process runs, even without a store: for liveness probes."""

_Response = health_pb2.HealthCheckResponse
_log = structlog.get_logger()


class Health(aio.HealthServicer):  # type: ignore[misc]  # the package has no types
    """SERVING for "" and every named service while the store can be used, otherwise NOT_SERVING.

    Without its store the server is not ready, but alive: it recovers by itself when the store is back.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._problem = "not known yet"
        self._tell: Callable[[str], None] = lambda _: None
        self.drained = asyncio.Event()
        """Set once the server drains and load balancers have had time to notice: streams end."""

    @property
    def ready(self) -> bool:
        """Whether it answers SERVING."""
        return not self._problem

    def tell(self, status: Callable[[str], None]) -> None:
        """Call `status` now and with each change: "" while calls are served, else why not, in a word."""
        self._tell = status
        status(NO_STORE if self._problem else "")

    def stop(self) -> None:
        """Tell that the server stops; nothing is told after that."""
        self._tell(STOPPING)
        self._tell = lambda _: None

    async def report(self, problem: str) -> None:
        """Set the status: the store can be used (""), or the reason why not. Logs each change."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            _log.error("store_unavailable", error=problem)
        else:
            _log.info("store_available")
        self._tell(NO_STORE if problem else "")
        for service in self._services:
            await self.set(service, _Response.NOT_SERVING if problem else _Response.SERVING)
        await self.set(LIVENESS, _Response.SERVING)

    async def follow(
        self, check: Callable[[], Awaitable[None]], interval_seconds: float, problems: tuple[type[Exception], ...]
    ) -> None:
        """Run `check` at intervals until cancelled. An exception in `problems` is a problem of the store and is
        reported; any other one is a bug of ours, is logged, and does not change the status."""
        fault = ""
        while True:
            problem = ""
            try:
                await check()
            except problems as error:
                problem = str(error) or type(error).__name__
            except Exception as error:
                problem = self._problem
                if repr(error) != fault:
                    fault = repr(error)
                    _log.exception("health_check_fault")
            await self.report(problem)
            await asyncio.sleep(interval_seconds)

    async def drain(self, notice_seconds: float) -> None:
        """Switch to NOT_SERVING, wait `notice_seconds` for load balancers to notice, then end the watches."""
        await self.enter_graceful_shutdown()
        await asyncio.sleep(notice_seconds)
        self.drained.set()

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        """Stream the status until the client leaves or the server drains: an open watch would delay its end."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        drained = asyncio.ensure_future(self.drained.wait())
        try:
            await asyncio.wait((watch, drained), return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            watch.cancel()
            await asyncio.gather(watch, drained, return_exceptions=True)
