"""Builds a running service from settings, store and transport; the only module that imports all of them.

Life of a service: files and health listener -> store (embedded or by URL) -> listening -> Redis answers and passes its
checks: SERVING -> SIGTERM: NOT_SERVING, a moment for load balancers to notice -> no new calls, running ones finish ->
connections closed, embedded Redis stopped last. While Redis is away, at the start or later, the service is NOT_SERVING.
A SIGTERM during the start ends it there.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server
from redis.exceptions import ResponseError

from rungway.__about__ import __version__
from rungway._core.environment import PREFIX
from rungway.v1 import experiment_service_pb2, search_service_pb2, view_service_pb2
from rungway.v1.experiment_service_pb2_grpc import add_ExperimentServiceServicer_to_server
from rungway.v1.search_service_pb2_grpc import add_SearchServiceServicer_to_server
from rungway.v1.view_service_pb2_grpc import add_ViewServiceServicer_to_server
from rungway_server import logs, native_lines, tracing
from rungway_server.domain.errors import StoreFull, StoreUnavailable
from rungway_server.event_loop import serving_runner
from rungway_server.redis_fitness import fit_for_use
from rungway_server.service.access import Guard
from rungway_server.service.admission import Admission
from rungway_server.service.quotas import ExperimentsWithinQuotas, Quota, Quotas
from rungway_server.service.reading import MOST_READS, Reading
from rungway_server.service.views import ViewUseCases
from rungway_server.settings import METRICS_FOLDER, Settings, split_address
from rungway_server.stopping import Stopped, stop_signal, unless
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.quotas import RedisLedger, RedisQuotas
from rungway_server.store.redis.store import RedisStore
from rungway_server.store.redis.tokens import RedisTokens
from rungway_server.transport import grpc_server
from rungway_server.transport.access import AccessInterceptor, OpenStreams
from rungway_server.transport.anonymous_calls import AnonymousCalls
from rungway_server.transport.health import Health
from rungway_server.transport.health_listener import HealthListener
from rungway_server.transport.http.app import App
from rungway_server.transport.http.bodies import Bodies
from rungway_server.transport.http.listener import Listener, bound
from rungway_server.transport.http.routes import routes
from rungway_server.transport.http.turnstile import Turnstile
from rungway_server.transport.messages import ReadingServer
from rungway_server.transport.new_bests import NewBests
from rungway_server.transport.server import Server, most_connections, options
from rungway_server.transport.tls import TlsError, TlsFiles
from rungway_server.transport.view_servicer import build_view_servicer
from rungway_server.welcome import welcome

if TYPE_CHECKING:
    from rungway_server.monitoring import Monitor

_FILES = (search_service_pb2.DESCRIPTOR, experiment_service_pb2.DESCRIPTOR, view_service_pb2.DESCRIPTOR)
"""The services of the contract, one in each."""
_SERVICES = tuple(service.full_name for file in _FILES for service in file.services_by_name.values())
_PING_SECONDS = 1.0
"""How often Redis is pinged; health checks are answered from the last ping."""
_AWAY = (OSError, ResponseError, StoreUnavailable)
"""Errors of a Redis that may become usable later."""

_log = structlog.get_logger()


class ServeError(Exception):
    """The service cannot start; the message says why."""


@dataclass(frozen=True, slots=True)
class _Up:
    """The parts of a service that is up."""

    server: Server
    http: Listener | None
    health: Health
    address: str
    died: asyncio.Future[None]
    """Completes if an embedded Redis ends by itself."""


def serve_sync(settings: Settings) -> int:
    """Configure the logs and serve until a signal; returns the exit code of the process."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        with native_lines.routed(), serving_runner() as runner:
            return runner.run(serve(settings))
    except (ServeError, RedisStartError) as error:
        _log.error("cannot_start", error=str(error))
        return 1
    except KeyboardInterrupt:  # a second Ctrl-C, or one before the service was up
        return 130


