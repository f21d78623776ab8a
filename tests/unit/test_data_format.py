"""The format of stored data, and who reads it."""

import os
from pathlib import Path

import pytest

from rungway_server.store.redis.embedded.data_format import EMPTY, DataFormat, data_format

MANIFEST = "file appendonly.aof.7.base.rdb seq 7 type b\nfile appendonly.aof.7.incr.aof seq 7 type i\n"


def of(folder: Path) -> DataFormat:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return data_format(descriptor)
    finally:
        os.close(descriptor)


def a_folder(folder: Path, base: bytes, manifest: str = MANIFEST) -> Path:
    inner = folder / "appendonlydir"
    inner.mkdir()
    (inner / "appendonly.aof.manifest").write_text(manifest)
    (inner / "appendonly.aof.7.base.rdb").write_bytes(base)
    return folder


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (b"VALKEY080\xfa\x0avalkey-ver", DataFormat("VALKEY", 80, in_folder=True)),
        (b"REDIS0010\xfa\x09redis-ver", DataFormat("REDIS", 10, in_folder=True)),
        (b"REDIS0012\xfa", DataFormat("REDIS", 12, in_folder=True)),
        (b"*2\r\n$6\r\nSELECT", DataFormat(in_folder=True)),
        (b"", DataFormat(in_folder=True)),
    ],
)
def test_a_folder_of_files(base: bytes, expected: DataFormat, tmp_path: Path) -> None:
    assert of(a_folder(tmp_path, base)) == expected


@pytest.mark.parametrize("manifest", ["", "neither is this\n", "file missing.rdb seq 7 type b\n"])
def test_a_folder_without_details(manifest: str, tmp_path: Path) -> None:
    assert of(a_folder(tmp_path, b"REDIS0010", manifest)) == DataFormat(in_folder=True)


def test_a_single_file_and_no_file(tmp_path: Path) -> None:
    assert of(tmp_path) == EMPTY
    (tmp_path / "appendonly.aof").write_bytes(b"*2\r\n$6\r\nSELECT")
    assert of(tmp_path) == EMPTY
    (tmp_path / "appendonly.aof").write_bytes(b"REDIS0009\xfa")
    assert of(tmp_path) == DataFormat("REDIS", 9)


@pytest.mark.parametrize(
    ("data", "readers", "reading"),
    [
        (DataFormat("REDIS", 9), "Redis 6.2 or newer, or any Valkey,", "r62 r70 r72 r74 r80 v72 v80 v90"),
        (DataFormat("REDIS", 9, in_folder=True), "Redis 7.0 or newer, or any Valkey,", "r70 r72 r74 r80 v72 v80 v90"),
        (DataFormat(in_folder=True), "Redis 7.0 or newer, or any Valkey,", "r70 r72 r74 r80 v72 v80 v90"),
        (DataFormat("REDIS", 10, in_folder=True), "Redis 7.0 or newer, or any Valkey,", "r70 r72 r74 r80 v72 v80 v90"),
        (DataFormat("REDIS", 11, in_folder=True), "Redis 7.2 or newer, or any Valkey,", "r72 r74 r80 v72 v80 v90"),
        (DataFormat("REDIS", 12, in_folder=True), "Redis 7.4 or newer", "r74 r80"),
        (DataFormat("VALKEY", 80, in_folder=True), "Valkey 9 or newer", "v90"),
        (EMPTY, "Redis 6.2 or newer, or any Valkey,", "r62 r70 r72 r74 r80 v72 v80 v90"),
    ],
)
def test_which_servers_read_which_data(data: DataFormat, readers: str, reading: str) -> None:
    products = {"r": "Redis", "v": "Valkey"}
    servers = ["r62", "r70", "r72", "r74", "r80", "v72", "v80", "v90"]
    able = [name for name in servers if data.readable_by(products[name[0]], tuple(map(int, name[1:])))]
    assert able == reading.split()
    assert data.readers == readers
