"""Virtual environments of the peers below .venv-peers, each with the packages of a requirements file."""

import asyncio
import sys
from pathlib import Path

_ENVIRONMENTS = Path(__file__).parents[2] / ".venv-peers"
_INSTALL_SECONDS = 1800
_INSTALLED = "installed.txt"
_failures: dict[str, "NotInstalled"] = {}
"""Environments that could not be made; they are not tried again in this run."""


class NotInstalled(Exception):
    """An environment could not be made; the text is the last error of pip."""


async def python_of(name: str) -> Path:
    """The interpreter of an environment; makes it if it is missing or its requirements have changed.

    Raises NotInstalled.
    """
    if name in _failures:
        raise _failures[name]
    requirements = _requirements(name)
    folder = _ENVIRONMENTS / name
    python = folder / "bin" / "python"
    if not is_installed(name):
        print(f"installing {name} into {folder}, once …", file=sys.stderr, flush=True)
        try:
            await _run(sys.executable, "-m", "venv", "--clear", folder)
            await _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements)
        except NotInstalled as failure:
            _failures[name] = failure
            raise
        (folder / _INSTALLED).write_text(requirements.read_text())
    return python


def is_installed(name: str) -> bool:
    """Whether an environment is there, with what its requirements say now."""
    installed = _ENVIRONMENTS / name / _INSTALLED
    return installed.exists() and installed.read_text() == _requirements(name).read_text()


def _requirements(name: str) -> Path:
    return Path(__file__).with_name(f"requirements-{name}.txt")


async def _run(*command: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _INSTALL_SECONDS)
    except TimeoutError:
        process.kill()
        raise NotInstalled(f"not done in {_INSTALL_SECONDS} s") from None
    if process.returncode != 0:
        lines = output.decode(errors="replace").split("\n")
        raise NotInstalled(next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1]))
