"""The process behind `rungway katib`: listens where Katib's controller calls, and answers its probes."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from rungway_server import logs
from rungway_server.bootstrap import ServeError
from rungway_server.event_loop import serving_runner
from rungway_server.katib.checkpoints import TrialDirs
from rungway_server.katib.servicer import EARLY_STOPPING, SUGGESTION, Servicer, handlers
from rungway_server.katib.suggesting import Suggesting
from rungway_server.stopping import stop_signal
from rungway_server.store.redis.connection.errors import RedisStartError

PROBED = "manager.v1beta1.Suggestion"
"""The name that Katib's probes ask for; it is not the name of the service."""
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DRAIN_SECONDS = 4.0
_MOST_BYTES = 64 * 1024 * 1024
"""Largest request: it has every trial of the experiment."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KatibSettings:
    """How to serve Katib. `namespace` None: that of the pod's service account, else none. `missing_after` in
    seconds; `redis_server` None: the first that is found."""

    listen: str
    namespace: str | None
    trial_dirs: Path
    missing_after: float
    redis_server: Path | None = None
    log_level: str = "info"
    log_format: str = "auto"


def serve_katib(settings: KatibSettings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code of the process."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        with serving_runner() as runner:
            runner.run(_serve(settings))
    except ServeError as error:
        _log.error("cannot_start", error=str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(settings: KatibSettings) -> None:
    async with AsyncExitStack() as stack:
        stopped = stop_signal(stack)
        namespace = _namespace() if settings.namespace is None else settings.namespace
        suggesting = Suggesting(
            namespace, TrialDirs(settings.trial_dirs), settings.missing_after, settings.redis_server
        )
        stack.push_async_callback(suggesting.aclose)
        try:  # now, for no child process should be made beside the threads of gRPC; a call tries again
            await suggesting.open()
        except (RedisStartError, OSError) as error:
            _log.warning("store_unavailable", error=str(error))
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MOST_BYTES), ("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(handlers(Servicer(suggesting)))
        health_pb2_grpc.add_HealthServicer_to_server(await _healthy(), server)
        address = _bind(server, settings.listen)
        await server.start()
        stack.push_async_callback(server.stop, _DRAIN_SECONDS)
        _log.info("ready", address=address, namespace=namespace)
        await asyncio.wait((stopped,))


async def _healthy() -> Any:
    """A health service that says SERVING for every name that may be asked for."""
    servicer = health.HealthServicer()
    for name in ("", PROBED, SUGGESTION, EARLY_STOPPING):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer


def _bind(server: grpc.aio.Server, address: str) -> str:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:  # also for a text that is no address
        raise ServeError(f"cannot listen on {address}: is the port in use? ({error})") from error
    return f"{address.rpartition(':')[0]}:{port}"


def _namespace() -> str:
    try:
        return _NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
