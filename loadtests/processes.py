"""The processes under test, separate from the generator: redis-server, `rungway serve` and the no-op server."""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rungway_server.store.redis.embedded.server import EmbeddedRedis

_RUNGWAY = str(Path(sys.executable).parent / "rungway")
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_OF_A_PROCESS = 2
"""With the bits of a PID before it, the number of a process's CPU clock on Linux (clock_getcpuclockid)."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Addresses of the servers, and the processes whose CPU time is read."""

    service: str
    http: str
    noop: str
    redis_url: str
    service_pid: int
    noop_pid: int
    redis_pid: int


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """A real Redis (append-only file, synced every second), the service on it, and the no-op server."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rw-load-"))
        redis = await stack.enter_async_context(EmbeddedRedis(Path(folder)))
        service = await stack.enter_async_context(service_on(redis.url))
        no_op = [sys.executable, "-m", "loadtests.noop_server", redis.url]
        noop = await stack.enter_async_context(server_process(*no_op))
        yield Stack(service.address, service.http, noop.address, redis.url, service.pid, noop.pid, redis.process.pid)


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process so far: all threads, user and system, as in /proc/PID/stat but to the nanosecond."""
    return time.clock_gettime(~pid << 3 | _OF_A_PROCESS)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def machine_cpu_seconds() -> float:
    """CPU seconds of all processes of the machine so far, interrupts included."""
    user, nice, system, _idle, _waiting, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / _TICKS_PER_SECOND


def service_on(redis_url: str) -> "AbstractAsyncContextManager[Server]":
    """Run a service on this Redis."""
    return server_process(_RUNGWAY, "serve", "--listen", "127.0.0.1:0", "--redis", redis_url, "--drain-notice", "0")


@dataclass(frozen=True, slots=True)
class Server:
    """A server process: its addresses for gRPC and HTTP ("" if it has none), PID, and log since it was ready."""

    address: str
    http: str
    pid: int
    lines: list[str]


@asynccontextmanager
async def server_process(*command: str) -> AsyncIterator[Server]:
    """Run a process that logs a JSON line with event "ready" and its address; SIGTERM ends it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    lines: list[str] = []
    reading: asyncio.Future[None] | None = None
    try:
        ready = await asyncio.wait_for(_ready(process), _START_SECONDS)
        reading = asyncio.ensure_future(_collect(process, lines))
        yield Server(ready["address"], ready.get("http", ""), process.pid, lines)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(reading or process.communicate(), _STOP_SECONDS)
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _collect(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stdout
    async for line in process.stdout:
        lines.append(line.decode())


async def _ready(process: asyncio.subprocess.Process) -> dict[str, str]:
    """The line of the log that says where it listens."""
    assert process.stdout
    log = []
    async for line in process.stdout:
        log.append(line.decode())
        entry: dict[str, str] = json.loads(line)
        if entry["event"] == "ready":
            return entry
    raise RuntimeError(f"the server did not start: {''.join(log)}")
