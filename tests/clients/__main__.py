"""`python -m tests.clients`: the client in the environments of ENVIRONMENTS against a service here; prints a table.

Each environment is made once, under .venv-clients. What cannot be had on this machine is named and left out: an
interpreter, or the wheels of one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.redis_server import redis_on_socket
from tests.support.service import TRANSPORTS, Service, services

ROOT = Path(__file__).resolve().parents[2]
_CHECK = Path(__file__).with_name("check.py")


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python and what is installed in it before the client."""

    name: str
    python: str
    packages: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    """Modules that are imported beside the client, in the same process."""


_OLDEST = {"3.10": "1.60.0", "3.11": "1.60.0", "3.12": "1.60.0", "3.13": "1.66.2", "3.14": "1.75.1"}
"""By Python, the oldest grpcio of ours that has a wheel for it."""
_OLDEST_PROTOBUF = {"3.14": "5.29.5"}
"""Where it is not 4.25.0: that cannot be imported on Python 3.14."""


def oldest(python: str) -> Environment:
    """The oldest versions that the client is for."""
    packages = (
        f"grpcio=={_OLDEST[python]}",
        f"protobuf=={_OLDEST_PROTOBUF.get(python, '4.25.0')}",
        "httpx==0.27.0",
        "httpcore==1.0.0",
    )
    return Environment("oldest", python, packages)


def protobuf_5(python: str) -> Environment:
    """What much of today's software is installed with."""
    return Environment("protobuf 5", python, ("protobuf==5.29.*",))


def newest(python: str) -> Environment:
    """The newest versions in the index."""
    return Environment("newest", python, ("httpx",))


ENVIRONMENTS = (
    *(make(python) for python in _OLDEST for make in (oldest, newest)),
    protobuf_5("3.11"),
    Environment("TensorFlow 2.18", "3.12", ("tensorflow-cpu==2.18.*",), ("tensorflow",)),
)


class NotToBeHad(Exception):
    """An environment that this machine cannot make; the text says why."""


def interpreters(python: str) -> Iterator[Path]:
    """Where a Python of this version may be."""
    yield Path(sys.executable)
    if found := shutil.which(f"python{python}"):
        yield Path(found)
    yield from Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(f"{python}.*/bin/python")


def make(environment: Environment, wheel: Path, folder: Path) -> Path:
    """The interpreter of the environment, in which the client is installed as a stranger would. Raises NotToBeHad."""
    asked = "import sys; print(*sys.version_info[:2], sep='.')"
    python = next((each for each in interpreters(environment.python) if _says(each, asked) == environment.python), None)
    if python is None:
        raise NotToBeHad(f"no Python {environment.python} here")
    own = folder / "bin" / "python"
    if not own.exists():
        _run(python, "-m", "venv", "--without-pip", folder)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", own, "install")
    try:
        # In one call: pip must find versions that suit both.
        _run(*pip, "--only-binary=:all:", "--force-reinstall", "--no-deps", wheel)
        _run(*pip, "--only-binary=:all:", *environment.packages, wheel)
    except subprocess.CalledProcessError as error:
        if "No matching distribution found for" in error.stderr and str(wheel.name) not in error.stderr:
            raise NotToBeHad(error.stderr.strip().splitlines()[-1]) from error
        raise
    return own


def check(python: Path, environment: Environment, service: Service) -> str:
    """Python, protobuf and grpcio that the search in check.py was run with; CalledProcessError when it went wrong. With
    httpx among the packages it was run over HTTP, too."""
    over_http = any(each.startswith("httpx") for each in environment.packages)
    targets = [service.target(transport) for transport in TRANSPORTS[: 1 + over_http]]
    with tempfile.TemporaryDirectory() as elsewhere:  # where no rungway of a source tree can be imported
        lines = "".join(f"import {name}; " for name in environment.imported)
        program = f"{lines}import runpy; runpy.run_path({str(_CHECK)!r}, run_name='__main__')"
        return _run(python, "-I", "-c", program, *targets, folder=Path(elsewhere)).splitlines()[-1]


def build_wheel(folder: Path) -> Path:
    """The wheel of this source tree."""
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("rungway-*.whl")
    return wheel


def main() -> int:
    """Run all, or those whose name holds a word given; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("words", nargs="*", help="run those only whose name or Python is one of these")
    words = parser.parse_args().words
    chosen = [each for each in ENVIRONMENTS if not words or {each.name, each.python} & set(words)]
    bad = done = 0
    with tempfile.TemporaryDirectory() as folder, redis_on_socket() as redis, services(redis) as (service,):
        wheel = build_wheel(Path(folder))
        print(f"{'environment':<17} {'Python':<8} {'protobuf':<9} grpcio", flush=True)
        for each in chosen:
            try:
                own = ROOT / ".venv-clients" / f"{each.name.replace(' ', '-')}-{each.python}"
                python, protobuf, grpcio = check(make(each, wheel, own), each, service).split()
            except NotToBeHad as why:
                print(f"{each.name:<17} {each.python:<8} left out: {why}", flush=True)
            except subprocess.CalledProcessError as error:
                bad += 1
                print(f"{each.name:<17} {each.python:<8} FAILED\n{error.stdout}{error.stderr}", flush=True)
            else:
                done += 1
                print(f"{each.name:<17} {python:<8} {protobuf:<9} {grpcio}", flush=True)
    print(f"{done} environments good, {bad} bad, {len(chosen) - done - bad} left out")
    return int(bool(bad) or not done)


def _run(*command: str | Path, folder: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=_environment())
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout


def _says(python: Path, program: str) -> str:
    command: Sequence[str | Path] = (python, "-c", program)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("RUNGWAY_", "PYTHONPATH"))}


if __name__ == "__main__":
    sys.exit(main())
