"""The embedded store: a Valkey or Redis of our own, so that installing the package alone gives a working service.

It is the same server that a large installation uses, as a child process on a unix socket, with an append-only file in
the data folder. An flock on the file `lock` in the folder decides which process owns it. The child inherits the locked
file, so the folder stays locked until both processes have ended: no second server can write to the same append-only
file, not even after the service was killed. The child gets SIGTERM from the kernel when the service dies
(PR_SET_PDEATHSIG, Linux) and saves its data. It runs in a session of its own, so that Ctrl-C in a terminal reaches only
the service, which still needs its store to finish the calls in work. The folder is opened once and checked
(data_folder.py); later all files in it, those of the child too, are opened through that descriptor.
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

from rungway_server.store.redis.connection.connect import plain_client
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.embedded.binary import RedisServer, find_redis_server
from rungway_server.store.redis.embedded.data_folder import open_data_folder, open_in
from rungway_server.store.redis.embedded.data_format import DataFormat, data_format

# Runs first in the child and then becomes the store. Set here and not in a preexec_fn, which may deadlock in a
# process with threads. 1 = PR_SET_PDEATHSIG; the parent may have died before it was set. Elsewhere than on Linux a
# store outlives a killed service; the lock then names its PID.
_CHILD = """
import ctypes, os, signal, sys
parent, folder = map(int, sys.argv[1:3])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the service ended")
os.umask(0o077)
os.fchdir(folder)
os.close(folder)
os.execv(sys.argv[3], sys.argv[3:])
"""
_SOCKET_PATH_BYTES = 100
"""Longest socket path we use; the kernel takes 107 (sun_path), less on some systems (104 with the final zero)."""
_LOCK_WAIT_SECONDS = 3.0
"""How long to wait for a locked folder: the store of a service that just died needs a moment to save and end."""


class EmbeddedRedis:
    """A Valkey or Redis as a child process, with its data in a folder: `async with EmbeddedRedis(folder) as redis:
    redis.url`.

    Entering raises RedisStartError when no binary is found that reads the data, the folder is in use or not ours alone,
    or the store does not start; the text then ends with the tail of its own log, which is `redis.log` in the folder.
    Leaving ends the store by SIGTERM, which writes and syncs everything first.
    """

    url: str
    """Where it listens, `unix:///…`."""
    server: RedisServer
    """The binary that runs."""
    process: asyncio.subprocess.Process
    """The child; `await process.wait()` returns when it ends, which it should not do by itself."""

    def __init__(
        self,
        data_dir: Path,
        *,
        fsync: Literal["everysec", "always"] = "everysec",
        binary: Path | None = None,
        start_seconds: float = 30.0,
        stop_seconds: float = 30.0,
    ) -> None:
        """Name the folder (made when missing), the binary (None = the first that is found and reads the data) and the
        limits: to answer after start (seconds, not counting the time it loads its data) and to end after SIGTERM before
        it is killed (seconds)."""
        self.data_dir = data_dir.expanduser().absolute()
        self.fsync = fsync
        self._binary = binary
        self._folder = -1
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.to_thread(find_redis_server, self._binary)  # before anything is made
        async with AsyncExitStack() as stack:
            try:
                self._folder = open_data_folder(self.data_dir)
                stack.callback(os.close, self._folder)
                lock = await _lock(self.data_dir, self._folder)
                stack.callback(os.close, lock)
                log = open_in(self._folder, "redis.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                stack.callback(os.close, log)
                data = data_format(self._folder)
            except OSError as error:
                raise RedisStartError(f"cannot use the data folder {self.data_dir}: {error}") from error
            if not data.readable_by(self.server.product, self.server.version):
                self.server = await asyncio.to_thread(self._find, data)
            socket = stack.enter_context(_SocketPath(self.data_dir))
            self.url = f"unix://{quote(socket)}"
            self.process = await self._spawn(socket, lock, log)
            stack.push_async_callback(self._end)
            _write_owner(lock, f" (with {self.server.path.name} {self.process.pid})", socket)
            await self._answered()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def log_tail(self, lines: int = 10) -> str:
        """The last lines of the store's own log."""
        with suppress(OSError), open(open_in(self._folder, "redis.log", os.O_RDONLY), errors="replace") as log:
            return "\n".join(log.read().splitlines()[-lines:])
        return ""

    def _find(self, data: DataFormat) -> RedisServer:
        try:
            return find_redis_server(self._binary, data)
        except RedisStartError as error:
            raise RedisStartError(f"cannot use the data folder {self.data_dir}: {error}") from None

    async def _spawn(self, socket: str, lock: int, log: int) -> asyncio.subprocess.Process:
        options = {
            "port": "0",
            "unixsocket": socket,
            "unixsocketperm": "700",
            "dir": ".",  # the child is in the folder, whatever its path has come to name meanwhile
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": self.fsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "lazyfree-lazy-expire": "yes",  # a search whose time is over is freed beside the calls of others
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _CHILD, str(os.getpid()), str(self._folder)),
            str(self.server.path.absolute()),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(lock, self._folder),
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
                    raise RedisStartError(f"{self.server} gave no answer in {self._start_seconds:g} s{self._why()}")
                await asyncio.sleep(0.02)
        raise RedisStartError(f"{self.server} ended at once with code {self.process.returncode}{self._why()}")

    def _why(self) -> str:
        return f"; its log, {self.data_dir / 'redis.log'}, ends:\n{self.log_tail()}"

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
    """The URL of the store of this folder that another process runs; None if none runs.

    Raises RedisStartError when the folder is not ours alone: then the socket that it names cannot be trusted.
    """

    def socket_in() -> str:
        folder = open_data_folder(data_dir, make=False)
        try:
            with open(open_in(folder, "lock", os.O_RDONLY), errors="replace") as lock:
                _, socket, *_ = lock.read().split("\n")
                return socket
        finally:
            os.close(folder)

    try:
        socket = await asyncio.to_thread(socket_in)
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
    """A path for the socket: in the data folder, or in a temporary folder if that path would be too long."""

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


async def _lock(data_dir: Path, folder: int) -> int:
    """The descriptor of the locked file; the folder is ours while a process holds it open."""
    lock = open_in(folder, "lock", os.O_RDWR | os.O_CREAT)
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


def _write_owner(lock: int, child: str = "", socket: str = "") -> None:
    """Write the holder and the socket into the locked file, for other processes that find it locked."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"process {os.getpid()}{child}\n{socket}\n".encode(), 0)
