"""How the calls of a client for asyncio reach the service: over gRPC, or over HTTP."""

from collections.abc import AsyncGenerator
from typing import Protocol

from google.protobuf.message import Message

from rungway._core.address import http_address, without_library
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError
from rungway._core.flow import Attempt
from rungway._core.rpcs import Reply, Rpc


class AsyncConnection(Protocol):
    """What a driver needs. It belongs to the event loop of its first call."""

    async def attempt(self, effect: Attempt) -> Message:
        """Send a request once. Raises the error of the service, and Unavailable or DeadlineExceeded without an
        answer."""

    def stream(self, rpc: Rpc[Reply], request: Message) -> AsyncGenerator[Reply, None]:
        """The replies of a streaming rpc. Raises Unavailable when the connection is lost."""

    def problem(self, error: RungwayError) -> RungwayError | None:
        """What is wrong with the settings of the connection, if that explains why a call got no answer. It waits, so
        call it in a thread."""

    async def close(self) -> None:
        """Cancel the calls under way, and close."""


def connection(config: ClientConfig) -> AsyncConnection:
    """The connection that the target asks for. Raises InvalidArgument for settings that cannot be used."""
    address = http_address(config.target)
    if address is None:
        from rungway._async.grpc_connection import AsyncGrpcConnection

        return AsyncGrpcConnection(config)
    try:
        from rungway._async.http_connection import AsyncHttpConnection
    except ModuleNotFoundError as missing:
        raise without_library(config.target, missing) from missing
    return AsyncHttpConnection(config, address)
