"""The interceptor that checks access before every gRPC call except those for health."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from rungway_server.domain.errors import QuotaExceeded
from rungway_server.service.access import EXEMPT, REVOKED_WITHIN_SECONDS, Guard
from rungway_server.transport import requests
from rungway_server.transport.errors import Context, refuse

AUTHORIZATION = "authorization"
NAMESPACE = "rungway-namespace"
"""Metadata with the namespace that the caller wants to act in, where its token allows several."""

Serve = Callable[[Any, Context], Awaitable[None]]
Handler = Any  # grpc.RpcMethodHandler, whose types lack half of its attributes


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Asks the guard before each call; an admitted call runs with its namespace in `requests.NAMESPACE`."""

    def __init__(self, guard: Guard, most_streams: int) -> None:
        """`most_streams`: how many streams a namespace may have open in this process. A stream is long, and counts as
        one of the calls that the server runs at once: without a limit one namespace could use them all up."""
        self._guard, self._most_streams = guard, most_streams
        self._streams: Counter[str] = Counter()

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
            return grpc.stream_stream_rpc_method_handler(_refusal(error, rpc))
        requests.NAMESPACE.set(namespace)
        if inspect.iscoroutinefunction(handler.stream_stream):  # reflection's own is a generator
            return handler._replace(stream_stream=self._stream(handler.stream_stream, namespace, credentials))
        return handler

    def _stream(self, serve: Serve, namespace: str, credentials: tuple[str, str, str]) -> Serve:
        """Counts a stream while it is open, and ends it soon after its token is revoked or expires."""

        async def served(request: Any, context: Context) -> None:
            if self._streams[namespace] >= self._most_streams:
                await refuse(context, QuotaExceeded("streams", most=self._most_streams), credentials[0])
            self._streams[namespace] += 1
            call = asyncio.ensure_future(serve(request, context))
            try:
                while not (await asyncio.wait((call,), timeout=REVOKED_WITHIN_SECONDS))[0]:
                    await self._guard.check(*credentials)
            except Exception as error:
                await refuse(context, error, credentials[0])
            finally:
                call.cancel()
                self._streams[namespace] -= 1
                if not self._streams[namespace]:
                    del self._streams[namespace]
            await call

        return served


def _refusal(error: Exception, rpc: str) -> Callable[..., Awaitable[None]]:
    async def refused(_: object, context: Context) -> None:
        await refuse(context, error, rpc)

    return refused
