"""Builds the container image: `make image`.

The base is a variable (`make image BASE=python:3.12-slim-trixie@sha256:…`). Where pip uses a mirror or a certificate of
its own, the build gets both as secrets, which are in no layer.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rungway.__about__ import __version__
from scripts.image.engine import Engine, NoEngine, find_engine

ROOT = Path(__file__).resolve().parents[2]
BASE = "python:3.12-slim-trixie"
STAND_IN = "localhost/rungway-stand-in"


def build(engine: Engine, tag: str, base: str, build_base: str) -> int:
    """Build the image, and say how large it is; the exit code of the engine."""
    began = time.monotonic()
    tags = [tag] if ":" in tag else [tag, f"{tag}:{__version__}"]
    flags = [*(f"--tag={each}" for each in tags), *shlex.split(os.environ.get("IMAGE_BUILD_FLAGS", ""))]
    for name, value in {
        "BASE": base,
        "BUILD_BASE": build_base,
        "VERSION": __version__,
        "REVISION": revision(),
    }.items():
        flags += ["--build-arg", f"{name}={value}"]
    if engine.name == "podman":
        # The other format knows no HEALTHCHECK.
        flags += ["--format", "docker", "--network", "host"]
    with tempfile.TemporaryDirectory() as folder:
        code = engine.show("build", *flags, *pip_secrets(Path(folder)), str(ROOT))
    if not code:
        print(f"built with {engine.name} in {time.monotonic() - began:.0f} s\n{layers(engine, tag)}", flush=True)
    return code


def revision() -> str:
    """The commit, with "-dirty" when the checkout has other changes."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty"]
    said = subprocess.run([*git, "--exclude=*"], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def pip_secrets(folder: Path) -> list[str]:
    """Flags that give the build the mirror and the certificate that pip uses here."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    used = {
        name.rpartition(".")[2]: value.strip("'") for name, _, value in (x.partition("=") for x in listed.splitlines())
    }
    lines, flags = ["[global]"], []
    for name, value in used.items():
        remote = [word for word in value.split() if not word.startswith(("file:", "/"))]
        if remote and (name.endswith("-url") or name in ("trusted-host", "proxy")):
            lines.append(f"{name} = {' '.join(remote)}")
    if "cert" in used:
        flags += ["--secret", f"id=ca.crt,src={Path(used['cert']).resolve()}"]
        lines.append("cert = /run/secrets/ca.crt")
    conf = folder / "pip.conf"
    conf.write_text("\n".join(lines) + "\n")
    return [*flags, "--secret", f"id=pip.conf,src={conf}"]


def base_at_hand(engine: Engine, base: str) -> tuple[str, str]:
    """The base and the base of the build: the one named, or where no registry gives it, a stand-in made here.

    Raises NoEngine when there is neither.
    """
    if engine.has(base) or engine.run("pull", base, check=False).returncode == 0:
        return base, base
    if not engine.has(STAND_IN):
        if os.geteuid() or not shutil.which("mmdebstrap"):
            raise NoEngine(f"no registry gives {base}, and a stand-in needs root and mmdebstrap")
        print(f"no registry gives {base}: making a stand-in", flush=True)
        made = subprocess.run(
            ["bash", str(ROOT / "scripts/image/stand_in.sh"), STAND_IN],
            env=os.environ | engine.environment | {"ENGINE": shlex.join(engine.command)},
            check=False,
        )
        if made.returncode:
            raise NoEngine(f"no registry gives {base}, and no stand-in could be made")
    return STAND_IN, f"{STAND_IN}-build"


def layers(engine: Engine, tag: str) -> str:
    """The size of the image, and of each of its layers that is not empty."""
    facts = json.loads(engine.says("image", "inspect", tag))[0]
    lines = [f"{tag}: {facts['Size'] / 1e6:.0f} MB"]
    for line in engine.says("history", "--no-trunc", "--format", "{{.Size}}\t{{.CreatedBy}}", tag).splitlines():
        size, _, by = line.partition("\t")
        if not size.startswith("0"):
            lines.append(f"  {size:>9}  {' '.join(by.split())[:100]}")
    return "\n".join(lines)


def main() -> int:
    """Build the image with what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="rungway")
    parser.add_argument("--base", default=BASE)
    arguments = parser.parse_args()
    try:
        engine = find_engine()
    except NoEngine as error:
        print(f"no container engine: {error}", file=sys.stderr)
        return 3
    return build(engine, arguments.tag, arguments.base, arguments.base)


if __name__ == "__main__":
    sys.exit(main())
