"""The embedded store: a redis-server of our own, so that installing the package alone gives a working service.

It is the same Redis that a large installation uses, as a child process on a unix socket, with an append-only file in
the data folder. Who owns the folder is decided by an flock on `lock` in it. The child inherits the locked file, so the
folder stays locked until the last of the two processes is gone: no second redis-server can ever write to the same
append-only file, not even after the service was killed. The child gets SIGTERM from the kernel when the service dies
(PR_SET_PDEATHSIG, Linux) and saves as it goes. It runs in a session of its own, so that Ctrl-C in a terminal reaches
the service alone, which still needs its Redis to finish the calls in work.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

from redis import exceptions as redis_errors

from rungway_server.store.redis.binary import RedisServer, find_redis_server
from rungway_server.store.redis.connection import plain_client
from rungway_server.store.redis.errors import RedisStartError

# Runs first in the child and then becomes redis-server. Set here and not in a preexec_fn, which may deadlock in a
# process with threads. 1 = PR_SET_PDEATHSIG; the parent may have died before it was set. Elsewhere than on Linux a
# redis-server outlives a killed service; the lock then names its PID.
_CHILD = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the service ended")
os.execv(sys.argv[2], sys.argv[2:])
"""
_SOCKET_PATH_BYTES = 100
"""Longest socket path we use; the kernel takes 107 (sun_path), less on some systems (104 with the final zero)."""
_LOCK_WAIT_SECONDS = 3.0
"""How long to wait for a locked folder: the Redis of a service that just died needs a moment to save and end."""


class EmbeddedRedis:
    """A redis-server child process with its data in a folder: `async with EmbeddedRedis(folder) as redis: redis.url`.

    Entering raises RedisStartError when no binary is found, the folder is in use, or Redis does not start; the text
    then ends with the tail of Redis's own log, which is `redis.log` in the folder. Leaving ends Redis by SIGTERM, which
    writes and syncs everything first.
    """

    url: str
    """Where it listens, `unix:///…`."""
    process: asyncio.subprocess.Process
    """The child; `await process.wait()` returns when it ends, which it should not do by itself."""

    def __init__(
        self,
        data_dir: Path,
        *,
        fsync: Literal["everysec", "always"] = "everysec",
        start_seconds: float = 30.0,
        stop_seconds: float = 30.0,
    ) -> None:
        """Name the folder (made when missing) and the limits: to answer after start (seconds, not counting the time it
        loads its data) and to end after SIGTERM before it is killed (seconds)."""
        self.data_dir = data_dir.expanduser().absolute()
        self.fsync = fsync
        self._log = self.data_dir / "redis.log"
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        server = await asyncio.to_thread(find_redis_server)
        async with AsyncExitStack() as stack:
            try:
                self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = await _lock(self.data_dir)
            except OSError as error:
                raise RedisStartError(f"cannot use the data folder {self.data_dir}: {error}") from error
            stack.callback(os.close, lock)
            self._check_format(server)
            socket = stack.enter_context(_SocketPath(self.data_dir))
            self.url = f"unix://{quote(socket)}"
            self.process = await self._spawn(server, socket, lock)
            stack.push_async_callback(self._end)
            _write_owner(lock, self.process.pid, socket)
            await self._answered()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def log_tail(self, lines: int = 10) -> str:
        """The last lines of Redis's own log."""
        with suppress(OSError):
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _check_format(self, server: RedisServer) -> None:
        # Redis 7 keeps its append-only file in a folder that 6.2 does not look at: it would start empty.
        if server.version < (7,) and (self.data_dir / "appendonlydir").exists():
            raise RedisStartError(
                f"the data in {self.data_dir} was written by Redis 7 or newer, "
                f"but the redis-server found is {server}: install Redis 7 or newer"
            )

    async def _spawn(self, server: RedisServer, socket: str, lock: int) -> asyncio.subprocess.Process:
        options = {
            "port": "0",
            "unixsocket": socket,
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-c", _CHILD, str(os.getpid()), str(server.path)),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(lock,),
                start_new_session=True,
            )

    async def _answered(self) -> None:
        """Wait until it answers PING."""
        deadline = time.monotonic() + self._start_seconds
        async with plain_client(self.url, timeout_seconds=1.0) as client:
            while self.process.returncode is None:
                try:
                    await client.ping()
                    return
                except redis_errors.BusyLoadingError:  # takes as long as there is data
                    deadline = time.monotonic() + self._start_seconds
                except (redis_errors.ConnectionError, redis_errors.TimeoutError):
                    pass
                if time.monotonic() > deadline:
                    raise RedisStartError(f"redis-server gave no answer in {self._start_seconds:g} s{self._why()}")
                await asyncio.sleep(0.02)
        raise RedisStartError(f"redis-server ended at once with code {self.process.returncode}{self._why()}")

    def _why(self) -> str:
        return f"; its log, {self._log}, ends:\n{self.log_tail()}"

    async def _end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._stop_seconds):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def running_url(data_dir: Path) -> str | None:
    """Where the Redis of this folder listens that somebody else runs; None when nobody does."""
    try:
        _, socket, *_ = await asyncio.to_thread(lambda: (data_dir / "lock").read_text(errors="replace").split("\n"))
    except (OSError, ValueError):
        return None
    url = f"unix://{quote(socket)}"
    async with plain_client(url, timeout_seconds=1.0) as client:
        try:
            await client.ping()
        except redis_errors.RedisError:
            return None
    return url


class _SocketPath:
    """A path for the socket: in the data folder, or in a short temporary folder where that path would be too long."""

    def __init__(self, data_dir: Path) -> None:
        self._path = str(data_dir / "redis.sock")
        self._folder = ""

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) > _SOCKET_PATH_BYTES:
            self._folder = tempfile.mkdtemp(prefix="rungway-", dir="/tmp")
            self._path = f"{self._folder}/redis.sock"
        return self._path

    def __exit__(self, *_: object) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)


async def _lock(data_dir: Path) -> int:
    """The descriptor of the locked file; the folder is ours while anybody holds it."""
    lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    owner = os.pread(lock, 200, 0).decode(errors="replace").partition("\n")[0]
                    raise RedisStartError(
                        f"the data folder {data_dir} is in use by {owner}: stop it, or choose another folder (--data)"
                    ) from None
                await asyncio.sleep(0.05)
            else:
                _write_owner(lock)
                return lock
    except BaseException:
        os.close(lock)
        raise


def _write_owner(lock: int, redis_pid: int | None = None, socket: str = "") -> None:
    """Leave in the locked file who holds it, and the socket: read by those who find it locked."""
    child = f" (with redis-server {redis_pid})" if redis_pid else ""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"process {os.getpid()}{child}\n{socket}\n".encode(), 0)
