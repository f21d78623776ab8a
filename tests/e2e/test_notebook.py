"""examples/notebook.ipynb runs as it stands, and what is committed shows something and nothing of a machine."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rungway import Client, ExperimentState
from tests.support.waiting import SECONDS

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
MOST_CELLS, MOST_BYTES = 39, 300_000


def cells(notebook: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return found


def outputs(cell: dict[str, Any]) -> list[Any]:
    return list(cell.get("outputs", ()))


def kinds(notebook: Path) -> list[list[str]]:
    """What each cell shows: "image/png", "text/html", "stdout" …; a stream may come in several pieces."""
    return [
        sorted({name for output in outputs(cell) for name in output.get("data", {output.get("name"): None})})
        for cell in cells(notebook)
    ]


@pytest.mark.slow
def test_the_notebook_runs(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.support.notebook", target, str(tmp_path / "run.ipynb")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    assert kinds(tmp_path / "run.ipynb") == kinds(NOTEBOOK)
    for name, trials in (("notebook", 100), ("script", 8)):
        with Client(target, experiment=name) as client:
            experiment = client.get_experiment()
            assert (experiment.state, experiment.trials.started) == (ExperimentState.DONE, trials)


def test_what_is_committed_is_small_and_shows_something() -> None:
    assert len(cells(NOTEBOOK)) <= MOST_CELLS
    assert NOTEBOOK.stat().st_size <= MOST_BYTES
    shown = [output for cell in cells(NOTEBOOK) for output in outputs(cell)]
    assert [output for output in shown if output["output_type"] == "error"] == []
    counts = [cell["execution_count"] for cell in cells(NOTEBOOK) if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))  # run once, from the top
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 4
    assert sum("text/html" in output.get("data", {}) for output in shown) >= 8
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert re.findall(r"/tmp/\w+|127\.0\.0\.1:\d+|\d+@\w+", text) == []


def test_the_readme_links_it() -> None:
    assert "(examples/notebook.ipynb)" in (ROOT / "README.md").read_text(encoding="utf-8")
