"""Runs flows on the event loop, with the asyncio interface of gRPC."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from rungway._core.channel import channel_options, closed_error, serialized
from rungway._core.compat import is_cancelling
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError, from_rpc_error
from rungway._core.experiment_calls import LogReader
from rungway._core.flow import Acquire, Attempt, Effect, Flow, Sleep, T, drive_async
from rungway._core.rpcs import WATCH_EVENTS, Reply, Rpc
from rungway._core.tls import call_metadata, channel_credentials, may_be_tls, tls_problem
from rungway.models.experiments import Event


class AsyncDriver:
    """Runs flows on the event loop of the first call."""

    def __init__(self, config: ClientConfig) -> None:
        self._config, self._metadata = config, call_metadata(config)
        self._credentials = channel_credentials(config)
        self._answered = False
        self._open_channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}
        self._closed = False

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end; returns its result, raises its errors."""
        return await drive_async(flow, self._perform)

    async def follow(self, reader: LogReader) -> AsyncGenerator[Event, None]:
        """The events of a log until the service ends the stream; lost connections are opened again."""
        while True:
            try:
                async with aclosing(self._events(reader)) as events:
                    async for event in events:
                        yield event
                return
            except RungwayError as error:
                failure = error
            await self.run(reader.reconnect(failure))

    async def close(self) -> None:
        """Cancel the calls under way and close the channel."""
        self._closed = True
        if self._open_channel is not None:
            await self._open_channel.close()

    async def _perform(self, effect: Effect) -> Message | bool | None:
        if isinstance(effect, Acquire):
            return await _acquired(effect)
        if isinstance(effect, Sleep):
            await asyncio.sleep(effect.seconds)
        if self._closed:
            raise closed_error()
        if not isinstance(effect, Attempt):
            return None
        try:
            return await self._attempt(effect)
        except RungwayError as error:
            asks = not self._answered and may_be_tls(error)
            if asks and (problem := await asyncio.to_thread(tls_problem, self._config)):
                raise problem from error
            raise

    async def _attempt(self, effect: Attempt) -> Message:
        with self._typed_failures():
            reply: Message = await self._method(effect.rpc)(
                effect.request,
                timeout=effect.timeout,
                metadata=self._metadata,
                wait_for_ready=effect.rpc.by_worker,
            )
        self._answered = True
        return reply

    async def stream(self, rpc: Rpc[Reply], request: Message) -> AsyncGenerator[Reply, None]:
        """The replies of a streaming rpc. Raises Unavailable when the connection is lost."""
        if self._closed:
            raise closed_error()
        method = self._channel().unary_stream(rpc.path, serialized, rpc.reply.FromString)
        stream: Any = method(request, metadata=self._metadata)
        with self._typed_failures():
            try:
                async for reply in stream:
                    yield reply
            finally:
                stream.cancel()

    async def _events(self, reader: LogReader) -> AsyncGenerator[Event, None]:
        async with aclosing(self.stream(WATCH_EVENTS, reader.request())) as replies:
            async for reply in replies:
                yield reader.read(reply)

    @contextmanager
    def _typed_failures(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as failure:
            raise (closed_error() if self._closed else from_rpc_error(failure)) from failure
        except asyncio.CancelledError as failure:  # also what grpc raises when the channel was closed meanwhile
            task = asyncio.current_task()
            if not self._closed or (task and is_cancelling(task)):
                raise
            raise closed_error() from failure

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


async def _acquired(effect: Acquire) -> bool:
    if effect.seconds == 0 and effect.lock.locked():
        return False
    try:
        await asyncio.wait_for(effect.lock.acquire(), effect.seconds or None)
    except asyncio.TimeoutError:  # another class than the built-in one in Python 3.10
        return False
    return True
