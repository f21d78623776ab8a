"""The gRPC server, with an accept loop that no input can end.

The loop of grpc.aio decodes the path of a call to an unregistered method outside of any call: a path that is not UTF-8
ends the loop, and with it the service. Here every method is registered, so that the C core matches paths as bytes, and
other calls are answered UNIMPLEMENTED without decoding their path. See docs/adr/0007-a-loop-that-no-input-ends.md.
"""

import asyncio
import math
import resource
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server as grpc_aio

from rungway_server.service.high_water import HighWaterWarning

_MOST_CONNECTIONS = 10_000
_UNKNOWN = "/unknown"
"""What a call to a method that is not there is called."""
_TAKERS = 16
"""How many calls of one method are taken from gRPC at once. One at a time, each waits for gRPC's thread: 7,000 tells a
second instead of 8,300 on two cores, and a third of the CPU time beside a busy HTTP port instead of half."""
_OTHER_FILES = 200
"""Most files that are open beside the connections of callers."""


def most_connections(ports: int = 1) -> int:
    """How many connections one process accepts on each of its ports; further ones are closed. Raises the process's
    limit of open files for them as far as allowed, and returns fewer where it is not."""
    wanted = ports * _MOST_CONNECTIONS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, (wanted - _OTHER_FILES) // ports)


def options(most_bytes: int, most_connections: int, *, shared_port: bool) -> list[tuple[str, int]]:
    """Options of the server: the largest message (bytes), connections at once, and whether other processes listen on
    the same port."""
    return [
        ("grpc.max_receive_message_length", most_bytes),
        ("grpc.so_reuseport", int(shared_port)),  # otherwise a port in use is an error
        ("grpc.max_concurrent_streams", 100),  # per connection; gRPC clients hold back further calls
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),  # clients may keep idle connections alive
        ("grpc.max_connection_age_ms", 30 * 60_000),  # so that clients that balance find new replicas
        ("grpc.max_connection_age_grace_ms", 10 * 60_000),  # no stream lasts longer
        ("grpc.max_connection_idle_ms", 5 * 60_000),  # a connection without calls is closed
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_allowed_incoming_connections", most_connections),
    ]


class Server(grpc_aio.Server):
    """What grpc.aio.server() makes, on the loop below."""

    def __init__(
        self, interceptors: Sequence[grpc.aio.ServerInterceptor], options: Sequence[tuple[str, int]], most_calls: int
    ) -> None:
        """`most_calls` run at once; further ones are refused without error details. Needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._server = _Loop(self._loop, None, (), tuple(interceptors), tuple(options), None)
        self._server.prepare(self._loop, tuple(interceptors), most_calls)

    @property
    def calls(self) -> "CallCount":
        """The calls so far."""
        found: CallCount = self._server.counted
        return found

    def tell_refused(self, refused: Callable[[str, str], object]) -> None:
        """Call it with method (package.Service/Method) and code of each call that gRPC itself refuses: unknown ones,
        and those beyond `most_calls`."""
        self._server.refused = refused

    def add_generic_rpc_handlers(self, generic_rpc_handlers: object) -> None:
        """Ignored: generated code registers the same handlers by name, too, and those are served."""


class CallCount:
    """Counts calls."""

    __slots__ = ("begun", "last_begun")

    def __init__(self) -> None:
        self.begun = 0
        self.last_begun = -math.inf
        """When the last one began, on the clock of the event loop."""


class _Method:
    """Finds the handler of one method. See cygrpc._MethodResolver."""

    __slots__ = ("_handler",)

    def __init__(self, handler: object) -> None:
        self._handler = handler

    def resolve_handler(self, _: object) -> object:
        return self._handler


class _Loop(cygrpc.AioServer):  # type: ignore[misc]  # the module has no types
    """Accepts the calls of each method in tasks of their own, instead of one loop for all."""

    def prepare(self, loop: asyncio.AbstractEventLoop, interceptors: tuple[Any, ...], most: int) -> None:
        """Set what __init__, which is in C, cannot take."""
        self._own_loop, self._own_interceptors, self._most = loop, interceptors, most
        self._handlers: dict[str, object] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._takers: set[asyncio.Task[None]] = set()
        self._high_water = HighWaterWarning("many_calls", most)
        self.counted = CallCount()
        self.refused: Callable[[str, str], object] = lambda _rpc, _code: None

    def add_registered_method_handlers(self, method_handlers: dict[str, object]) -> None:
        self._handlers.update(method_handlers)
        super().add_registered_method_handlers(method_handlers)

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[None]:
        """Called for each method, and with None for all others; grpc.aio waits for the future until the server ends."""
        ended: asyncio.Future[None] = self._own_loop.create_future()
        for _ in range(_TAKERS):
            taker = self._own_loop.create_task(self._take(method, ended))
            self._takers.add(taker)
            taker.add_done_callback(self._takers.discard)
        return ended

    async def _take(self, method: bytes | None, ended: asyncio.Future[None]) -> None:
        name = method.decode() if method else _UNKNOWN
        resolver = _Method(self._handlers[name] if method else None)
        interceptors = self._own_interceptors if method else ()
        try:
            while True:
                try:
                    state = await (self._request_registered_call(method) if method else self._request_call())
                except cygrpc._RequestCallError:  # this call failed, or the server is stopping
                    if not self.is_running():
                        raise
                    continue
                self._begin(name, resolver, interceptors, state)
                del state  # a connection counts it as a call while it is referenced
        except Exception as error:
            if not ended.done():  # otherwise grpc.aio no longer waits
                ended.set_exception(error)

    def _begin(self, name: str, resolver: _Method, interceptors: tuple[Any, ...], state: object) -> None:
        calls, loop = self._calls, self._own_loop
        self.counted.begun += 1
        self.counted.last_begun = loop.time()
        too_many = len(calls) >= self._most
        if too_many or name == _UNKNOWN:
            self.refused(name[1:], "RESOURCE_EXHAUSTED" if too_many else "UNIMPLEMENTED")
        work = cygrpc._handle_rpc(name, resolver, interceptors, state, loop, too_many)
        call = loop.create_task(cygrpc._schedule_rpc_coro(work, state, loop, name))
        calls.add(call)
        call.add_done_callback(calls.discard)
        self._high_water.note(len(calls))
