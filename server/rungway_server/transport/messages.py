"""How the message of a call is read: within a time, and refused like any other bad input when it is no message."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from rungway_server.transport.server import Server
from rungway_server.transport.strangers import Strangers

FIRST_MESSAGE_SECONDS = 10.0
"""How long a call may be open before its message is there."""

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

    def __init__(self, server: Server, strangers: Strangers | None = None) -> None:
        """`strangers`: the limits for services whose callers show no token."""
        self._server, self._strangers = server, strangers

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Nothing: generated code registers the same handlers by name, too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Register the methods of a service."""
        self._server.add_registered_method_handlers(
            service, {name: self._reading(handler) for name, handler in handlers.items()}
        )

    def _reading(self, handler: Any) -> Any:
        """The same method, as one that gRPC calls at the headers."""
        serve = _served(handler.unary_stream or handler.unary_unary)
        if self._strangers:
            serve = self._strangers.limited(serve)
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


def _served(serve: Serve) -> Serve:
    async def served(_: object, context: Context) -> Any:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_SECONDS):
                request = await context.read()
        except TimeoutError:
            await context.abort(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"no message within {FIRST_MESSAGE_SECONDS:.0f} s of the call"
            )
        if request is grpc.aio.EOF:
            request = Unreadable("the call has ended without a message")
        return await serve(request, context)

    return served


def _tolerant(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        try:
            return parse(data)
        except DecodeError as error:
            return Unreadable(str(error))

    return read
