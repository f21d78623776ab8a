"""One file with an objective, run by Optuna itself and on a service: nothing but its import differs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna")
EXAMPLE = Path(__file__).parents[2] / "examples" / "engines" / "optuna_study.py"
OURS, THEIRS = "from rungway.compat import optuna\n", "import optuna\n"


def printed(script: Path, folder: Path, **environment: str) -> dict[str, str]:
    """What the script prints, by the word at the beginning of each line."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
    command = [sys.executable, str(script)]
    ran = subprocess.run(command, cwd=folder, env=inherited | environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return {word: rest for word, _, rest in (line.partition(": ") for line in ran.stdout.splitlines())}


def test_the_same_file_runs_with_both(target: str, tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    assert text.count(OURS) == 1
    theirs = tmp_path / "optuna_study.py"
    theirs.write_text(text.replace(OURS, THEIRS))
    found = [printed(theirs, tmp_path), printed(EXAMPLE, tmp_path, RUNGWAY_TARGET=target)]
    for each in found:
        assert each.keys() == {"complete", "pruned", "best"}
        assert int(each["complete"]) + int(each["pruned"]) == 30
        assert int(each["complete"]) > 0
        assert int(each["pruned"]) > 0
        number, value, *_ = each["best"].split()
        assert 0 <= int(number) < 30
        assert 0 <= float(value) < 0.1
        assert "'rate': " in each["best"]
        assert "'distance': " in each["best"]
