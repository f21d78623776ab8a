"""Counts the calls of the HTTP port, as transport/counted.py does those of gRPC. Pages and probes are no calls."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from google.rpc import code_pb2, status_pb2

from rungway_server.transport.counted import reason_of
from rungway_server.transport.http.routes import Route

if TYPE_CHECKING:
    from rungway_server.metrics import Bound, Rpcs


class Request(Protocol):
    """What is looked at of a request."""

    route: Route | None


class CallCounts:
    """The counters of each route."""

    def __init__(self, rpcs: "Rpcs", routes: Mapping[str, Route]) -> None:
        self.rpcs = rpcs
        self.bound: Mapping[str, Bound] = {
            route.rpc: rpcs.bound(route.rpc) for route in routes.values() if not route.streams
        }

    def of(self, request: Request) -> "_Counted":
        """Around the answer to a request: afterwards its `error` is what the call was answered with."""
        return _Counted(self, request)

    def begin(self) -> None:
        """The route of a request is known: it is in work until `of` ends."""
        self.rpcs.in_work += 1

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Around a stream, which is counted as that."""
        self.rpcs.streams, self.rpcs.in_work = self.rpcs.streams + 1, self.rpcs.in_work - 1
        try:
            yield
        finally:
            self.rpcs.streams, self.rpcs.in_work = self.rpcs.streams - 1, self.rpcs.in_work + 1


class _Counted:
    __slots__ = ("_began", "_counts", "_request", "error")

    def __init__(self, counts: CallCounts, request: Request) -> None:
        self._counts, self._request = counts, request
        self.error: status_pb2.Status | None = None

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        rpcs, route, status = self._counts.rpcs, self._request.route, self.error
        if route:
            rpcs.in_work -= 1
        if route is None and status is None:
            return
        rpc = route.rpc if route else ""
        bound = self._counts.bound.get(rpc)
        if bound:
            bound.seconds(time.perf_counter() - self._began)
        if kind is not None:
            rpcs.failed(rpc, "CANCELLED")
        elif status:
            rpcs.failed(rpc, code_pb2.Code.Name(status.code), reason_of(status))
        else:
            (bound or rpcs.bound(rpc)).ok()
