"""`make release-check`: builds the wheel and the source archive twice, checks them, and runs a search from each.

Both must come out the same to the last byte from the same commit: the times in them are those of the commit
(SOURCE_DATE_EPOCH). Then each is installed into an empty environment of every Python from 3.11 on that is at hand,
where a service is started and a search runs to its end. Beside the wheel, dist/ gets a CycloneDX list of what it
brings.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from email.parser import BytesParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EXTRAS = "server,embedded"
_ALLOWED = ("rungway/", "rungway_server/", "hydra_plugins/rungway_sweeper/", "rungway-")
_WANTED = ("Name", "Version", "Summary", "License-Expression", "Requires-Python", "Description-Content-Type")


class Failed(Exception):
    """The release is not fit; the text says why."""


def main() -> int:
    """Check; the exit code of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", metavar="3.12", help="only these versions")
    parser.add_argument("--build-only", action="store_true", help="install nothing")
    arguments = parser.parse_args()
    dist = ROOT / "dist"
    try:
        with tempfile.TemporaryDirectory(prefix="rw-release-") as scratch:
            built = built_twice(Path(scratch), dist)
            for each in built:
                print(f"{each.name}: {hashlib.sha256(each.read_bytes()).hexdigest()}, the same twice")
            check_contents(*built)
            for version in () if arguments.build_only else arguments.python or PYTHONS:
                install(version, built, Path(scratch))
    except Failed as error:
        print(f"release-check: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"release-check: {error}\n{error.stdout}{error.stderr}", file=sys.stderr)
        return 1
    return 0


def run(*command: str | Path, **options: object) -> str:
    """The output of a command. Raises CalledProcessError."""
    found: dict[str, object] = {"check": True, "capture_output": True, "text": True, "cwd": ROOT} | options
    output: str = subprocess.run(command, **found).stdout  # type: ignore[call-overload]
    return output


def built_twice(scratch: Path, dist: Path) -> tuple[Path, Path]:
    """The wheel and the source archive in `dist`, from two copies of what is committed. Raises Failed."""
    git = ("git", "-c", "safe.directory=*")
    epoch = run(*git, "log", "-1", "--format=%ct").strip()
    if run(*git, "status", "--porcelain", "--", "client", "server", "proto", "pyproject.toml"):
        print("note: there are changes that are not committed, and not in what is built", file=sys.stderr)
    results = []
    for number in (1, 2):
        copy, out = scratch / f"copy-{number}", scratch / f"out-{number}"
        copy.mkdir()
        archive = scratch / "commit.tar"
        run(*git, "archive", "--output", archive, "HEAD")
        with tarfile.open(archive) as packed:
            packed.extractall(copy, filter="data")
        environment = os.environ | {"SOURCE_DATE_EPOCH": epoch}
        run(
            sys.executable, "-m", "build", "--outdir", out, copy, env=environment, umask=0o077 if number == 2 else 0o022
        )
        results.append({each.name: each.read_bytes() for each in sorted(out.iterdir())})
    first, second = results
    if different := [name for name in first if first[name] != second.get(name)]:
        raise Failed(f"built twice, these differ: {', '.join(different)}")
    dist.mkdir(exist_ok=True)
    for name, data in first.items():
        (dist / name).write_bytes(data)
    wheel, sdist = (next(dist / name for name in first if name.endswith(end)) for end in (".whl", ".tar.gz"))
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> None:
    """Check files and metadata. Raises Failed."""
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        metadata = packed.read(next(name for name in names if name.endswith(".dist-info/METADATA")))
    with tarfile.open(sdist) as source:
        inside = {name.partition("/")[2] for name in source.getnames()}
        stem = sdist.name.removesuffix(".tar.gz")
        beside = source.extractfile(f"{stem}/PKG-INFO")
        if beside is None or beside.read() != metadata:
            raise Failed("the metadata of wheel and source archive differ")
    if strange := [name for name in names if not name.startswith(_ALLOWED)]:
        raise Failed(f"the wheel has files of others: {', '.join(strange[:5])}")
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "proto/rungway/v1/trial.proto"):
        if name not in inside:
            raise Failed(f"the source archive has no {name}")
    found = BytesParser().parsebytes(metadata)
    if missing := [name for name in _WANTED if not found[name]]:
        raise Failed(f"the metadata has no {', '.join(missing)}")
    if not str(found.get_payload()).startswith("# Rungway"):
        raise Failed("the long description is not the README")
    if any(" @ " in each for each in found.get_all("Requires-Dist", [])):
        raise Failed("a dependency is an address")


def interpreter(version: str) -> Path | None:
    """A Python of this version, on PATH or of pyenv."""
    for found in (shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        if found:
            told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
            if told.returncode == 0 and told.stdout.startswith(f"Python {version}."):
                return Path(found)
    return None


def install(version: str, built: Sequence[Path], scratch: Path) -> None:
    """Install each archive into an empty environment, and run a search in it."""
    python = interpreter(version)
    if python is None:
        print(f"Python {version}: skipped, it is not here")
        return
    for archive in built:
        place = scratch / f"{version}-{archive.suffix[1:]}"
        run(python, "-m", "venv", place)
        inside = place / "bin" / "python"
        compiled = (
            ("--only-binary", ":all:", "--no-binary", "rungway")
            if archive.suffix == ".gz"
            else ("--only-binary", ":all:")
        )
        wanted = f"{archive}[{EXTRAS}]"
        run(inside, "-m", "pip", "install", "--quiet", *compiled, "-c", ROOT / "constraints.txt", wanted)
        said = run(inside, "-I", ROOT / "scripts" / "release_search.py", cwd=place)
        print(f"Python {version}, {archive.name}: {said.strip()}", flush=True)
        if archive.suffix == ".whl":
            bill = run(inside, "-m", "scripts.image.sbom", "--python-only")
            name = f"{archive.name.partition('-py3')[0]}-python{version}.cdx.json"
            (archive.parent / name).write_text(bill)
            print(f"  {name}: {len(json.loads(bill)['components'])} components")


if __name__ == "__main__":
    raise SystemExit(main())
