"""The standard health service: what may be asked for, and how it follows the store."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import structlog
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

LIVENESS = "liveness"
"""A service name that is SERVING as long as the process runs, whatever the store does: for liveness probes."""

_Response = health_pb2.HealthCheckResponse
_log = structlog.get_logger()


class Health(aio.HealthServicer):  # type: ignore[misc]  # the package has no types
    """SERVING for "" and every service named, while the store can be used; NOT_SERVING until then.

    A store that is away makes the server not ready, never dead: it recovers by itself when the store is back.
    """

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__()
        self._services = ("", *services)
        self._problem = "not known yet"
        self.drained = asyncio.Event()
        """Set when the server drains and load balancers had time to see it: streams end."""

    @property
    def ready(self) -> bool:
        """Whether it answers SERVING."""
        return not self._problem

    async def report(self, problem: str) -> None:
        """Tell everybody who asks or watches that the store can be used (""), or why it cannot; log each change."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            _log.error("store_unavailable", error=problem)
        else:
            _log.info("store_available")
        for service in self._services:
            await self.set(service, _Response.NOT_SERVING if problem else _Response.SERVING)
        await self.set(LIVENESS, _Response.SERVING)

    async def follow(
        self, check: Callable[[], Awaitable[None]], interval_seconds: float, problems: tuple[type[Exception], ...]
    ) -> None:
        """Run `check` again and again; which of `problems` it raises is what is wrong with the store. Anything else is
        a fault of ours, which says nothing of the store. Ends when cancelled."""
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
        """NOT_SERVING for good; wait until load balancers had time to see it, then end the watches."""
        await self.enter_graceful_shutdown()
        await asyncio.sleep(notice_seconds)
        self.drained.set()

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> None:
        """Stream the status until the client goes or the server drains: an open watch would hold up its end."""
        watch = asyncio.ensure_future(super().Watch(request, context))
        drained = asyncio.ensure_future(self.drained.wait())
        try:
            await asyncio.wait((watch, drained), return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()
            watch.cancel()
            await asyncio.gather(watch, drained, return_exceptions=True)
