"""Wires settings, store and transport into a running service: the one place that knows them all.

Life of a service: store (embedded or by URL) -> listening -> Redis answers and is fit for use: SERVING -> SIGTERM:
NOT_SERVING, a moment for load balancers to see it -> no new calls, those in work finish -> connections closed, embedded
Redis ended last. A Redis that is away, at start or later, makes the service NOT_SERVING until it is back.
"""

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server
from redis.exceptions import ResponseError

from rungway._core.environment import PREFIX
from rungway.v1 import experiment_service_pb2, search_service_pb2
from rungway.v1.experiment_service_pb2_grpc import add_ExperimentServiceServicer_to_server
from rungway.v1.search_service_pb2_grpc import add_SearchServiceServicer_to_server
from rungway_server import logs
from rungway_server.domain.errors import StoreFull, StoreUnavailable
from rungway_server.service.access import Guard
from rungway_server.service.admission import Admission
from rungway_server.service.quotas import ExperimentsWithinQuotas, Quota, Quotas
from rungway_server.service.reading import MOST_READS, Reading
from rungway_server.settings import Settings, split_address
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.preflight import inspect
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from rungway_server.store.redis.quotas import RedisLedger, RedisQuotas
from rungway_server.store.redis.store import RedisStore
from rungway_server.store.redis.tokens import RedisTokens
from rungway_server.transport import grpc_server
from rungway_server.transport.access import AccessInterceptor
from rungway_server.transport.anonymous_calls import AnonymousCalls
from rungway_server.transport.health import Health
from rungway_server.transport.messages import ReadingServer
from rungway_server.transport.server import Server, most_connections
from rungway_server.transport.tls import TlsError, TlsFiles

_SERVICES = (
    search_service_pb2.DESCRIPTOR.services_by_name["SearchService"].full_name,
    experiment_service_pb2.DESCRIPTOR.services_by_name["ExperimentService"].full_name,
)
_PING_SECONDS = 1.0
"""How often Redis is asked whether it is there; health checks are answered from the last time."""
_AWAY = (OSError, ResponseError, StoreUnavailable)
"""What is raised for a Redis that may be used later."""

_log = structlog.get_logger()


class ServeError(Exception):
    """The service cannot start; the text says why."""


