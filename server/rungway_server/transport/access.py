"""The access check in front of every gRPC service but health."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from rungway_server.service.access import EXEMPT, REVOKED_WITHIN_SECONDS, Guard
from rungway_server.transport import requests
from rungway_server.transport.errors import Context, refuse

AUTHORIZATION = "authorization"
NAMESPACE = "rungway-namespace"
"""Metadata by which callers name the namespace they mean, where they have a choice."""

Handler = Any  # grpc.RpcMethodHandler; what its types say lacks half of its attributes


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Asks the guard before each call; what it admits runs with the guard's namespace in `requests.NAMESPACE`."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """See grpc."""
        handler, rpc = await continuation(details), str(details.method)[1:]
        if handler is None or rpc in EXEMPT:
            return handler
        found = {AUTHORIZATION: "", NAMESPACE: ""}
        for key, value in details.invocation_metadata or ():
            if key in found:
                found[key] = str(value)

        async def admit() -> str:
            return await self._guard.admit(rpc, found[AUTHORIZATION], found[NAMESPACE])

        try:
            requests.NAMESPACE.set(await admit())
        except Exception as error:
            return _like(handler, _refusal(error, rpc))
        if handler.unary_stream:
            return handler._replace(unary_stream=_readmitted(handler.unary_stream, admit, rpc))
        return handler


def _refusal(error: Exception, rpc: str) -> Callable[..., Awaitable[None]]:
    async def refused(_: object, context: Context) -> None:
        await refuse(context, error, rpc)

    return refused


def _readmitted(
    serve: Callable[[Any, Context], Awaitable[None]], admit: Callable[[], Awaitable[str]], rpc: str
) -> Callable[[Any, Context], Awaitable[None]]:
    """A stream may last for hours: it ends soon after its token is revoked or expires."""

    async def served(request: Any, context: Context) -> None:
        call = asyncio.ensure_future(serve(request, context))
        try:
            while not (await asyncio.wait((call,), timeout=REVOKED_WITHIN_SECONDS))[0]:
                await admit()
        except Exception as error:
            await refuse(context, error, rpc)
        finally:
            call.cancel()
        await call

    return served


def _like(handler: Handler, serve: Callable[..., Awaitable[None]]) -> Handler:
    """A handler of the same kind that reads no message."""
    if handler.request_streaming:
        kind = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    else:
        kind = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
    return kind(serve)
