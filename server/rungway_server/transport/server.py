"""The gRPC server, with a loop that no input of a caller can end.

The loop of grpc.aio decodes the path of a call that belongs to no registered method, outside of any call: a path that
is not UTF-8, whoever sent it, ends the loop and with it the service. Here every method is registered, so that the C
core finds it by its bytes, and the calls that are left over are answered UNIMPLEMENTED without a look at their path.
See docs/adr/0007-a-loop-that-no-input-ends.md.
"""

import asyncio
import resource
from collections.abc import Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server as grpc_aio

from rungway_server.service.high_water import HighWaterWarning

_MOST_CONNECTIONS = 10_000
_OTHER_FILES = 200
"""So many files are open beside the connections of callers, at most."""


def most_connections() -> int:
    """How many connections one process takes; gRPC closes further ones. Raises the limit of open files for it where it
    may, and where it may not there are fewer."""
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, wanted - _OTHER_FILES)


class Server(grpc_aio.Server):
    """What grpc.aio.server() makes, on the loop below."""

    def __init__(
        self, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Sequence[tuple[str, int]], most_calls: int
    ) -> None:
        """`most_calls` in work at once: what is beyond is refused without a reason. Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._server = _Loop(self._loop, None, (), tuple(interceptors), tuple(options), None)
        self._server.prepare(self._loop, tuple(interceptors), most_calls)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: object) -> None:
        """Nothing: generated code registers the same handlers by name, too, and only those are served."""


class _Method:
    """Finds the handler of one method. See cygrpc._MethodResolver."""

    __slots__ = ("_handler",)

    def __init__(self, handler: object) -> None:
        self._handler = handler

    def resolve_handler(self, _: object) -> object:
        return self._handler


class _Loop(cygrpc.AioServer):  # type: ignore[misc]  # the module has no types
    """Takes the calls of each method in a task of its own, in place of one loop for all."""

    def prepare(self, loop: asyncio.AbstractEventLoop, interceptors: tuple[Any, ...], most: int) -> None:
        """What __init__ of the class cannot take."""
        self._own_loop, self._own_interceptors, self._most = loop, interceptors, most
        self._handlers: dict[str, object] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._takers: set[asyncio.Task[None]] = set()
        self._high_water = HighWaterWarning("many_calls", most)

    def add_registered_method_handlers(self, method_handlers: dict[str, object]) -> None:
        self._handlers.update(method_handlers)
        super().add_registered_method_handlers(method_handlers)

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[None]:
        """For each method, and for all others (None): the loop of grpc.aio waits for this one until the server ends."""
        ended: asyncio.Future[None] = self._own_loop.create_future()
        taker = self._own_loop.create_task(self._take(method, ended))
        self._takers.add(taker)
        taker.add_done_callback(self._takers.discard)
        return ended

    async def _take(self, method: bytes | None, ended: asyncio.Future[None]) -> None:
        name = method.decode() if method else "/unknown"
        resolver = _Method(self._handlers[name] if method else None)
        interceptors = self._own_interceptors if method else ()
        try:
            while True:
                try:
                    state = await (self._request_registered_call(method) if method else self._request_call())
                except cygrpc._RequestCallError:  # this one call failed, or the server ends
                    if not self.is_running():
                        raise
                    continue
                self._begin(name, resolver, interceptors, state)
                del state  # which a connection counts as a call until nobody has it
        except Exception as error:
            if not ended.done():  # else grpc.aio waits no longer
                ended.set_exception(error)

    def _begin(self, name: str, resolver: _Method, interceptors: tuple[Any, ...], state: object) -> None:
        calls, loop = self._calls, self._own_loop
        work = cygrpc._handle_rpc(name, resolver, interceptors, state, loop, len(calls) >= self._most)
        call = loop.create_task(cygrpc._schedule_rpc_coro(work, state, loop, name))
        calls.add(call)
        call.add_done_callback(calls.discard)
        self._high_water.note(len(calls))
