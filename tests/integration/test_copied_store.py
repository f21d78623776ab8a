"""Copies of the store's own files, as docs/operations.md tells to make and to use them."""

import asyncio
import shutil
from pathlib import Path

from redis import Redis

from rungway import Client
from tests.integration.test_backup import REFS, contents, fill
from tests.support.audited import assert_all_sound
from tests.support.calls import config
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service


def served(folder: Path, data: Path) -> Service:
    folder.mkdir()
    return Service(folder, ("--listen", "127.0.0.1:0", "--http", "off", "--data", str(data)))


def test_the_copied_folder_of_an_embedded_store_is_served(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    first = served(tmp_path / "first", data)
    try:
        with Client(first.address, experiment="e") as client:
            client.create_experiment("e", config(max_trials=3))
            assignment = client.ask()
            assert assignment
            client.tell(assignment, 0.25)
        assert first.terminate() == 0
    finally:
        first.kill()
    shutil.copytree(data, backup, symlinks=True)
    second = served(tmp_path / "second", backup)
    try:
        with Client(second.address, experiment="e") as client:
            assert client.best(1)[0].best_metric == 0.25
            assert client.ask()
        assert second.terminate() == 0
    finally:
        second.kill()


def test_a_copy_of_a_snapshot_is_restored_without_an_append_only_file_first(tmp_path: Path) -> None:
    """One that starts with it ignores the copy, as the page warns."""
    copies = [tmp_path / name for name in ("right", "wrong")]
    with redis_on_socket() as url:
        asyncio.run(fill(url))
        with Redis.from_url(url) as direct:
            direct.save()
            snapshot = Path(str(direct.config_get("dir")["dir"])) / "dump.rdb"
            for folder in copies:
                folder.mkdir()
                shutil.copy(snapshot, folder / "dump.rdb")
        before = [contents(url, ref) for ref in REFS]
    right, wrong = copies
    with redis_on_socket("--dir", str(right)) as url, Redis.from_url(url) as direct:
        assert direct.config_set("appendonly", "yes")
        assert [contents(url, ref) for ref in REFS] == before
        asyncio.run(assert_all_sound(url))
    with redis_on_socket("--dir", str(wrong), "--appendonly", "yes") as url, Redis.from_url(url) as direct:
        assert direct.dbsize() == 0
