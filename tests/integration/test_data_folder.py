"""A data folder that other users can access is refused before anything in it changes."""

import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.embedded.data_folder import open_data_folder
from rungway_server.store.redis.embedded.server import EmbeddedRedis, running_url
from tests.support import forked
from tests.support.another_user import SOMEBODY, as_user
from tests.support.service import Service
from tests.support.waiting import SECONDS


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file in the folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


async def refused(folder: Path) -> str:
    """The refusal to start. Nothing in the folder changes, and no socket is left for clients to find."""
    before = contents(folder)
    with pytest.raises(RedisStartError) as why:
        await EmbeddedRedis(folder).__aenter__()
    with pytest.raises(RedisStartError):
        await running_url(folder)
    assert contents(folder) == before
    return str(why.value)


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777, 0o1777, 0o2770, 0o720])
async def test_a_folder_that_is_open_to_others(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    said = await refused(folder)
    assert f"the data folder {folder} is open to other users (mode {mode:04o}, wanted 0700" in said
    assert f"chmod 700 {folder}" in said
    assert f"--data {folder}/store" in said
    folder.chmod(0o700)
    async with EmbeddedRedis(folder):
        pass


async def test_a_new_folder_in_one_that_is_open_to_others(tmp_path: Path) -> None:
    """As the refusal advises: a container cannot choose the owner and mode of a folder mounted into it."""
    os.chmod(tmp_path, 0o777)
    async with EmbeddedRedis(tmp_path / "store"):
        assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
async def test_a_folder_of_another_user(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, SOMEBODY, SOMEBODY)
    said = await refused(folder)
    assert f"the data folder {folder} belongs to user nobody ({SOMEBODY}), and this process is user root (0)" in said
    assert f"chown -R 0 {folder}" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_folder_in_one_of_root(mode: int, tmp_path: Path) -> None:
    """As a folder of the host that is mounted into a container."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    mounted.chmod(mode)
    with as_user(SOMEBODY, tmp_path), pytest.raises(RedisStartError) as why:
        open_data_folder(mounted / "store")
    assert f"cannot use the data folder {mounted / 'store'}: {mounted} belongs to user root (0)" in str(why.value)
    assert f"mode {mode:04o}; this process is user nobody ({SOMEBODY})" in str(why.value)
    assert f"chown {SOMEBODY} {mounted}" in str(why.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_any_user_of_the_group_makes_a_folder_of_its_own(tmp_path: Path) -> None:
    """As in the container image, whose /data belongs to group 0, of which every user of OpenShift is."""
    shared = tmp_path / "data"
    shared.mkdir()
    os.chown(shared, 10001, 0)
    shared.chmod(0o2770)
    with as_user(SOMEBODY, tmp_path):
        os.close(open_data_folder(shared / "store"))
    facts = (shared / "store").stat()
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode) & 0o777) == (SOMEBODY, 0o700)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_nothing_in_it_is_for_others(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        async with EmbeddedRedis(tmp_path / "data"):
            modes = {name: stat.S_IMODE(mode) for name, (mode, _) in contents(tmp_path).items()}
    finally:
        os.umask(before)
    assert {"data", "data/lock", "data/redis.log", "data/redis.sock"} < set(modes)
    assert any(name.startswith("data/appendonly") for name in modes)
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


Plant = Callable[[Path, Path], None]
PLANTS: dict[str, Plant] = {
    "lock": lambda folder, victim: (folder / "lock").symlink_to(victim),
    "the log": lambda folder, victim: (folder / "redis.log").symlink_to(victim),
    "the file": lambda folder, victim: (folder / "appendonly.aof").symlink_to(victim),
    "a snapshot": lambda folder, victim: (folder / "dump.rdb").symlink_to(victim),
    "the folder of files": lambda folder, victim: (folder / "appendonlydir").symlink_to(victim.parent),
    "a file in that": lambda folder, victim: in_aof_folder(folder, "appendonly.aof.1.incr.aof").symlink_to(victim),
    "the manifest": lambda folder, victim: in_aof_folder(folder, "appendonly.aof.manifest").symlink_to(victim),
    "nothing": lambda folder, victim: (folder / "redis.sock").symlink_to(folder / "nowhere"),
}


def in_aof_folder(folder: Path, name: str) -> Path:
    (folder / "appendonlydir").mkdir(exist_ok=True)
    return folder / "appendonlydir" / name


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    victim = tmp_path / "elsewhere" / "victim"
    victim.write_text("precious\n" * 5)
    return victim


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
async def test_a_link_in_it_destroys_nothing(plant: Plant, victim: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    plant(folder, victim)
    assert "is a symbolic link, and none is followed in a data folder: remove it" in await refused(folder)
    assert [each for _, each in contents(victim.parent).values()] == [b"precious\n" * 5]


@pytest.mark.parametrize("name", ["lock", "redis.log"])
async def test_a_second_name_of_a_file_elsewhere(name: str, victim: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / name).hardlink_to(victim)
    with pytest.raises(RedisStartError, match=f"{name} in it is not a plain file of its own: remove it"):
        await EmbeddedRedis(folder).__aenter__()
    assert [each for _, each in contents(victim.parent).values()] == [b"precious\n" * 5]


@pytest.mark.parametrize("name", ["lock", "redis.log"])
async def test_a_pipe_or_a_socket_does_not_block(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(RedisStartError):
        await EmbeddedRedis(tmp_path).__aenter__()
    (tmp_path / name).unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / name))
        with pytest.raises(RedisStartError):
            await EmbeddedRedis(tmp_path).__aenter__()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", ["appendonly.aof", "lock", "appendonlydir", "appendonlydir/appendonly.aof.1.base.rdb"])
async def test_a_file_of_another_user_in_it(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "appendonlydir").mkdir(parents=True)
    folder.chmod(0o700)
    if name != "appendonlydir":
        (folder / name).touch()
    os.chown(folder / name, SOMEBODY, SOMEBODY)
    assert f"{folder / name} belongs to user nobody ({SOMEBODY})" in await refused(folder)


async def test_unrelated_files_may_lie_in_it(tmp_path: Path) -> None:
    """For example the lost+found folder of a file system."""
    (tmp_path / "lost+found").mkdir(mode=0o755)
    if os.geteuid() == 0:
        os.chown(tmp_path / "lost+found", SOMEBODY, SOMEBODY)
    async with EmbeddedRedis(tmp_path):
        pass


async def test_a_folder_behind_a_link_of_its_user(tmp_path: Path) -> None:
    """For example from the home folder to a larger disk."""
    (tmp_path / "large").mkdir(mode=0o700)
    (tmp_path / "data").symlink_to(tmp_path / "large")
    async with EmbeddedRedis(tmp_path / "data"):
        assert (tmp_path / "large" / "lock").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives links away")
async def test_a_folder_behind_a_link_of_another_user(tmp_path: Path) -> None:
    """Such a link could point to any folder of this user."""
    (tmp_path / "ours").mkdir(mode=0o700)
    (tmp_path / "ours" / "lock").write_text("of another program")
    (tmp_path / "data").symlink_to(tmp_path / "ours")
    os.chown(tmp_path / "data", SOMEBODY, SOMEBODY, follow_symlinks=False)
    assert "is a link that user nobody (65534) made" in await refused(tmp_path / "data")


async def test_the_folder_is_the_one_that_was_checked(tmp_path: Path) -> None:
    """If another folder takes its name, a running store is not affected."""
    async with EmbeddedRedis(tmp_path / "data") as redis:
        (tmp_path / "data").rename(tmp_path / "moved")
        (tmp_path / "data").mkdir()
        assert "eady to accept connections" in redis.log_tail()
    assert list((tmp_path / "data").iterdir()) == []
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "moved").rename(tmp_path / "data")
    async with EmbeddedRedis(tmp_path / "data"):
        pass


def test_the_commands_refuse_it_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "log").mkdir()
    service = Service(tmp_path / "log", ("--listen", "127.0.0.1:0", "--data", str(tmp_path)))
    assert service.process.wait(SECONDS) == 1
    (line,) = service.lines("cannot_start")
    assert f"chmod 700 {tmp_path}" in str(line["error"])
    audited = forked.run("audit", "any", "--data", tmp_path, timeout=SECONDS)
    assert audited.returncode == 3
    assert f"chmod 700 {tmp_path}" in audited.stderr.replace("\n", " ")
