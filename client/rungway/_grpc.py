"""The way to the service over gRPC: channel options, one attempt, and the two drivers that wait for flows."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from rungway._calls import MAX_REQUEST_BYTES
from rungway._compat import is_cancelling
from rungway._config import ClientConfig
from rungway._errors import FailedPrecondition, RungwayError, from_rpc_error
from rungway._experiment_calls import LogReader
from rungway._experiment_models import Event
from rungway._flow import Acquire, Attempt, Effect, Flow, Sleep, drive, drive_async
from rungway._rpcs import WATCH_EVENTS, Rpc
from rungway._tls import call_metadata, channel_credentials, may_be_tls, stays_on_this_host, tls_problem

_T = TypeVar("_T")
_Reply = TypeVar("_Reply", bound=Message)
_MAX_REPLY_BYTES = 4 << 20
_KEEPALIVE_TIMEOUT = 20.0


def channel_options(config: ClientConfig) -> list[tuple[str, str | int]]:
    """Options of a channel: bounded messages, no retries below our own, quick reconnects, gentle keepalive."""
    options: list[tuple[str, str | int]] = [
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_receive_message_length", _MAX_REPLY_BYTES),
        ("grpc.enable_retries", 0),
        ("grpc.initial_reconnect_backoff_ms", _milliseconds(config.backoff_initial)),
        ("grpc.max_reconnect_backoff_ms", _milliseconds(config.backoff_max)),
        ("grpc.keepalive_time_ms", _milliseconds(config.keepalive)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_KEEPALIVE_TIMEOUT)),
        ("grpc.keepalive_permit_without_calls", 0),
    ]
    if config.tls_server_name:
        options.append(("grpc.ssl_target_name_override", config.tls_server_name))
    if stays_on_this_host(config.target):  # a proxy for the way out has no part in this
        options.append(("grpc.enable_http_proxy", 0))
    if config.target.startswith("dns:"):
        options.append(("grpc.lb_policy_name", "round_robin"))
    return options


def open_channel(config: ClientConfig) -> grpc.Channel:
    """A channel, encrypted where the settings say so. Raises InvalidArgument for a file that cannot be read."""
    credentials, options = channel_credentials(config), channel_options(config)
    if credentials:
        return grpc.secure_channel(config.target, credentials, options=options)
    return grpc.insecure_channel(config.target, options=options)


class SyncDriver:
    """Runs flows in the calling thread; any number of threads may use it at once."""

    def __init__(self, config: ClientConfig) -> None:
        self._config, self._metadata = config, call_metadata(config)
        self._channel = open_channel(config)
        self._answered = False
        self._methods: dict[str, Any] = {}
        self._closed = threading.Event()

    def run(self, flow: Flow[_T]) -> _T:
        """Run a flow to its end."""
        return drive(flow, self._perform)

    def follow(self, reader: LogReader) -> Generator[Event, None, None]:
        """The events of a log until the service ends it, across lost connections."""
        while True:
            try:
                yield from self._events(reader)
                return
            except RungwayError as error:
                failure = error
            self.run(reader.reconnect(failure))

    def close(self) -> None:
        """Break off what is under way and close the channel."""
        self._closed.set()
        self._channel.close()

    def _perform(self, effect: Effect) -> Message | bool | None:
        if isinstance(effect, Acquire):
            return bool(effect.lock.acquire(timeout=-1 if effect.seconds is None else effect.seconds))
        if isinstance(effect, Sleep):
            self._closed.wait(effect.seconds)
        if self._closed.is_set():
            raise _closed_error()
        if not isinstance(effect, Attempt):
            return None
        try:
            return self._attempt(effect)
        except RungwayError as error:
            if not self._answered and may_be_tls(error) and (problem := tls_problem(self._config)):
                raise problem from error
            raise

    def _attempt(self, effect: Attempt) -> Message:
        try:
            reply: Message = self._method(effect.rpc)(
                effect.request,
                timeout=effect.timeout,
                metadata=self._metadata,
                wait_for_ready=effect.rpc.by_worker,
            )
        except (grpc.RpcError, ValueError) as failure:
            raise self._typed(failure) from failure
        self._answered = True
        return reply

    def stream(self, rpc: Rpc[_Reply], request: Message) -> Generator[_Reply, None, None]:
        """The replies of a streaming rpc, as long as the connection holds."""
        try:
            method = self._channel.unary_stream(rpc.path, _serialized, rpc.reply.FromString)
            stream = method(request, metadata=self._metadata)
            try:
                yield from stream
            finally:
                stream.cancel()
        except (grpc.RpcError, ValueError) as failure:
            raise self._typed(failure) from failure

    def _events(self, reader: LogReader) -> Generator[Event, None, None]:
        for reply in self.stream(WATCH_EVENTS, reader.request()):
            yield reader.read(reply)

    def _typed(self, failure: grpc.RpcError | ValueError) -> RungwayError:
        """The error to hand out; grpc raises a ValueError when the channel was closed meanwhile."""
        if self._closed.is_set() or isinstance(failure, ValueError):
            return _closed_error()
        return from_rpc_error(failure)

    def _method(self, rpc: Rpc[Any]) -> Any:
        if (method := self._methods.get(rpc.path)) is None:
            method = self._channel.unary_unary(rpc.path, _serialized, rpc.reply.FromString)
            self._methods[rpc.path] = method
        return method


class AsyncDriver:
    """Runs flows in the event loop of the first call."""

    def __init__(self, config: ClientConfig) -> None:
        self._config, self._metadata = config, call_metadata(config)
        self._credentials = channel_credentials(config)
        self._answered = False
        self._open_channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}
        self._closed = False

    async def run(self, flow: Flow[_T]) -> _T:
        """Run a flow to its end."""
        return await drive_async(flow, self._perform)

    async def follow(self, reader: LogReader) -> AsyncGenerator[Event, None]:
        """The events of a log until the service ends it, across lost connections."""
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
        """Break off what is under way and close the channel."""
        self._closed = True
        if self._open_channel is not None:
            await self._open_channel.close()

    async def _perform(self, effect: Effect) -> Message | bool | None:
        if isinstance(effect, Acquire):
            return await _acquired(effect)
        if isinstance(effect, Sleep):
            await asyncio.sleep(effect.seconds)
        if self._closed:
            raise _closed_error()
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

    async def stream(self, rpc: Rpc[_Reply], request: Message) -> AsyncGenerator[_Reply, None]:
        """The replies of a streaming rpc, as long as the connection holds."""
        if self._closed:
            raise _closed_error()
        method = self._channel().unary_stream(rpc.path, _serialized, rpc.reply.FromString)
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
            raise (_closed_error() if self._closed else from_rpc_error(failure)) from failure
        except asyncio.CancelledError as failure:  # also what grpc raises when the channel was closed meanwhile
            task = asyncio.current_task()
            if not self._closed or (task and is_cancelling(task)):
                raise
            raise _closed_error() from failure

    def _method(self, rpc: Rpc[Any]) -> Any:
        if (method := self._methods.get(rpc.path)) is None:
            method = self._channel().unary_unary(rpc.path, _serialized, rpc.reply.FromString)
            self._methods[rpc.path] = method
        return method

    def _channel(self) -> grpc.aio.Channel:
        if self._open_channel is None:  # here and not earlier, for a channel belongs to a running loop
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


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _closed_error() -> RungwayError:
    return FailedPrecondition("the client was closed", reason="CLIENT_CLOSED")


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)
