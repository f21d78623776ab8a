"""The embedded store with a real redis-server: its data, its owner, and how each process ends the other."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from redis.asyncio import Redis

from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.preflight import inspect
from rungway_server.store.redis.embedded.binary import server_at
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from tests.support import redis_server
from tests.support.waiting import is_running, wait_until

_OWNER = """
import asyncio, sys
from pathlib import Path
from rungway_server.store.redis.embedded.server import EmbeddedRedis

async def main():
    async with EmbeddedRedis(Path(sys.argv[1]), binary=Path(sys.argv[2])) as redis:
        print(redis.process.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def embedded(folder: Path, **more: Any) -> EmbeddedRedis:
    """An embedded store with the server that the tests run on."""
    return EmbeddedRedis(folder, binary=Path(redis_server.find_redis_server()), **more)


def client_of(redis: EmbeddedRedis) -> Redis:
    return Redis.from_url(redis.url, decode_responses=True)


async def set_value(redis: EmbeddedRedis, value: str) -> None:
    client = client_of(redis)
    await client.set("key", value)
    await client.aclose()


async def value_of(redis: EmbeddedRedis) -> str | None:
    client = client_of(redis)
    value = await client.get("key")
    await client.aclose()
    return str(value) if value is not None else None


def start_owner(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Another process that owns the folder, and the PID of its redis-server."""
    command = [sys.executable, "-c", _OWNER, str(folder), redis_server.find_redis_server()]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    return owner, int(owner.stdout.readline())


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    async with embedded(tmp_path / "new" / "folder") as redis:
        await set_value(redis, "kept")
        first = redis.process.pid
    assert not is_running(first)
    async with embedded(tmp_path / "new" / "folder") as redis:
        assert await value_of(redis) == "kept"


async def test_is_configured_for_searches(tmp_path: Path) -> None:
    async with embedded(tmp_path, fsync="always") as redis:
        client = client_of(redis)
        async with connect(redis.url, timeout_seconds=5) as router:
            (facts,) = (await inspect(router)).nodes
        save = (await client.config_get("save"))["save"]
        await client.aclose()
    assert facts.eviction == "noeviction"
    assert facts.persistence == "append-only file, synced with every change: a crash loses nothing acknowledged"
    assert save == ""


async def test_only_its_user_can_reach_it(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    async with embedded(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o700


async def test_the_folder_has_one_owner(tmp_path: Path) -> None:
    async with embedded(tmp_path) as redis:
        with pytest.raises(RedisStartError) as refused:
            await embedded(tmp_path).__aenter__()
        assert str(tmp_path) in str(refused.value)
        assert f"process {os.getpid()} (with {redis.server.path.name} {redis.process.pid})" in str(refused.value)
        await set_value(redis, "undisturbed")
        assert await value_of(redis) == "undisturbed"
    async with embedded(tmp_path) as redis:
        assert await value_of(redis) == "undisturbed"


async def test_another_process_is_named_as_owner(tmp_path: Path) -> None:
    owner, redis_pid = start_owner(tmp_path)
    try:
        with pytest.raises(RedisStartError, match=rf"in use by process {owner.pid} \(with \S+ {redis_pid}\)"):
            await embedded(tmp_path).__aenter__()
    finally:
        owner.kill()
        owner.communicate()


async def test_a_long_folder_name_does_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("ü" * 60)
    async with embedded(folder) as redis:
        socket = Path(unquote(redis.url.removeprefix("unix://")))
        assert len(os.fsencode(socket)) < 108
        await set_value(redis, "reached")
    assert not socket.parent.exists()
    async with embedded(folder) as redis:
        assert await value_of(redis) == "reached"


async def test_a_folder_name_with_blanks_and_quotes(tmp_path: Path) -> None:
    async with embedded(tmp_path / 'it\'s a "folder" #1 100%25?') as redis:
        await set_value(redis, "reached")
        assert await value_of(redis) == "reached"


async def test_the_end_of_the_child_is_noticed(tmp_path: Path) -> None:
    async with embedded(tmp_path) as redis:
        os.kill(redis.process.pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert await redis.process.wait() == -signal.SIGKILL
        assert "eady to accept connections" in redis.log_tail()


async def test_a_killed_service_takes_its_redis_along_and_loses_nothing(tmp_path: Path) -> None:
    owner, redis_pid = start_owner(tmp_path)
    client = Redis(unix_socket_path=f"{tmp_path}/redis.sock")
    await client.set("key", "told")
    await client.aclose()
    owner.kill()
    owner.communicate()
    wait_until(lambda: not is_running(redis_pid))  # Redis ends with its service
    async with embedded(tmp_path) as redis:
        assert await value_of(redis) == "told"


async def test_the_folder_stays_locked_while_an_orphan_uses_it(tmp_path: Path) -> None:
    owner, redis_pid = start_owner(tmp_path)
    os.kill(redis_pid, signal.SIGSTOP)  # cannot act on the SIGTERM that the death of its service sends
    owner.kill()
    owner.communicate()
    try:
        with pytest.raises(RedisStartError, match=rf"with \S+ {redis_pid}"):
            await embedded(tmp_path).__aenter__()
    finally:
        os.kill(redis_pid, signal.SIGCONT)
    async with embedded(tmp_path):
        assert not is_running(redis_pid)


async def test_a_redis_that_cannot_start_shows_why(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_text("this is no append-only file\n")
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("neither is this\n")
    with pytest.raises(RedisStartError) as refused:
        await embedded(tmp_path).__aenter__()
    if server_at(Path(redis_server.find_redis_server())).version >= (7,):
        assert "redis.log, ends:\n" in str(refused.value)
        assert "manifest" in str(refused.value)
    else:
        assert "Redis 7.0 or newer" in str(refused.value)
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").unlink()
    (tmp_path / "appendonlydir").rmdir()
    with pytest.raises(RedisStartError, match=r"ended at once with code 1; its log, .*redis.log, ends:\n(.*\n)*.*AOF"):
        await embedded(tmp_path).__aenter__()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RedisStartError, match=r"cannot use the data folder .*/file/folder"):
        await embedded(tmp_path / "file" / "folder").__aenter__()
