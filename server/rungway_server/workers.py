"""Several server processes behind one port: `rungway serve --workers N`, for hosts with several cores.

The kernel spreads connections over the processes (SO_REUSEPORT). This parent owns the embedded store, holds the port,
replaces a process that dies, answers probes of health (ready while any process serves), and stops all of them at the
end; it serves no calls itself. A process whose parent is gone drains and exits.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import SecretStr

from rungway_server import logs, native_lines
from rungway_server.bootstrap import (
    ServeError,
    cannot_listen_for_http,
    certificate_files,
    health_listener,
    http_socket,
    serve,
    start_store,
)
from rungway_server.event_loop import serving_runner
from rungway_server.settings import METRICS_FOLDER, Settings
from rungway_server.stopping import Stopped, stop_signal, unless
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.transport.health_listener import STARTING, STOPPING
from rungway_server.transport.http.listener import bound
from rungway_server.welcome import welcome

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_RESTART_SECONDS = 1.0
"""Pause before a process that died is replaced, so that one that always dies does not use up a core."""

_log = structlog.get_logger()
_spawn = multiprocessing.get_context("spawn")  # gRPC does not survive a fork


def supervise_sync(settings: Settings) -> int:
    """Configure the logs and serve with `settings.workers` processes until a signal; returns the exit code."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        with native_lines.routed():
            return asyncio.run(supervise(settings))
    except (ServeError, RedisStartError) as error:
        _log.error("cannot_start", error=str(error))
        return 1
    except KeyboardInterrupt:
        return 130


async def supervise(settings: Settings) -> int:
    """Serve until SIGTERM, SIGINT or cancellation; 0, or 1 when the embedded Redis died.

    Raises ServeError when the port is taken or a process cannot start, RedisStartError as `serve`.
    """
    async with AsyncExitStack() as stack:
        stopped = stop_signal(stack)
        certificate_files(settings)
        report = health_listener(stack, settings)
        try:
            url, died = await unless(stopped, start_store(stack, settings))
        except Stopped:
            return 0
        address, http = _reserved(stack, settings), _reserved_for_http(stack, settings)
        shared = settings.model_copy(
            update={
                "listen": address,
                "http": http,
                "metrics_listen": _reserved_for_metrics(stack, settings),
                "redis_url": SecretStr(url),
            }
        )
        if shared.counts:
            os.environ[METRICS_FOLDER] = _metrics_folder(stack)

        def changed() -> None:
            report(STOPPING if stopped.done() else min(worker.status for worker in workers))  # "" sorts first

        workers = [_Worker(number, shared, changed) for number in range(settings.workers)]
        async with _first_error(), asyncio.TaskGroup() as group:
            ends: list[asyncio.Future[Any]] = [stopped, died, *(group.create_task(worker.run()) for worker in workers)]
            ready: asyncio.Future[Any] = asyncio.ensure_future(_all_ready(workers))
            try:
                await asyncio.wait([ready, *ends], return_when=asyncio.FIRST_COMPLETED)
                if ready.done():
                    _log.info("ready", address=address, http=http, workers=len(workers))
                    welcome(settings, address, http)
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ready.cancel()
                report(STOPPING)
                for worker in workers:
                    worker.stop()
        return 1 if died.done() else 0


