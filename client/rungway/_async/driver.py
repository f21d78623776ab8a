"""Runs flows on the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from google.protobuf.message import Message

from rungway._async.connection import connection
from rungway._core.channel import closed_error
from rungway._core.compat import is_cancelling
from rungway._core.config import ClientConfig
from rungway._core.data_calls import SearchReading
from rungway._core.errors import RungwayError
from rungway._core.experiment_calls import LogReader
from rungway._core.flow import Acquire, Attempt, Effect, Flow, Sleep, T, drive_async
from rungway._core.rpcs import EXPORT_EXPERIMENT, WATCH_EVENTS, Reply, Rpc
from rungway._core.tls import may_be_tls
from rungway._data.search_data import SearchData
from rungway.models.experiments import Event


class AsyncDriver:
    """Runs flows on the event loop of the first call."""

    def __init__(self, config: ClientConfig) -> None:
        self._connection = connection(config)
        self._answered = False
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

    async def read(self, reading: SearchReading) -> SearchData:
        """A whole search; a stream that breaks is begun again."""
        while True:
            try:
                async with aclosing(self.stream(EXPORT_EXPERIMENT, reading.request())) as replies:
                    async for reply in replies:
                        reading.feed(reply)
                return reading.done()
            except RungwayError as error:
                failure = error
            await self.run(reading.again(failure))

    async def close(self) -> None:
        """Cancel the calls under way and close the connection."""
        self._closed = True
        await self._connection.close()

    async def stream(self, rpc: Rpc[Reply], request: Message) -> AsyncGenerator[Reply, None]:
        """The replies of a streaming rpc. Raises Unavailable when the connection is lost."""
        if self._closed:
            raise closed_error()
        with self._failures():
            async with aclosing(self._connection.stream(rpc, request)) as replies:
                async for reply in replies:
                    yield reply

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
            if asks and (problem := await asyncio.to_thread(self._connection.problem, error)):
                raise problem from error
            raise

    async def _attempt(self, effect: Attempt) -> Message:
        with self._failures():
            reply = await self._connection.attempt(effect)
        self._answered = True
        return reply

    async def _events(self, reader: LogReader) -> AsyncGenerator[Event, None]:
        async with aclosing(self.stream(WATCH_EVENTS, reader.request())) as replies:
            async for reply in replies:
                yield reader.read(reply)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """After `close` every failure means that the client was closed."""
        try:
            yield
        except RungwayError as failure:
            raise (closed_error() if self._closed else failure) from failure.__cause__
        except asyncio.CancelledError as failure:  # also what grpc raises when the channel was closed meanwhile
            task = asyncio.current_task()
            if not self._closed or (task and is_cancelling(task)):
                raise
            raise closed_error() from failure


async def _acquired(effect: Acquire) -> bool:
    if effect.seconds == 0 and effect.lock.locked():
        return False
    try:
        await asyncio.wait_for(effect.lock.acquire(), effect.seconds or None)
    except asyncio.TimeoutError:  # another class than the built-in one in Python 3.10
        return False
    return True
