"""Runs flows in the calling thread."""

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from google.protobuf.message import Message

from rungway._core.channel import closed_error
from rungway._core.config import ClientConfig
from rungway._core.data_calls import SearchReading
from rungway._core.errors import RungwayError
from rungway._core.experiment_calls import LogReader
from rungway._core.flow import Acquire, Attempt, Effect, Flow, Sleep, T, drive
from rungway._core.rpcs import EXPORT_EXPERIMENT, WATCH_EVENTS, Reply, Rpc
from rungway._core.tls import may_be_tls
from rungway._data.search_data import SearchData
from rungway._sync.connection import connection
from rungway.models.experiments import Event


class SyncDriver:
    """Runs flows in the calling thread. Any number of threads may use it at once."""

    def __init__(self, config: ClientConfig) -> None:
        self._connection = connection(config)
        self._answered = False
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

    def read(self, reading: SearchReading) -> SearchData:
        """A whole search; a stream that breaks is begun again."""
        while True:
            try:
                for reply in self.stream(EXPORT_EXPERIMENT, reading.request()):
                    reading.feed(reply)
                return reading.done()
            except RungwayError as error:
                failure = error
            self.run(reading.again(failure))

    def close(self) -> None:
        """Cancel the calls under way and close the connection."""
        self._closed.set()
        self._connection.close()

    def stream(self, rpc: Rpc[Reply], request: Message) -> Generator[Reply, None, None]:
        """The replies of a streaming rpc. Raises Unavailable when the connection is lost."""
        with self._failures():
            yield from self._connection.stream(rpc, request)

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
            if not self._answered and may_be_tls(error) and (problem := self._connection.problem(error)):
                raise problem from error
            raise

    def _attempt(self, effect: Attempt) -> Message:
        try:
            reply = self._connection.attempt(effect)
        except RungwayError as failure:
            raise self._failure(failure) from failure.__cause__
        self._answered = True
        return reply

    def _events(self, reader: LogReader) -> Generator[Event, None, None]:
        for reply in self.stream(WATCH_EVENTS, reader.request()):
            yield reader.read(reply)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except RungwayError as failure:
            raise self._failure(failure) from failure.__cause__

    def _failure(self, failure: RungwayError) -> RungwayError:
        """After `close` every failure means that the client was closed."""
        return closed_error() if self._closed.is_set() else failure
