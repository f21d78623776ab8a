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


BOTH = """
import logging

{import_}
from {package}.study import MaxTrialsCallback
from {package}.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
seen = []


def objective(trial):
    x = trial.suggest_int("x", 0, 100, step=5)
    trial.suggest_float("one", 1.0, 1.0)
    trial.suggest_categorical("kind", [None, True, 1.5, "a"])
    seen.append(trial.params["x"])
    if trial.number == 2:
        raise ValueError("no such model")
    if trial.number == 3:
        return float("nan")
    if trial.number == 4:
        raise optuna.TrialPruned()
    trial.set_user_attr("half", x / 2)
    return x


study = optuna.create_study(directions=["maximize"])
study.enqueue_trial({{"x": 100, "kind": "a"}})
try:
    study.best_trial
except ValueError:
    print("none: yet")
study.optimize(objective, n_trials=5, catch=(ValueError,))
print("states:", [trial.state.name for trial in study.trials])
print("best:", study.best_trial.number, study.best_value, dict(sorted(study.best_params.items())))
print("attrs:", study.best_trial.user_attrs)
print("values:", [trial.value is None for trial in study.trials])
print("seen:", len(seen), seen[0])
study.optimize(objective, n_trials=50, callbacks=[MaxTrialsCallback(6, states=None)])
print("all:", len(study.trials), len(study.get_trials(states=(TrialState.COMPLETE,))))
print("finished:", all(trial.state.is_finished() for trial in study.trials), study.direction.name)
study.optimize(lambda trial: objective(trial) or study.stop() or 0.0, n_trials=1)
print("more:", len(study.trials))
"""


def test_what_both_say_of_errors_attributes_and_callbacks_is_the_same(target: str, tmp_path: Path) -> None:
    found = []
    for name, line, package in (("theirs", THEIRS, "optuna"), ("ours", OURS, "rungway.compat.optuna")):
        script = tmp_path / f"{name}.py"
        script.write_text(BOTH.format(import_=line, package=package))
        found.append(printed(script, tmp_path, RUNGWAY_TARGET=target))
    assert found[0] == found[1]
    assert found[0]["states"] == "['COMPLETE', 'COMPLETE', 'FAIL', 'FAIL', 'PRUNED']"
    assert found[0]["best"] == "0 100.0 {'kind': 'a', 'one': 1.0, 'x': 100}"