@asynccontextmanager
async def _first_error() -> AsyncIterator[None]:
    """Raises the first error of a group: all processes fail for the same reason."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


class _Worker:
    """Keeps one process running: one that dies is replaced, if any before it has been ready."""

    def __init__(self, number: int, settings: Settings, changed: Callable[[], None]) -> None:
        self._number, self._settings, self._changed = number, settings, changed
        self.status = STARTING
        self._process: SpawnProcess | None = None
        self._stopping = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Run processes until `stop`, and then until the last one has drained. Raises ServeError when the first one
        cannot start."""
        while not self._stopping.is_set():
            code = await self._life()
            if self._stopping.is_set():
                return
            if not self.ready.is_set():
                raise ServeError(f"a server process ended with code {code} before it was ready")
            _log.error("worker_died", worker=self._number, code=code)
            try:
                await asyncio.wait_for(self._stopping.wait(), _RESTART_SECONDS)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Let the process drain; it is not replaced."""
        self._stopping.set()
        if self._process and self._process.is_alive() and self._process.pid:
            os.kill(self._process.pid, signal.SIGTERM)

    async def _life(self) -> int | None:
        """One process from its start to its end; its exit code."""
        receiver, sender = _spawn.Pipe(duplex=False)
        process = self._process = _spawn.Process(target=_serve, args=(self._settings, sender), daemon=True)
        process.start()
        sender.close()
        _log.info("worker_started", worker=self._number, pid=process.pid)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def receive() -> None:
            try:
                self.status = receiver.recv()
            except EOFError:  # it has ended, or is about to
                loop.remove_reader(receiver.fileno())
                return
            self.ready.set()
            self._changed()

        loop.add_reader(receiver.fileno(), receive)
        loop.add_reader(process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(process.sentinel)
            loop.remove_reader(receiver.fileno())
            receiver.close()
        process.join()
        self.status = STARTING
        self._changed()
        if process.pid:
            _forget_gauges(process.pid)
        return process.exitcode


def _metrics_folder(stack: AsyncExitStack) -> str:
    """A new folder in which the processes count. Raises ServeError."""
    try:
        return stack.enter_context(TemporaryDirectory(prefix="rungway-metrics-"))
    except OSError as error:
        problem = f"cannot make a folder for the metrics of several processes: {error.strerror or error}"
        raise ServeError(f"{problem} (set TMPDIR, or --metrics-listen off)") from error


def _forget_gauges(pid: int) -> None:
    """Of a process that has ended: what it counted stays, what was going on in it does not."""
    for file in Path(os.environ.get(METRICS_FOLDER, "/nonexistent")).glob(f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


async def _all_ready(workers: list[_Worker]) -> None:
    for worker in workers:
        await worker.ready.wait()


def _serve(settings: Settings, sender: Connection) -> None:
    """The main function of a server process."""
    logs.configure(settings.log_level, settings.log_format)
    try:
        with native_lines.routed(), serving_runner() as runner:
            code = runner.run(_serve_as_child(settings, sender.send))
    except (ServeError, RedisStartError) as error:
        _log.error("cannot_start", error=str(error))
        code = 1
    except KeyboardInterrupt:
        code = 130
    raise SystemExit(code)


async def _serve_as_child(settings: Settings, status: Callable[[str], None]) -> int:
    parent = multiprocessing.parent_process()
    assert parent is not None
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(parent.sentinel)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(parent.sentinel, orphaned)
    return await serve(settings, status, shared_port=True)


def _reserved(stack: AsyncExitStack, settings: Settings) -> str:
    """Hold the port while the processes share it, and give its address. Raises ServeError if another program has it."""
    host, port = settings.address
    name = host.strip("[]")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        with socket.socket(family) as alone:  # a shared port could belong to another program without our noticing
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections in TIME-WAIT hold no port
            alone.bind((name, port))
            alone.listen()  # until one listens, two programs can bind it
        held = stack.enter_context(socket.socket(family))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((name, port))
    except OSError as error:
        raise ServeError(f"cannot listen on {settings.listen}: {error.strerror or error}") from error
    return f"{host}:{held.getsockname()[1]}"


def _reserved_for_metrics(stack: AsyncExitStack, settings: Settings) -> str:
    """The same for the port of the metrics; the setting as it is where they have none."""
    if settings.metrics_address is None:
        return settings.metrics_listen
    try:
        return _held(stack, settings.metrics_address[0], bound(*settings.metrics_address))
    except OSError as error:
        raise ServeError(f"cannot listen on {settings.metrics_listen}: {error.strerror or error}") from error


def _reserved_for_http(stack: AsyncExitStack, settings: Settings) -> str:
    """The same for the HTTP port; "off" if it is."""
    if settings.http_address is None:
        return "off"
    try:
        return _held(stack, settings.http_address[0], http_socket(settings, shared=False))
    except OSError as error:
        raise ServeError(cannot_listen_for_http(settings, error)) from error


def _held(stack: AsyncExitStack, host: str, alone: socket.socket) -> str:
    """Hold the port that `alone` has shown to be free. Raises OSError."""
    with alone:
        port: int = alone.getsockname()[1]
    stack.enter_context(bound(host, port, shared=True))
    return f"{host}:{port}"
