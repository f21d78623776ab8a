"""Calls over HTTP, each in the calling thread."""

import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from google.protobuf.message import Message

from rungway._core.address import HttpAddress
from rungway._core.channel import closed_error
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError
from rungway._core.flow import Attempt
from rungway._core.http import MOST_CALLS, SILENCE_SECONDS, Answer, Envelopes, Outgoing, Requests
from rungway._core.http_library import Failure, Response, Route, Transport
from rungway._core.http_refusals import check_end, refusal, reply_in
from rungway._core.idle import IdleTransports
from rungway._core.rpcs import Reply, Rpc
from rungway._sync.network import ClosableNetwork


class HttpConnection:
    """Calls that share connections: see Connection."""

    def __init__(self, config: ClientConfig, address: HttpAddress) -> None:
        self._patience, self._closed = config.attempt_timeout, False
        self._requests, self._route = Requests(config, str(address)), Route(config, address)
        self._network = ClosableNetwork()
        self._room = threading.Semaphore(MOST_CALLS)
        self._idle: IdleTransports[Transport] = IdleTransports()
        self._idle.give_back(self._route.open(Transport, self._network))
        # A client that nobody closes, as in a notebook, leaves no open sockets behind.
        weakref.finalize(self, _close, self._idle).atexit = False

    def attempt(self, effect: Attempt) -> Message:
        """Send a request once."""
        seconds = effect.timeout
        outgoing = self._requests.unary(effect.rpc, effect.request, seconds)
        with (
            self._failures(),
            self._network.within(seconds),
            self._one_of_few(seconds),
            self._sent(outgoing, seconds, seconds) as response,
        ):
            answer = self._answer(response)
        reply: Message = reply_in(effect.rpc, answer)
        return reply

    def stream(self, rpc: Rpc[Reply], request: Message) -> Generator[Reply, None, None]:
        """The replies of a streaming rpc. Raises StreamSilent when nothing came for SILENCE_SECONDS."""
        outgoing, envelopes = self._requests.stream(rpc, request), Envelopes(rpc)
        with self._failures(of_stream=True), self._sent(outgoing, self._patience, SILENCE_SECONDS) as response:
            if not self._route.answer(response).is_stream:
                raise refusal(self._answer(response))
            for piece in response.iter_raw():
                yield from envelopes.feed(piece)
        check_end(envelopes.end)

    def problem(self, error: RungwayError) -> RungwayError | None:
        """Why no connection can be used, when TLS or the port does not fit."""
        return self._route.problem(error)

    def close(self) -> None:
        """End the calls under way and close all connections."""
        self._closed = True
        self._network.close()
        _close(self._idle)

    @contextmanager
    def _one_of_few(self, seconds: float) -> Iterator[None]:
        """Around a call: waits while MOST_CALLS are under way."""
        if not self._room.acquire(timeout=seconds):
            raise self._route.busy()
        try:
            yield
        finally:
            self._room.release()

    @contextmanager
    def _sent(self, outgoing: Outgoing, connect: float, answer: float) -> Iterator[Response]:
        transport = self._idle.take() or self._route.open(Transport, self._network)
        try:
            response = transport.handle_request(self._route.request(outgoing, connect, answer))
            try:
                yield response
            finally:
                response.close()
        except BaseException:  # in which state it is, nobody knows
            transport.close()
            raise
        for old in self._idle.give_back(transport):
            old.close()

    def _answer(self, response: Response) -> Answer:
        """A response with its body."""
        answer = self._route.answer(response)
        for piece in response.iter_raw():
            if not answer.add(piece):
                break
        return answer

    @contextmanager
    def _failures(self, *, of_stream: bool = False) -> Iterator[None]:
        try:
            yield
        except RungwayError:
            raise
        except Failure as failure:
            raise self._route.typed(failure, of_stream=of_stream) from failure
        except Exception as failure:
            if self._closed:  # the library does not expect that while calls are under way
                raise closed_error() from failure
            raise


def _close(idle: IdleTransports[Transport]) -> None:
    for transport in idle.close():
        transport.close()
