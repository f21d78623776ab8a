"""Calls over gRPC, with its synchronous interface."""

from collections.abc import Generator
from typing import Any

import grpc
from google.protobuf.message import Message

from rungway._core.channel import closed_error, open_channel, serialized
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError, from_rpc_error
from rungway._core.flow import Attempt
from rungway._core.port_probe import http_port
from rungway._core.proxies import grpc_proxy, naming
from rungway._core.rpcs import Reply, Rpc
from rungway._core.tls import call_metadata, tls_problem


class GrpcConnection:
    """A channel of gRPC: see Connection."""

    def __init__(self, config: ClientConfig) -> None:
        self._config, self._metadata = config, call_metadata(config)
        self._channel, self._proxy = open_channel(config), grpc_proxy(config.target)
        self._methods: dict[str, Any] = {}

    def attempt(self, effect: Attempt) -> Message:
        """Send a request once."""
        try:
            reply: Message = self._method(effect.rpc)(
                effect.request,
                timeout=effect.timeout,
                metadata=self._metadata,
                wait_for_ready=effect.rpc.by_worker,
            )
        except (grpc.RpcError, ValueError) as failure:
            raise self._typed(failure) from failure
        return reply

    def stream(self, rpc: Rpc[Reply], request: Message) -> Generator[Reply, None, None]:
        """The replies of a streaming rpc."""
        try:
            method = self._channel.unary_stream(rpc.path, serialized, rpc.reply.FromString)
            stream = method(request, metadata=self._metadata)
            try:
                yield from stream
            finally:
                stream.cancel()
        except (grpc.RpcError, ValueError) as failure:
            raise self._typed(failure) from failure

    def problem(self, _: RungwayError) -> RungwayError | None:
        """Why no connection can be opened, when TLS does not fit or the port is that of HTTP."""
        return tls_problem(self._config) or http_port(self._config)

    def close(self) -> None:
        """Cancel the calls under way and close the channel."""
        self._channel.close()

    def _method(self, rpc: Rpc[Any]) -> Any:
        if (method := self._methods.get(rpc.path)) is None:
            method = self._channel.unary_unary(rpc.path, serialized, rpc.reply.FromString)
            self._methods[rpc.path] = method
        return method

    def _typed(self, failure: grpc.RpcError | ValueError) -> RungwayError:
        """The error for the caller; grpc raises a ValueError when the channel was closed meanwhile."""
        return closed_error() if isinstance(failure, ValueError) else naming(self._proxy, from_rpc_error(failure))
