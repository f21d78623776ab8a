"""The examples run as they stand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rungway import Client
from tests.support.waiting import SECONDS

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "experiment"),
    [
        ("ask_tell", "sine-ask-tell"),
        ("trials_loop", "sine-trials-loop"),
        ("asyncio_loop", "sine-asyncio"),
        ("early_stopping", "sine-early-stopping"),
    ],
)
def test_a_loop_finishes_its_search(target: str, name: str, experiment: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")],
        env=os.environ | {"RUNGWAY_TARGET": target},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "best: trial " in ended.stdout
    with Client(target, experiment=experiment) as client:
        found = client.get_experiment()
        best = client.best()
    assert (found.state, found.trials.started) == ("done", 40)
    assert best is not None
    assert best.best_metric is not None
    assert best.best_metric < 0.1
    if name == "early_stopping":
        assert " 0 trials ended by themselves" not in f" {ended.stdout}"
    else:
        assert best.length == 64