def serve_sync(settings: Settings) -> int:
    """Configure the logs and serve until a signal; returns the exit code of the process."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        with serving_runner() as runner:
            return runner.run(serve(settings))
    except (ServeError, RedisStartError) as error:
        _log.error("cannot_start", error=str(error))
        return 1
    except KeyboardInterrupt:  # a second Ctrl-C, or one before the service was up
        return 130


async def serve(settings: Settings, ready: Callable[[str], None] | None = None, *, shared_port: bool = False) -> int:
    """Serve until SIGTERM, SIGINT or cancellation; returns the exit code: 0, or 1 when the embedded Redis died.

    `ready` is called with the address, host:port, once calls are taken; without it a log line says so. Other processes
    may listen on a `shared_port` too. Raises ServeError or RedisStartError when it cannot start.
    """
    async with AsyncExitStack() as stack:
        url, died = await start_store(stack, settings)
        health = Health(_SERVICES)
        router = _router(stack, url, settings)
        server = build_server(router, settings, health, shared_port=shared_port)
        await _watch_store(stack, router, health, settings)
        address = _bind(server, settings.listen, _certificate(stack, settings))
        await server.start()
        stack.push_async_callback(_drain, server, health, settings)
        stopped = asyncio.ensure_future(stop_signal(stack).wait())
        stack.callback(stopped.cancel)
        if ready:
            ready(address)
        else:
            _log.info("ready", address=address, serving=health.ready)
        ended = asyncio.ensure_future(_end_of(server))
        stack.callback(ended.cancel)
        await asyncio.wait((stopped, died, ended), return_when=asyncio.FIRST_COMPLETED)
        return 1 if died.done() or ended.done() else 0


async def start_store(stack: AsyncExitStack, settings: Settings) -> tuple[str, asyncio.Future[None]]:
    """The URL of the Redis to use, and what completes when an embedded one has ended by itself."""
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
    stack.callback(died.cancel)  # from here on its end is wanted
    return redis.url, died


def _router(stack: AsyncExitStack, url: str, settings: Settings) -> Router:
    try:
        router = connect(url, timeout_seconds=settings.redis_timeout_seconds, tls=settings.redis_tls)
    except ValueError as error:
        raise ServeError(f"cannot use redis_url ({PREFIX}REDIS_URL): {error}") from None
    stack.push_async_callback(router.aclose)
    return router


def build_server(router: Router, settings: Settings, health: Health, *, shared_port: bool = False) -> Server:
    """The server with its services: the only lines that know the store's and the servicers' classes."""
    store = RedisStore(
        router, request_window_ms=1000 * settings.request_window_seconds, most_events=settings.most_events
    )
    ledger = RedisLedger(router)
    quotas = Quotas(ledger, store, _quota(settings))
    guard = Guard(RedisTokens(router) if settings.tokens else None, quotas)
    streams = max(1, settings.max_concurrent_rpcs // 4)
    admission = Admission(max(1, settings.max_concurrent_rpcs - streams))
    server = Server(
        [AccessInterceptor(guard, streams)],
        [
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.so_reuseport", int(shared_port)),  # else a taken port is an error, not a share of somebody's calls
            ("grpc.max_concurrent_streams", 100),  # of one connection; gRPC clients keep further calls back themselves
            ("grpc.http2.min_ping_interval_without_data_ms", 20_000),  # clients may keep quiet connections alive
            ("grpc.max_connection_age_ms", 30 * 60_000),  # clients that balance meet new replicas
            ("grpc.max_connection_age_grace_ms", 10 * 60_000),  # then no stream is open longer
            ("grpc.max_connection_idle_ms", 5 * 60_000),  # who holds a connection makes a call now and then
            ("grpc.server_handshake_timeout_ms", 10_000),
            ("grpc.max_allowed_incoming_connections", most_connections()),
        ],
        most_calls=4 * settings.max_concurrent_rpcs + 1_000,
    )
    reading: Any = ReadingServer(server)
    health_checks: Any = ReadingServer(server, AnonymousCalls("health"))
    add_SearchServiceServicer_to_server(grpc_server.build_search_servicer(store, admission), reading)
    reads = Reading(quotas, min(MOST_READS, settings.max_concurrent_rpcs))
    experiments = grpc_server.build_experiment_servicer(
        ExperimentsWithinQuotas(store, quotas, ledger), health.drained, reads
    )
    add_ExperimentServiceServicer_to_server(experiments, reading)
    health_pb2_grpc.add_HealthServicer_to_server(health, health_checks)
    if settings.reflection:
        curious: Any = ReadingServer(server, AnonymousCalls("reflection", most=100, most_of_a_peer=10))
        names = (*_SERVICES, reflection.SERVICE_NAME)
        add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(names), curious)
    return server


def _quota(settings: Settings) -> Quota:
    """The limits of namespaces for which no others are set."""
    return Quota(
        experiments=settings.quota_experiments,
        trials=settings.quota_trials,
        leases=settings.quota_leases,
        calls_per_second=settings.quota_calls_per_second,
    )


def _certificate(stack: AsyncExitStack, settings: Settings) -> grpc.ServerCredentials | None:
    """What to listen with, looked after from now on; None = plain text."""
    if not (settings.tls_cert and settings.tls_key):
        return None
    files = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    try:
        credentials = files.credentials()
    except TlsError as error:
        raise ServeError(str(error)) from error
    stack.callback(asyncio.ensure_future(files.follow()).cancel)
    return credentials


def _bind(server: Server, address: str, credentials: grpc.ServerCredentials | None) -> str:
    """Listen; the address with the port that was taken."""
    host, port = split_address(address)
    try:
        if credentials:
            taken = server.add_secure_port(f"{host}:{port}", credentials)
        else:
            taken = server.add_insecure_port(f"{host}:{port}")
        return f"{host}:{taken}"
    except RuntimeError as error:
        raise ServeError(f"cannot listen on {address}: is the port in use? ({error})") from error


async def _watch_store(stack: AsyncExitStack, router: Router, health: Health, settings: Settings) -> None:
    """Let health follow Redis. Raises RedisStartError when Redis is there and must not be used."""

    async def check() -> None:
        await router.check()
        if not health.ready:
            await _fit_for_use(router, settings)
            with suppress(StoreFull):  # `rungway quota show` tells them
                await RedisQuotas(router).publish(_quota(settings))

    try:
        await check()
        await health.report("")
    except _AWAY as error:
        await health.report(str(error))
    following = asyncio.ensure_future(health.follow(check, _PING_SECONDS, (*_AWAY, RedisStartError)))
    stack.callback(following.cancel)


async def _fit_for_use(router: Router, settings: Settings) -> None:
    """Raises RedisStartError when a search must not be trusted to this Redis; logs what it found."""
    facts = await inspect(router)
    for each in facts.evicting:
        policy = f"maxmemory-policy {each.eviction} of {each.node}"
        problem = f"{each.version} may evict keys ({policy}), which destroys searches"
        if settings.unsafe_eviction == "refuse":
            raise RedisStartError(f"{problem}: set it to noeviction, or RUNGWAY_UNSAFE_EVICTION=warn to go on")
        _log.warning("redis_unsafe", problem=problem)
    if slow := ", ".join(each.node for each in facts.holding_up):
        problem = "searches whose retention is over are freed while everybody waits: set lazyfree-lazy-expire to yes"
        _log.warning("redis_slow", problem=f"{problem} ({slow})")
    if unknown := ", ".join(facts.unknown_eviction):
        _log.warning("redis_unsafe", problem=f"maxmemory-policy not checked, make sure it is noeviction: {unknown}")
    _log.info("redis", version=facts.version, nodes=len(facts.nodes), survival=facts.survival)


async def _end_of(server: Server) -> None:
    """Until the server has ended by itself, which no input can make it do: the process ends, and is replaced."""
    try:
        while await server.wait_for_termination(_PING_SECONDS):  # without a time, cancelling it would end the server
            pass
    except Exception as error:
        _log.critical("server_ended_by_itself", error=repr(error))


def stop_signal(stack: AsyncExitStack) -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    received = asyncio.Event()

    def unhook() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    def first(number: signal.Signals) -> None:
        unhook()
        _log.info("stopping", signal=number.name)
        received.set()

    with suppress(ValueError, RuntimeError):  # not in the main thread: served until cancelled
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, first, number)
    stack.callback(unhook)
    return received


async def _drain(server: Server, health: Health, settings: Settings) -> None:
    await health.drain(settings.drain_notice_seconds)
    await server.stop(settings.drain_seconds)
    _log.info("drained")


def serving_runner() -> asyncio.Runner:
    """Runs the event loop of a process that does nothing but serve.

    What exists by now lives as long as the process does. The garbage collector does not look at it again: that takes
    a fifteenth off a call.
    """
    gc.freeze()
    return asyncio.Runner(loop_factory=loop_factory())


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: it carries about a third more calls."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
