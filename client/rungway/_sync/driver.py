"""Runs flows in the calling thread, with the synchronous interface of gRPC."""

import threading
from collections.abc import Generator
from typing import Any

import grpc
from google.protobuf.message import Message

from rungway._core.channel import closed_error, open_channel, serialized
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError, from_rpc_error
from rungway._core.experiment_calls import LogReader
from rungway._core.flow import Acquire, Attempt, Effect, Flow, Sleep, T, drive
from rungway._core.rpcs import WATCH_EVENTS, Reply, Rpc
from rungway._core.tls import call_metadata, may_be_tls, tls_problem
from rungway.models.experiments import Event


class SyncDriver:
    """Runs flows in the calling thread. Any number of threads may use it at once."""

    def __init__(self, config: ClientConfig) -> None:
        self._config, self._metadata = config, call_metadata(config)
        self._channel = open_channel(config)
        self._answered = False
        self._methods: dict[str, Any] = {}
        self._closed = threading.Event()

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end; returns its result, raises its errors."""
        return drive(flow, self._perform)

    def follow(self, reader: LogReader) -> Generator[Event, None, None]:
        """The events of a log until the service ends the stream; lost connections are opened again."""
        while True:
            try:
                yield from self._events(reader)
                return
            except RungwayError as error:
                failure = error
            self.run(reader.reconnect(failure))

    def close(self) -> None:
        """Cancel the calls under way and close the channel."""
        self._closed.set()
        self._channel.close()

    def _perform(self, effect: Effect) -> Message | bool | None:
        if isinstance(effect, Acquire):
            return bool(effect.lock.acquire(timeout=-1 if effect.seconds is None else effect.seconds))
        if isinstance(effect, Sleep):
            self._closed.wait(effect.seconds)
        if self._closed.is_set():
            raise closed_error()
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

    def stream(self, rpc: Rpc[Reply], request: Message) -> Generator[Reply, None, None]:
        """The replies of a streaming rpc. Raises Unavailable when the connection is lost."""
        try:
            method = self._channel.unary_stream(rpc.path, serialized, rpc.reply.FromString)
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
        """The error for the caller; grpc raises a ValueError when the channel was closed meanwhile."""
        if self._closed.is_set() or isinstance(failure, ValueError):
            return closed_error()
        return from_rpc_error(failure)

    def _method(self, rpc: Rpc[Any]) -> Any:
        if (method := self._methods.get(rpc.path)) is None:
            method = self._channel.unary_unary(rpc.path, serialized, rpc.reply.FromString)
            self._methods[rpc.path] = method
        return method
