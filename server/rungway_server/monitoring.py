"""Puts the metrics together: what counts them, what is read for them, and the page that shows them.

With `--workers` each process counts into files of one folder, which the parent makes (workers.py), and any process
shows the sums of all. What is read of the store is the same from every server.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from rungway.__about__ import __version__
from rungway_server.metrics import Metrics
from rungway_server.service.access import ROLES
from rungway_server.service.port import Store
from rungway_server.settings import METRICS_FOLDER, Settings
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.counting import SearchCounter
from rungway_server.store_wide import StoreWide
from rungway_server.transport.http.replies import Reply
from rungway_server.transport.plain_listener import PlainListener, response
from rungway_server.transport.tls import TlsFiles

if TYPE_CHECKING:
    from rungway_server.service.views import ViewUseCases

KIND = "text/plain; version=0.0.4; charset=utf-8"
_TICK_SECONDS = 0.25
_STORE_WAIT_SECONDS = 2.0
"""How long a scrape waits for the counts of the store; after that it shows the last ones."""

_log = structlog.get_logger()


class Monitor:
    """The metrics of this process, and the parts that count for them. Needs a running event loop."""

    def __init__(
        self,
        stack: AsyncExitStack,
        router: Router,
        settings: Settings,
        certificate: TlsFiles | None = None,
        *,
        shared: bool = False,
    ) -> None:
        """It watches the event loop, Redis and the certificate until the stack is left. `shared`: other processes of
        the same service count beside this one."""
        self.metrics = Metrics(__version__, ROLES, processes=settings.workers if shared else 1)
        self.counter = SearchCounter(self.metrics)
        self._stack, self._router, self._settings, self._shared = stack, router, settings, shared
        self._certificate = certificate
        self.views: ViewUseCases | None = None
        """Whose watchers are counted."""
        self.asks_held: Callable[[], int] = lambda: 0
        """How many asks are held."""
        router.watch(self.metrics)
        stack.callback(asyncio.ensure_future(self._ticks()).cancel)

    async def _ticks(self) -> None:
        loop, metrics, certificate = asyncio.get_running_loop(), self.metrics, self._certificate
        ends = metrics.certificate_ends() if certificate else None
        while True:
            if ends and certificate:
                ends(certificate.ends)
            due = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            metrics.loop_lag(max(0.0, loop.time() - due))
            metrics.redis_up(self._router.answers_for() > 0)
            metrics.note_now()
            metrics.asks_held(self.asks_held())
            metrics.view_watchers(self.views.watchers if self.views else 0)

    def show(self, store: Store) -> Callable[[], Awaitable[Reply]] | None:
        """Begin to show the metrics on the port of their own, or return the page for the HTTP port. Raises OSError."""
        page = _Page(self.metrics, StoreWide(self._router, store, self._settings.metrics_experiments))
        if self._settings.metrics_address is None:
            return page.reply
        host, port = self._settings.metrics_address
        listener = _Listener(host.strip("[]"), port, page.text_elsewhere, shared=self._shared)
        self._stack.enter_context(listener)
        _log.info("metrics_listener", address=listener.address)
        return None


class _Page:
    """The text of /metrics."""

    def __init__(self, metrics: Metrics, store: StoreWide) -> None:
        self._store, self._loop = store, asyncio.get_running_loop()
        self._registry = registry = metrics.registry
        if folder := os.environ.get(METRICS_FOLDER):
            registry = self._registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry.register(_Processes(Path(folder)))
        else:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
        registry.register(store)

    async def text(self) -> bytes:
        """As Prometheus reads it. In the loop of the service."""
        await self._store.refresh(_STORE_WAIT_SECONDS)
        return await asyncio.to_thread(generate_latest, self._registry)

    async def reply(self) -> Reply:
        """The same as a reply of the HTTP port."""
        return Reply(200, KIND.encode("ascii"), await self.text(), [(b"cache-control", b"no-store")])

    async def text_elsewhere(self) -> bytes:
        """The same, in another loop and thread, also while the service is busy."""
        refreshed = asyncio.run_coroutine_threadsafe(self._store.refresh(_STORE_WAIT_SECONDS), self._loop)
        await asyncio.wait([asyncio.wrap_future(refreshed)], timeout=_STORE_WAIT_SECONDS)
        return generate_latest(self._registry)


class _Listener(PlainListener):
    """The page on a port of its own."""

    def __init__(self, host: str, port: int, text: Callable[[], Awaitable[bytes]], *, shared: bool) -> None:
        super().__init__("metrics", host, port, shared=shared)
        self._text = text

    async def answer(self, method: bytes, path: bytes) -> bytes:
        """See PlainListener."""
        if path != b"/metrics":
            return response(HTTPStatus.NOT_FOUND, b"there is /metrics\n")
        if method not in (b"GET", b"HEAD"):
            return response(HTTPStatus.METHOD_NOT_ALLOWED, b"wanted GET\n")
        return response(HTTPStatus.OK, await self._text(), method, KIND)


class _Processes(Collector):
    """CPU time, memory and open files of each process: those that have a file of gauges live."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        families: dict[str, Metric] = {}
        for pid in sorted({path.stem.rpartition("_")[2] for path in self._folder.glob("gauge_live*.db")}):
            for found in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                for sample in found.samples:
                    family.add_sample(sample.name, {"pid": pid}, sample.value)
        yield from families.values()
