"""Calls over HTTP on the event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from rungway._async.network import TidyNetwork
from rungway._core.address import HttpAddress
from rungway._core.channel import closed_error
from rungway._core.config import ClientConfig
from rungway._core.errors import RungwayError
from rungway._core.flow import Attempt
from rungway._core.http import MOST_CALLS, SILENCE_SECONDS, Answer, Envelopes, Outgoing, Requests
from rungway._core.http_library import AsyncTransport, Failure, Response, Route
from rungway._core.http_refusals import check_end, refusal, reply_in
from rungway._core.idle import IdleTransports
from rungway._core.rpcs import Reply, Rpc

T = TypeVar("T")


class AsyncHttpConnection:
    """Calls that share connections: see AsyncConnection."""

    def __init__(self, config: ClientConfig, address: HttpAddress) -> None:
        self._patience, self._closed = config.attempt_timeout, False
        self._requests, self._route = Requests(config, str(address)), Route(config, address)
        self._network = TidyNetwork()
        self._room = asyncio.Semaphore(MOST_CALLS)
        self._idle: IdleTransports[AsyncTransport] = IdleTransports()
        self._idle.give_back(self._route.open(AsyncTransport, self._network))
        self._waits: set[asyncio.Task[Any]] = set()

    async def attempt(self, effect: Attempt) -> Message:
        """Send a request once."""
        outgoing = self._requests.unary(effect.rpc, effect.request, effect.timeout)
        with self._failures():
            answer = await self._within(effect.timeout, self._route.late, self._exchange(outgoing, effect.timeout))
        reply: Message = reply_in(effect.rpc, answer)
        return reply

    async def stream(self, rpc: Rpc[Reply], request: Message) -> AsyncGenerator[Reply, None]:
        """The replies of a streaming rpc. Raises StreamSilent when nothing came for SILENCE_SECONDS."""
        outgoing, envelopes = self._requests.stream(rpc, request), Envelopes(rpc)
        with self._failures(of_stream=True):
            async with self._opened(outgoing) as response, aclosing(_pieces(response)) as pieces:
                if not self._route.answer(response).is_stream:
                    raise refusal(await self._soon(self._answer(response, pieces)))
                while piece := await self._soon(_next(pieces)):
                    for reply in envelopes.feed(piece):
                        yield reply
        check_end(envelopes.end)

    def problem(self, error: RungwayError) -> RungwayError | None:
        """Why no connection can be used, when TLS or the port does not fit."""
        return self._route.problem(error)

    async def close(self) -> None:
        """Cancel the calls under way and close all connections."""
        self._closed = True
        for wait in self._waits:
            wait.cancel()
        if self._waits:
            await asyncio.wait(self._waits)
        for transport in self._idle.close():
            await transport.aclose()

    @asynccontextmanager
    async def _opened(self, outgoing: Outgoing) -> AsyncIterator[Response]:
        """The response to a stream's request, each step within SILENCE_SECONDS."""
        async with self._transport() as transport:
            request = self._route.request(outgoing, self._patience, SILENCE_SECONDS)
            response = await self._soon(transport.handle_async_request(request))
            try:
                yield response
            finally:
                await response.aclose()

    async def _exchange(self, outgoing: Outgoing, seconds: float) -> Answer:
        async with self._room, self._transport() as transport:
            response = await transport.handle_async_request(self._route.request(outgoing, seconds, seconds))
            try:
                async with aclosing(_pieces(response)) as pieces:
                    return await self._answer(response, pieces)
            finally:
                await response.aclose()

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[AsyncTransport]:
        transport = self._idle.take() or self._route.open(AsyncTransport, self._network)
        try:
            yield transport
        except BaseException:  # in which state it is, nobody knows
            await transport.aclose()
            raise
        for old in self._idle.give_back(transport):
            await old.aclose()

    async def _answer(self, response: Response, pieces: AsyncIterator[bytes]) -> Answer:
        """A response with its body."""
        answer = self._route.answer(response)
        async for piece in pieces:
            if not answer.add(piece):
                break
        return answer

    def _soon(self, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
        """The result of something that is part of a stream."""
        return self._within(SILENCE_SECONDS, self._route.silent, work)

    async def _within(self, seconds: float, late: Callable[[], RungwayError], work: Coroutine[Any, Any, T]) -> T:
        """The result of a task, which is cancelled when the time is over or the client is closed."""
        task = asyncio.ensure_future(work)
        self._waits.add(task)
        try:
            if self._closed:
                raise closed_error()
            await asyncio.wait({task}, timeout=seconds)
            if not task.done():
                raise late() from TimeoutError("no answer in time")  # Route.problem looks at it
            if task.cancelled():
                raise closed_error()
            return task.result()
        finally:
            self._waits.discard(task)
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    @contextmanager
    def _failures(self, *, of_stream: bool = False) -> Iterator[None]:
        try:
            yield
        except Failure as failure:
            raise self._route.typed(failure, of_stream=of_stream) from failure


def _pieces(response: Response) -> AsyncGenerator[bytes, None]:
    """The body as it comes."""
    return cast("AsyncGenerator[bytes, None]", response.aiter_raw())


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    """The next piece; none at the end."""
    async for piece in pieces:
        return piece
    return b""