async def serve(settings: Settings, status: Callable[[str], None] | None = None, *, shared_port: bool = False) -> int:
    """Serve until SIGTERM, SIGINT or cancellation; returns the exit code: 0, or 1 when the embedded Redis died.

    `status` is called once calls are accepted, and whenever it changes: "" = they are served, else why not, in a word;
    without it a log line and the health listener tell. Other processes may listen on a `shared_port`, too. Raises
    ServeError or RedisStartError when it cannot start.
    """
    async with AsyncExitStack() as stack:
        stopped = stop_signal(stack)
        certificate = certificate_files(settings)
        if certificate:
            stack.callback(asyncio.ensure_future(certificate.follow()).cancel)
        report = status or health_listener(stack, settings)
        try:
            up = await unless(stopped, _start(stack, settings, certificate, shared_port))
        except Stopped:
            return 0
        await up.server.start()
        if up.http:
            await up.http.start()
        stack.push_async_callback(_drain, up, settings)
        up.health.tell(report)
        if not status:
            http = up.http.address if up.http else "off"
            _log.info("ready", address=up.address, http=http, serving=up.health.ready)
            welcome(settings, up.address, http)
        ended = asyncio.ensure_future(_end_of(up.server))
        stack.callback(ended.cancel)
        await asyncio.wait((stopped, up.died, ended), return_when=asyncio.FIRST_COMPLETED)
        up.health.stop()
        return 1 if up.died.done() or ended.done() else 0


async def _start(stack: AsyncExitStack, settings: Settings, certificate: TlsFiles | None, shared_port: bool) -> _Up:
    """Everything that can be waited for: what it returns is bound, and accepts no call yet."""
    url, died = await start_store(stack, settings)
    health = Health(_SERVICES)
    router = _router(stack, url, settings)
    _trace(stack, router, settings)
    monitor = _monitor(stack, router, settings, certificate, shared=shared_port) if settings.counts else None
    try:
        server, app = build_server(router, settings, health, monitor, shared_port=shared_port)
    except OSError as error:
        raise ServeError(f"cannot listen on {settings.metrics_listen}: {error.strerror or error}") from error
    if settings.webhooks:
        from rungway_server.webhooks import notifier

        notifier.start(stack, router, settings.endpoints(), monitor.metrics if monitor else None)
    await _watch_store(stack, router, health, settings)
    address = _bind(server, settings.listen, certificate)
    return _Up(server, _http_listener(app, settings, certificate, shared_port=shared_port), health, address, died)


def health_listener(stack: AsyncExitStack, settings: Settings) -> Callable[[str], None]:
    """Begin to answer probes, if that is set. Returns what takes the status. Raises ServeError."""
    if not settings.health_address:
        return lambda _: None
    host, port = settings.health_address
    try:
        listener = stack.enter_context(HealthListener(host.strip("[]"), port))
    except OSError as error:
        raise ServeError(f"cannot listen on {settings.health_listen}: {error.strerror or error}") from error
    _log.info("health_listener", address=listener.address)
    return listener.report


async def start_store(stack: AsyncExitStack, settings: Settings) -> tuple[str, asyncio.Future[None]]:
    """The URL of the Redis to use, and a future that completes if an embedded one ends by itself."""
    if settings.redis_url:
        return settings.redis_url.get_secret_value(), asyncio.get_running_loop().create_future()
    embedded = EmbeddedRedis(settings.data_dir, fsync=settings.fsync, binary=settings.redis_server)
    redis = await stack.enter_async_context(embedded)
    facts = {"server": str(redis.server), "pid": redis.process.pid, "fsync": redis.fsync}
    _log.info("embedded_redis", data_dir=str(redis.data_dir), **facts)

    async def death() -> None:
        code = await redis.process.wait()
        _log.critical("embedded_redis_died", code=code, log_tail=redis.log_tail())

    died = asyncio.ensure_future(death())
    stack.callback(died.cancel)  # from now on we end it ourselves
    return redis.url, died


