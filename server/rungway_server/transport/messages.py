"""Reads the message of a call: with a time limit, and refused as bad input if it cannot be parsed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from rungway_server.transport.anonymous_calls import AnonymousCalls
from rungway_server.transport.counted import counted_call
from rungway_server.transport.server import Server

if TYPE_CHECKING:
    from rungway_server.metrics import Rpcs

MESSAGE_SECONDS = 10.0
"""How long a call may wait for its first message, or the next one."""

Context = Any
Serve = Callable[[Any, Context], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a servicer gets in place of a request that could not be parsed."""

    problem: str


class ReadingServer:
    """Takes the place of the server where generated code adds a servicer: `add_…_to_server(servicer,
    ReadingServer(…))`.

    gRPC itself waits for a message without limit before it calls a handler. Here the handler is called once the headers
    have arrived, so that a call can be refused then, and waits MESSAGE_SECONDS for the message. gRPC answers a message
    that cannot be parsed with UNKNOWN and the parser's exception as text, and logs a traceback. Here the servicer is
    called with `Unreadable` instead, which `typed_errors` refuses.
    """

    def __init__(self, server: Server, anonymous: AnonymousCalls | None = None, counted: "Rpcs | None" = None) -> None:
        """`anonymous`: limits for services that need no token. `counted`: where calls with one answer are counted;
        streams are counted by who checks their access."""
        self._server, self._anonymous, self._counted = server, anonymous, counted

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignored: generated code registers the same handlers by name, too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Register the methods of a service."""
        self._server.add_registered_method_handlers(
            service, {name: self._reading(f"{service}/{name}", handler) for name, handler in handlers.items()}
        )

    def _reading(self, rpc: str, handler: Any) -> Any:
        """The same method as a handler that gRPC calls once the headers have arrived."""
        serve = _conversation(handler.stream_stream) if handler.request_streaming else _served(_one(handler))
        if self._anonymous:
            serve = self._anonymous.limited(serve)
        if self._counted and not handler.response_streaming:
            serve = counted_call(self._counted, rpc, serve)
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
    """The function that serves a call with one request."""
    serve: Serve = handler.unary_stream or handler.unary_unary
    return serve


async def _next(context: Context) -> Any:
    """The next message of the caller, or EOF. Aborts the call if none arrives in time."""
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
    """For a method with a stream of requests and answers, such as reflection."""

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
