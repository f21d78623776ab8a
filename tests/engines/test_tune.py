"""`rungway.compat.tune` beside Ray Tune itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rungway import Client
from tests.engines.traced import EXAMPLES, ROOT
from tests.support.waiting import SECONDS


def ran(folder: Path, target: str, *command: str) -> str:
    """What a script printed."""
    folder.mkdir()
    # A cluster of another test may be there: RAY_ADDRESS.
    ours = {"RUNGWAY_TARGET": target, "HOME": str(folder), "PYTHONPATH": str(ROOT), "RAY_ADDRESS": "local"}
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | ours,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def result(output: str) -> Any:
    [line] = [line for line in output.splitlines() if line.startswith("result: ")]
    return json.loads(line.removeprefix("result: "))


def test_tune_itself_trains_the_same(target: str, tmp_path: Path) -> None:
    both = [
        result(ran(tmp_path / module, target, "-m", "tests.engines.both_tunes", module, str(tmp_path / "storage")))
        for module in ("rungway.compat.tune", "ray.tune")
    ]
    assert both[0] == both[1]
    assert len(both[0]["found"]) == 3


def test_the_example_runs_as_it_stands(target: str, tmp_path: Path) -> None:
    output = ran(tmp_path / "example", target, str(EXAMPLES / "tune_function.py"))
    assert "'learning_rate': " in output
    with Client(target) as client:
        found = [each for each in client.list_experiments() if each.experiment.startswith("train-")][-1]
    assert (found.state, found.trials.started) == ("done", 12)
    assert list((tmp_path / "example" / "rungway_results").glob("train-*/*/*/state.json"))