def _router(stack: AsyncExitStack, url: str, settings: Settings) -> Router:
    try:
        router = connect(url, timeout_seconds=settings.redis_timeout_seconds, tls=settings.redis_tls)
    except ValueError as error:
        raise ServeError(f"cannot use redis_url ({PREFIX}REDIS_URL): {error}") from None
    stack.push_async_callback(router.aclose)
    return router


def _trace(stack: AsyncExitStack, router: Router, settings: Settings) -> None:
    """Send spans until the stack is left, if that is set. Raises ServeError."""
    if not settings.tracing:
        return
    try:
        stack.enter_context(tracing.started(__version__))
    except tracing.NotInstalled as error:
        raise ServeError(str(error)) from None
    router.trace(tracing.script)


def _monitor(
    stack: AsyncExitStack, router: Router, settings: Settings, certificate: TlsFiles | None, *, shared: bool
) -> "Monitor":
    """What counts for the metrics, which nothing imports while they are off."""
    if not shared:
        os.environ.pop(METRICS_FOLDER, None)
    from rungway_server.monitoring import Monitor

    return Monitor(stack, router, settings, certificate, shared=shared)


def build_server(
    router: Router, settings: Settings, health: Health, monitor: "Monitor | None" = None, *, shared_port: bool = False
) -> tuple[Server, App]:
    """The gRPC server with its services, and the same services as an application for HTTP; only here are the classes
    of store and servicers named."""
    counted = monitor.metrics if monitor else None
    over_grpc, over_http = (counted.grpc, counted.http) if counted else (None, None)
    store = RedisStore(
        router,
        request_window_ms=1000 * settings.request_window_seconds,
        most_events=settings.most_events,
        counter=monitor.counter if monitor else None,
    )
    store.note_best = NewBests(store).told
    ledger = RedisLedger(router)
    quotas = Quotas(ledger, store, _quota(settings))
    guard = Guard(RedisTokens(router) if settings.tokens else None, quotas)
    streams = max(1, settings.max_concurrent_rpcs // 4)
    admission = Admission(max(1, settings.max_concurrent_rpcs - streams))
    open_streams = OpenStreams(guard, streams)
    server = Server(
        [AccessInterceptor(guard, open_streams, over_grpc)],
        options(settings.max_message_bytes, most_connections(_ports(settings)), shared_port=shared_port),
        most_calls=4 * settings.max_concurrent_rpcs + 1_000,
    )
    if over_grpc:
        server.tell_refused(over_grpc.failed)
    reading: Any = ReadingServer(server, counted=over_grpc)
    health_checks: Any = ReadingServer(server, AnonymousCalls("health"))
    search = grpc_server.build_search_servicer(store, admission, health.drained)
    add_SearchServiceServicer_to_server(search, reading)
    reads = Reading(quotas, min(MOST_READS, settings.max_concurrent_rpcs))
    experiments = grpc_server.build_experiment_servicer(
        ExperimentsWithinQuotas(store, quotas, ledger), health.drained, reads
    )
    add_ExperimentServiceServicer_to_server(experiments, reading)
    looking = ViewUseCases(store, health.drained, reads, counted.view_refresh if counted else None)
    if monitor:
        monitor.views, monitor.asks_held = looking, search.asks_held
    views = build_view_servicer(looking)
    add_ViewServiceServicer_to_server(views, reading)
    health_pb2_grpc.add_HealthServicer_to_server(health, health_checks)
    if settings.reflection:
        limited: Any = ReadingServer(server, AnonymousCalls("reflection", most=100, most_of_a_peer=10))
        names = (*_SERVICES, reflection.SERVICE_NAME)
        add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(names), limited)
    servicers = {"SearchService": search, "ExperimentService": experiments, "ViewService": views}
    app = App(
        routes(_FILES, servicers),
        guard,
        open_streams,
        Turnstile(server.calls, counted.turnstile_wait if counted else None),
        Bodies(settings.max_message_bytes),
        hosts=settings.http_hosts,
        prefix=settings.http_prefix,
        ready=lambda: health.ready,
        counted=over_http,
        metrics=monitor.show(store) if monitor else None,
    )
    return server, app


