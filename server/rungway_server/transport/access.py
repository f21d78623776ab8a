"""Checks access before every gRPC call except those for health, and bounds the streams of both ports."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

from rungway_server.domain.errors import QuotaExceeded
from rungway_server.service.access import EXEMPT, REVOKED_WITHIN_SECONDS, Guard
from rungway_server.transport import requests
from rungway_server.transport.counted import counted_stream
from rungway_server.transport.errors import Context, refuse

if TYPE_CHECKING:
    from rungway_server.metrics import Rpcs

AUTHORIZATION = "authorization"
NAMESPACE = "rungway-namespace"
"""Metadata with the namespace that the caller wants to act in, where its token allows several."""

Serve = Callable[[Any, Context], Awaitable[None]]
Handler = Any  # grpc.RpcMethodHandler, whose types lack half of its attributes


class OpenStreams:
    """Counts the streams of each namespace in this process, over gRPC and HTTP together.

    A stream is long, and counts as one of the calls that the server runs at once: without a limit one namespace could
    use them all up.
    """

    def __init__(self, guard: Guard, most: int) -> None:
        """`most`: how many streams a namespace may have open."""
        self._guard, self._most = guard, most
        self._open: Counter[str] = Counter()

    def served(self, serve: Serve, namespace: str, credentials: tuple[str, str, str]) -> Serve:
        """The same method; its stream is counted while it is open, and ends soon after its token is revoked or
        expires. `credentials` are the arguments of `Guard.check`."""

        async def served(request: Any, context: Context) -> None:
            if self._open[namespace] >= self._most:
                error = QuotaExceeded("streams", most=self._most)
                await refuse(context, error, credentials[0], request=request)
            self._open[namespace] += 1
            call = asyncio.ensure_future(serve(request, context))
            try:
                while not (await asyncio.wait((call,), timeout=REVOKED_WITHIN_SECONDS))[0]:
                    await self._guard.check(*credentials)
            except Exception as error:
                await refuse(context, error, credentials[0], request=request)
            finally:
                call.cancel()
                self._open[namespace] -= 1
                if not self._open[namespace]:
                    del self._open[namespace]
            await call

        return served


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Asks the guard before each call; an admitted call runs with its namespace in `requests.NAMESPACE`."""

    def __init__(self, guard: Guard, streams: OpenStreams, counted: "Rpcs | None" = None) -> None:
        """`counted`: where refused calls and streams are counted."""
        self._guard, self._streams, self._counted = guard, streams, counted

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """See grpc.aio.ServerInterceptor."""
        handler, rpc = await continuation(details), str(details.method)[1:]
        if handler is None or rpc in EXEMPT:
            return handler
        found = {AUTHORIZATION: "", NAMESPACE: ""}
        for key, value in details.invocation_metadata or ():
            if key in found:
                found[key] = str(value)

        credentials = (rpc, found[AUTHORIZATION], found[NAMESPACE])
        try:
            namespace = await self._guard.admit(*credentials)
        except Exception as error:
            # A stream handler is called before any message.
            return grpc.stream_stream_rpc_method_handler(self._counting(rpc, _refusal(error, rpc, credentials[2])))
        requests.NAMESPACE.set(namespace)
        if inspect.iscoroutinefunction(handler.stream_stream):  # reflection's own is a generator
            served = self._streams.served(handler.stream_stream, namespace, credentials)
            return handler._replace(stream_stream=self._counting(rpc, served))
        return handler

    def _counting(self, rpc: str, serve: Serve) -> Serve:
        return counted_stream(self._counted, rpc, serve) if self._counted else serve


def _refusal(error: Exception, rpc: str, namespace: str) -> Callable[..., Awaitable[None]]:
    async def refused(_: object, context: Context) -> None:
        await refuse(context, error, rpc, namespace=namespace)

    return refused
