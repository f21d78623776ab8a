"""Runs examples/notebook.ipynb in a kernel of its own.

`python -m tests.support.notebook` runs it against a service of its own and writes it anew with what its cells show;
with a target and a file, it runs against that service and writes there.
"""

import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import SECONDS

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
_COLOURS = 48
"""Of a picture in the committed file, which so has a third of its size."""


def execute(target: str, folder: str) -> Any:
    """The notebook with the outputs of this run. Raises CellExecutionError."""
    os.environ |= {
        "RUNGWAY_TARGET": target,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "IPYTHONDIR": folder,
        "JUPYTER_RUNTIME_DIR": folder,
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"kernel_name": "python3", "resources": {"metadata": {"path": folder}}}
    NotebookClient(notebook, timeout=int(SECONDS), coalesce_streams=True, **given).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of this run
        for output in cell.get("outputs", ()):
            if picture := output.get("data", {}).get("image/png"):
                output.data["image/png"] = _smaller(picture)
    return notebook


def _smaller(picture: str) -> str:
    stream = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
        image.convert("RGB").quantize(_COLOURS).save(stream, "png", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _write(notebook: Any, file: str | Path) -> None:
    Path(file).write_text(str(nbformat.writes(notebook)), encoding="utf-8")  # type: ignore[no-untyped-call]


def main() -> None:
    """Run it, and write it with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            target, file = sys.argv[1:]
            _write(execute(target, folder), file)
            return
        with redis_on_socket() as redis, services(redis) as (service,):
            _write(execute(service.address, folder), NOTEBOOK)


if __name__ == "__main__":
    main()
