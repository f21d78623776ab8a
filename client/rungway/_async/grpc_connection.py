"""Calls over gRPC, with its asyncio interface."""

from collections.abc import AsyncGenerator
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from rungway._core.channel import channel_options, serialized
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError, from_rpc_error
from rungway._core.flow import Attempt
from rungway._core.port_probe import http_port
from rungway._core.proxies import grpc_proxy, naming
from rungway._core.rpcs import Reply, Rpc
from rungway._core.tls import call_metadata, channel_credentials, tls_problem


class AsyncGrpcConnection:
    """A channel of gRPC: see AsyncConnection."""

    def __init__(self, config: ClientConfig) -> None:
        self._config, self._metadata = config, call_metadata(config)
        self._credentials, self._proxy = channel_credentials(config), grpc_proxy(config.target)
        self._open_channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}

    async def attempt(self, effect: Attempt) -> Message:
        """Send a request once."""
        try:
            reply: Message = await self._method(effect.rpc)(
                effect.request,
                timeout=effect.timeout,
                metadata=self._metadata,
                wait_for_ready=effect.rpc.by_worker,
            )
        except grpc.RpcError as failure:
            raise naming(self._proxy, from_rpc_error(failure)) from failure
        return reply

    async def stream(self, rpc: Rpc[Reply], request: Message) -> AsyncGenerator[Reply, None]:
        """The replies of a streaming rpc."""
        method = self._channel().unary_stream(rpc.path, serialized, rpc.reply.FromString)
        stream: Any = method(request, metadata=self._metadata)
        try:
            async for reply in stream:
                yield reply
        except grpc.RpcError as failure:
            raise naming(self._proxy, from_rpc_error(failure)) from failure
        finally:
            stream.cancel()

    def problem(self, _: RungwayError) -> RungwayError | None:
        """Why no connection can be opened, when TLS does not fit or the port is that of HTTP."""
        return tls_problem(self._config) or http_port(self._config)

    async def close(self) -> None:
        """Cancel the calls under way and close the channel."""
        if self._open_channel is not None:
            await self._open_channel.close()

    def _method(self, rpc: Rpc[Any]) -> Any:
        if (method := self._methods.get(rpc.path)) is None:
            method = self._channel().unary_unary(rpc.path, serialized, rpc.reply.FromString)
            self._methods[rpc.path] = method
        return method

    def _channel(self) -> grpc.aio.Channel:
        if self._open_channel is None:  # not earlier: a channel belongs to a running event loop
            target, options = self._config.target, channel_options(self._config)
            self._open_channel = (
                grpc.aio.secure_channel(target, self._credentials, options=options)
                if self._credentials
                else grpc.aio.insecure_channel(target, options=options)
            )
        return self._open_channel
