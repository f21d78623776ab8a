"""`pip install .` in an empty environment installs the client with grpcio and protobuf only.

All packages come from a folder that `make setup` fills; no index is used.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.waiting import SECONDS

_ROOT = Path(__file__).resolve().parents[2]
_WHEELS = Path(sys.prefix) / "wheels"


@pytest.mark.slow
def test_the_base_is_a_thin_client(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(_ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    run(*pip, "--python", str(python), "install", "--constraint", str(_ROOT / "constraints.txt"), str(wheel))

    listed = json.loads(run(*pip, "--python", str(python), "list", "--format=json"))
    # grpcio itself needs typing-extensions.
    assert {package["name"].replace("_", "-").lower() for package in listed} - {"typing-extensions"} == {
        "grpcio",
        "protobuf",
        "rungway",
    }
    assert run(python, "-I", "-c", "import rungway; print(rungway.__version__)").strip() in wheel.name
    assert (
        run(python, "-I", "-c", "from rungway import AsyncClient, Client; print(Client.__name__)").strip() == "Client"
    )

    command = subprocess.run([python.parent / "rungway"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert command.returncode == 2
    assert command.stderr == "rungway: the command line is not installed: pip install 'rungway[cli]'\n"
    assert command.stdout == ""
    assert "Run a training command for trials of a search" in run(python.parent / "rungway", "agent", "--help")


def run(*command: str | Path) -> str:
    """The output of a command, which must succeed."""
    assert _WHEELS.is_dir(), "make setup fills it"
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(_WHEELS), "PIP_CONFIG_FILE": os.devnull}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment = inherited | offline
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
