"""Requests that are no message at all: refused like any other bad input, instead of failing inside gRPC."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a servicer gets in place of a request that could not be parsed."""

    problem: str


class TolerantServer:
    """Stands in for the server where generated code adds a servicer: `add_…_to_server(servicer, TolerantServer(…))`.

    gRPC itself answers UNKNOWN, with the parser's exception as text, and logs a traceback. Here the servicer is called
    with `Unreadable` instead, which `typed_errors` refuses.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Nothing: generated code registers the same handlers by name, too."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Register the methods of a service."""
        tolerant = {
            name: handler._replace(request_deserializer=_tolerant(handler.request_deserializer))
            for name, handler in handlers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, tolerant),))


def _tolerant(parse: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        try:
            return parse(data)
        except DecodeError as error:
            return Unreadable(str(error))

    return read
