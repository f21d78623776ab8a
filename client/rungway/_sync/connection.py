"""How the calls of a client for threads reach the service: over gRPC, or over HTTP."""

from collections.abc import Generator
from typing import Protocol

from google.protobuf.message import Message

from rungway._core.address import http_address, without_library
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError
from rungway._core.flow import Attempt
from rungway._core.rpcs import Reply, Rpc


class Connection(Protocol):
    """What a driver needs. Any number of threads may use it at once."""

    def attempt(self, effect: Attempt) -> Message:
        """Send a request once. Raises the error of the service, and Unavailable or DeadlineExceeded without an
        answer."""

    def stream(self, rpc: Rpc[Reply], request: Message) -> Generator[Reply, None, None]:
        """The replies of a streaming rpc. Raises Unavailable when the connection is lost."""

    def problem(self, error: RungwayError) -> RungwayError | None:
        """What is wrong with the settings of the connection, if that explains why a call got no answer."""

    def close(self) -> None:
        """End the calls under way, and close."""


def connection(config: ClientConfig) -> Connection:
    """The connection that the target asks for. Raises InvalidArgument for settings that cannot be used."""
    address = http_address(config.target)
    if address is None:
        from rungway._sync.grpc_connection import GrpcConnection

        return GrpcConnection(config)
    try:
        from rungway._sync.http_connection import HttpConnection
    except ModuleNotFoundError as missing:
        raise without_library(config.target, missing) from missing
    return HttpConnection(config, address)
