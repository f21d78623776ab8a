"""How the message of a call is read: within a time, and refused like any other bad input when it is no message."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from rungway_server.transport.anonymous_calls import AnonymousCalls
from rungway_server.transport.server import Server

MESSAGE_SECONDS = 10.0
"""How long a call may be open before its message is there, or its next one."""

Context = Any
Serve = Callable[[Any, Context], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a servicer gets in place of a request that could not be parsed."""

    problem: str


class ReadingServer:
    """Stands in for the server where generated code adds a servicer: `add_…_to_server(servicer, ReadingServer(…))`.

    gRPC itself waits for a message for ever, before it calls anybody. Here the handler is called at the headers, so
    that a call can be refused by then, and waits for the message for some seconds. To what is no message gRPC answers
    UNKNOWN, with the parser's exception as text, and logs a traceback. Here the servicer is called with `Unreadable`
    instead, which `typed_errors` refuses.
    """

    def __init__(self, server: Server, anonymous: AnonymousCalls | None = None) -> None:
        """`anonymous`: limits for services that need no token."""
        self._server, self._anonymous = server, anonymous

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Nothing: generated code registers the same handlers by name, too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Register the methods of a service."""
        self._server.add_registered_method_handlers(
            service, {name: self._reading(handler) for name, handler in handlers.items()}
        )

    def _reading(self, handler: Any) -> Any:
        """The same method, as one that gRPC calls at the headers."""
        serve = _conversation(handler.stream_stream) if handler.request_streaming else _served(_one(handler))
        if self._anonymous:
            serve = self._anonymous.limited(serve)
        kind = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        return kind(
            serve,
            request_deserializer=_tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )


def _one(handler: Any) -> Serve:
    """What serves a call of one request."""
    serve: Serve = handler.unary_stream or handler.unary_unary
    return serve


async def _next(context: Context) -> Any:
    """The next message of the caller, or EOF; ends the call when none comes."""
    try:
        async with asyncio.timeout(MESSAGE_SECONDS):
            return await context.read()
    except TimeoutError:
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no message within {MESSAGE_SECONDS:.0f} s")


def _served(serve: Serve) -> Serve:
    async def served(_: object, context: Context) -> Any:
        request = await _next(context)
        if request is grpc.aio.EOF:
            request = Unreadable("the call has ended without a message")
        return await serve(request, context)

    return served


def _conversation(serve: Callable[[Any, Context], AsyncIterator[Any]]) -> Serve:
    """For a method that answers message after message, as reflection does."""

    async def requests(context: Context) -> AsyncIterator[Any]:
        while (request := await _next(context)) is not grpc.aio.EOF:
            if isinstance(request, Unreadable):
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, request.problem)
            yield request

    async def served(_: object, context: Context) -> None:
        async for answer in serve(requests(context), context):
            await context.write(answer)

    return served


def _tolerant(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        try:
            return parse(data)
        except DecodeError as error:
            return Unreadable(str(error))

    return read