def _ports(settings: Settings) -> int:
    return 1 if settings.http_address is None else 2


def _quota(settings: Settings) -> Quota:
    """The default limits of namespaces."""
    return Quota(
        experiments=settings.quota_experiments,
        trials=settings.quota_trials,
        leases=settings.quota_leases,
        calls_per_second=settings.quota_calls_per_second,
    )


def certificate_files(settings: Settings) -> TlsFiles | None:
    """The certificate to listen with; None = plain text. Raises ServeError when its files cannot be used."""
    if not (settings.tls_cert and settings.tls_key):
        return None
    files = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    try:
        files.check()
    except TlsError as error:
        raise ServeError(str(error)) from error
    return files


def _http_listener(app: App, settings: Settings, certificate: TlsFiles | None, *, shared_port: bool) -> Listener | None:
    """The HTTP port, bound; None = off."""
    if settings.http_address is None:
        return None
    try:
        sock = http_socket(settings, shared=shared_port)
    except OSError as error:
        raise ServeError(cannot_listen_for_http(settings, error)) from error
    tls = certificate.context() if certificate else None
    connections = min(most_connections(_ports(settings)), 4 * settings.max_concurrent_rpcs)
    return Listener(app, sock, tls, connections)


def _bind(server: Server, address: str, certificate: TlsFiles | None) -> str:
    """Listen. Returns the address with the port in use."""
    host, port = split_address(address)
    try:
        if certificate:
            taken = server.add_secure_port(f"{host}:{port}", certificate.credentials())
        else:
            taken = server.add_insecure_port(f"{host}:{port}")
        return f"{host}:{taken}"
    except RuntimeError as error:
        raise ServeError(f"cannot listen on {address}: is the port in use? ({error})") from error


def http_socket(settings: Settings, *, shared: bool) -> socket.socket:
    """A socket bound to the HTTP port of the settings, which is not off. Raises OSError."""
    assert settings.http_address is not None
    return bound(*settings.http_address, shared=shared, else_free=settings.http is None)


def cannot_listen_for_http(settings: Settings, error: OSError) -> str:
    """What to tell users."""
    host, port = settings.http_address or ("", 0)
    return f"cannot listen on {host}:{port} for HTTP: {error.strerror or error} (--http HOST:PORT, or --http off)"


async def _watch_store(stack: AsyncExitStack, router: Router, health: Health, settings: Settings) -> None:
    """Let health follow Redis. Raises RedisStartError when Redis answers but must not be used."""

    async def check() -> None:
        await router.check()
        if not health.ready:
            await fit_for_use(router, settings)
            with suppress(StoreFull):  # for `rungway quota show`
                await RedisQuotas(router).publish(_quota(settings))

    try:
        await check()
        await health.report("")
    except _AWAY as error:
        await health.report(str(error))
    following = asyncio.ensure_future(health.follow(check, _PING_SECONDS, (*_AWAY, RedisStartError)))
    stack.callback(following.cancel)


async def _end_of(server: Server) -> None:
    """Completes if the server ends by itself, which no input can cause; the process then ends and is replaced."""
    try:
        while await server.wait_for_termination(_PING_SECONDS):  # without a timeout, cancelling it would end the server
            pass
    except Exception as error:
        _log.critical("server_ended_by_itself", error=repr(error))


async def _drain(up: _Up, settings: Settings) -> None:
    if up.http:
        up.http.announce_end()
    await up.health.drain(settings.drain_notice_seconds)
    stops = [up.server.stop(settings.drain_seconds)]
    if up.http:
        stops.append(up.http.stop(settings.drain_seconds))
    await asyncio.gather(*stops)
    _log.info("drained")
