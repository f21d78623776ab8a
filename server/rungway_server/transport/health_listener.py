"""`GET /livez` and `GET /readyz` in plain text, whatever TLS and tokens the service asks of its callers.

For the HEALTHCHECK of a container and for kubelets, whose gRPC probes know no TLS. It has a thread and a loop of its
own, so that it also answers while calls keep the loop of the service busy, and from before the store is there until the
process ends. It tells nothing but what these two answers say.
"""

import asyncio
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self

from rungway_server.transport.plain_listener import PlainListener, response

STARTING, STOPPING, NO_STORE = "starting", "stopping", "store unavailable"
"""What `/readyz` says while calls are not served, beside 503."""

_BEAT_SECONDS = 1.0
_DEAD_SECONDS = 60.0
"""A loop that has not turned for so long is taken for dead: `/livez` says so, and the process is replaced."""


class HealthListener(PlainListener):
    """Use as a context manager in the loop of the service. Raises OSError when it cannot listen."""

    def __init__(self, host: str, port: int) -> None:
        """Where to listen, IPv6 without brackets; port 0 picks a free one."""
        super().__init__("health", host, port)
        self._problem = STARTING
        self._beat = time.monotonic()

    def __enter__(self) -> Self:
        super().__enter__()
        self._beating = asyncio.ensure_future(self._beats())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beating.cancel()
        super().__exit__(kind, error, trace)

    def report(self, problem: str) -> None:
        """Calls are served (""), or why not, in a word."""
        self._problem = problem

    async def _beats(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    async def answer(self, method: bytes, path: bytes) -> bytes:
        """See PlainListener."""
        if path == b"/livez":
            problem = "stuck" if time.monotonic() - self._beat > _DEAD_SECONDS else ""
        elif path == b"/readyz":
            problem = self._problem
        else:
            return response(HTTPStatus.NOT_FOUND, b"there are /livez and /readyz\n")
        if method not in (b"GET", b"HEAD"):
            return response(HTTPStatus.METHOD_NOT_ALLOWED, b"wanted GET\n")
        status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
        return response(status, f"{problem or 'ok'}\n".encode("ascii"), method)
