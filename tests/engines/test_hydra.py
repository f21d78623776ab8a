"""Sweeps of real apps of Hydra: slots stay full, trials are pruned and go on, kills are survived, mistakes named."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("hydra")

from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_plugins.rungway_sweeper._space import searched
from rungway import Client, ExperimentState, TrialState
from tests.support.calls import unique_name
from tests.support.waiting import SECONDS, wait_while_it_runs

EXAMPLE = Path(__file__).parents[2] / "examples" / "engines" / "hydra_app.py"
SPACE = ("rate=tag(log,interval(0.001,1.9))", "momentum=range(0,0.9,0.1)", "kind=choice(plain,nesterov)")
LADDER = "hydra.sweeper.searcher={name:async_halving,max_length:9,num_rungs:3,divisor:3}"
RETURNS = """
import os
import pathlib
import time

import hydra
from omegaconf import OmegaConf

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    number = int(hydra.core.hydra_config.HydraConfig.get().job.num)
    with open("begun", "a") as begun:
        print(number, file=begun)
    {body}
    return config.x["a"] if OmegaConf.is_dict(config.x) else config.x

main()
"""


class Sweep:
    """Sweeps of one app with one experiment id."""

    def __init__(self, target: str, folder: Path, app: Path, *arguments: str) -> None:
        self.name, self.folder = unique_name("sweep"), folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        self._environment = inherited | {"RUNGWAY_TARGET": target, "OMP_NUM_THREADS": "1"}
        own = [
            f"hydra.sweeper.experiment={self.name}",
            "hydra.sweep.dir=out",
            "hydra.sweeper.config={seed:2,lease_seconds:2}",
        ]
        self._command = [sys.executable, str(app), "--multirun", "hydra/sweeper=rungway", *own, *arguments]
        self.client = Client(target, experiment=self.name)

    @contextmanager
    def start(self) -> Iterator["subprocess.Popen[bytes]"]:
        """The sweep as a process; killed with all its jobs if it runs at the end of the block."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run(self) -> int:
        """To its end; the exit code."""
        with self.start() as process:
            return process.wait(SECONDS)

    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log").read_text(errors="replace")

    def states(self) -> list[TrialState]:
        """Of all trials."""
        return [trial.state for trial in self.client.list_trials()]

    def begun(self) -> list[int]:
        """The trials of the jobs in the order of their beginning."""
        path = self.folder / "begun"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def app(folder: Path, body: str = "pass") -> Path:
    """A script of an app whose task returns x."""
    path = folder / "app.py"
    path.write_text(RETURNS.replace("{body}", body.replace("\n", "\n    ")))
    return path


def test_apps_that_use_another_sweeper_do_not_import_rungway() -> None:
    code = "import sys; from hydra.core.plugins import Plugins; Plugins.instance(); print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'hydra_plugins.rungway_sweeper.rungway_sweeper'" in modules
    assert "'rungway'" not in modules
    assert "'grpc'" not in modules


def test_trials_are_paused_and_go_on_in_their_own_folders(target: str, tmp_path: Path) -> None:
    sweep = Sweep(target, tmp_path, EXAMPLE, "hydra.sweeper.n_trials=9", LADDER, *SPACE)
    assert sweep.run() == 0, sweep.log()
    experiment = sweep.client.get_experiment()
    assert experiment.state is ExperimentState.DONE
    assert set(sweep.states()) == {TrialState.PAUSED, TrialState.COMPLETED}
    trials = [sweep.client.get_trial(number) for number in range(9)]
    lengths = {trial.trial: [report.length for report in trial.curve or ()] for trial in trials}
    assert {max(each) for each in lengths.values()} == {1, 3, 9}
    assert all(each == list(range(1, max(each) + 1)) for each in lengths.values())  # from its checkpoint, not anew
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == {str(n) for n in range(9)}
    best, found = sweep.client.best(), yaml.safe_load((tmp_path / "out" / "optimization_results.yaml").read_text())
    assert best is not None
    assert found == {
        "name": "rungway",
        "experiment": sweep.name,
        "best_params": best.hparams,
        "best_value": best.best_metric,
    }
    assert "RUNGWAY_ASSIGNMENT" not in sweep.log()


LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local"],
}
"""Those that run jobs in processes of their own, with two at once."""


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_slots_stay_full_while_one_trial_is_slow(target: str, tmp_path: Path, launcher: str) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    slow = "while number == 0 and not pathlib.Path('go').exists():\n    time.sleep(0.05)"
    more = (*LAUNCHERS[launcher], "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=5")
    sweep = Sweep(target, tmp_path, app(tmp_path, slow), *more, "+x=interval(0,1)")
    with sweep.start() as process:

        def others_are_over() -> bool:
            return sorted(set(sweep.begun())) == list(range(5)) and sweep.states().count(TrialState.COMPLETED) == 4

        assert wait_while_it_runs(process, others_are_over), sweep.log()
        assert sweep.states()[0] is TrialState.RUNNING
        (tmp_path / "go").touch()
        assert process.wait(SECONDS) == 0, sweep.log()
    assert set(sweep.states()) == {TrialState.COMPLETED}
    assert sorted(sweep.begun()) == list(range(5))


def test_a_sweep_goes_on_after_it_was_killed(target: str, tmp_path: Path) -> None:
    hang = "while number == 3 and not pathlib.Path('go').exists():\n    time.sleep(0.05)"
    sweep = Sweep(target, tmp_path, app(tmp_path, hang), "hydra.sweeper.n_trials=6", "+x=interval(0,1)")
    with sweep.start() as process:
        assert wait_while_it_runs(process, lambda: 3 in sweep.begun()), sweep.log()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (tmp_path / "go").touch()
    assert sweep.run() == 0, sweep.log()
    assert set(sweep.states()) == {TrialState.COMPLETED}
    assert sorted(sweep.begun()) == [0, 1, 2, 3, 3, 4, 5]


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_job_whose_process_dies_is_tried_again(target: str, tmp_path: Path, launcher: str) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    dies = "if number == 1 and not pathlib.Path('died').exists():\n    pathlib.Path('died').touch()\n    os._exit(1)"
    more = (*LAUNCHERS[launcher], "hydra.sweeper.n_trials=3")
    sweep = Sweep(target, tmp_path, app(tmp_path, dies), *more, "+x=interval(0,1)")
    assert sweep.run() == 0, sweep.log()
    assert "The job of trial 1 is lost: " in sweep.log()
    assert set(sweep.states()) == {TrialState.COMPLETED}
    assert sweep.begun().count(1) == 2


def test_a_task_that_raises_fails_its_trial_and_not_the_sweep(target: str, tmp_path: Path) -> None:
    raises = "if number == 1:\n    raise ValueError('no such model')\nif number == 2:\n    return None"
    sweep = Sweep(target, tmp_path, app(tmp_path, raises), "hydra.sweeper.n_trials=5", "+x=choice({a:1},{a:2},3,4,5)")
    assert sweep.run() == 0, sweep.log()
    assert [state is TrialState.FAILED for state in sweep.states()] == [False, True, True, False, False]
    assert "no such model" in sweep.client.get_trial(1).message
    assert "returned None and reported nothing" in sweep.client.get_trial(2).message


def test_a_sweep_whose_trials_all_fail_ends_and_goes_on_when_it_is_corrected(target: str, tmp_path: Path) -> None:
    raises = "if not pathlib.Path('corrected').exists():\n    raise ValueError('no such model')"
    sweep = Sweep(target, tmp_path, app(tmp_path, raises), "hydra.sweeper.n_trials=12", "+x=interval(0,1)")
    assert sweep.run() == 1
    assert "the search has paused itself: its first trials all failed" in sweep.log()
    assert sweep.states() == [TrialState.FAILED] * 10
    (tmp_path / "corrected").touch()
    assert sweep.run() == 0, sweep.log()
    assert sweep.states()[10:] == [TrialState.COMPLETED] * 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["+x=interval(0,1)", "hydra.sweeper.n_jobs=2"], "the basic launcher runs one job at a time"),
        (["+x=1"], "no override sweeps"),
        (["x=interval(0,1)"], "Could not override 'x'"),
        (["+x=interval(0,1)", "hydra.sweeper.direction=up"], "got 'up', wanted minimize or maximize"),
        (["+x=interval(0,1)", "hydra.sweeper.searcher={nmae:random}"], "searcher.nmae"),
        (["+x=tag(lgo,interval(0.1,1))"], "x: got the tag 'lgo', wanted log or none"),
        (["+x=interval(0,1)", "hydra.sweeper.params=3"], "hydra.sweeper.params: got 3, wanted a mapping"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(target: str, tmp_path: Path, arguments: list[str], said: str) -> None:
    sweep = Sweep(target, tmp_path, app(tmp_path), *arguments)
    assert sweep.run() == 1
    assert said in sweep.log()
    assert sweep.begun() == []


@pytest.mark.parametrize(
    ("override", "node", "written"),
    [
        ("x=interval(0,1)", {"type": "double", "minval": 0.0, "maxval": 1.0}, {0.5: "0.5"}),
        ("x=tag(log,interval(1e-3,1))", {"type": "log_uniform", "minval": 0.001, "maxval": 1.0}, {}),
        ("x=int(interval(1,8))", {"type": "int", "minval": 1, "maxval": 8}, {3: "3"}),
        ("x=tag(log,int(interval(1,8)))", {"type": "log_int", "minval": 1, "maxval": 8}, {}),
        ("x=range(1,8)", {"type": "int", "minval": 1, "maxval": 7}, {}),
        ("x=range(1,8,3)", {"type": "int", "minval": 1, "maxval": 7, "step": 3}, {}),
        ("x=range(0,1,0.25)", {"type": "double", "minval": 0.0, "maxval": 0.75, "step": 0.25}, {}),
        (
            "+x=1,true,'a b',null",
            {"type": "categorical", "vals": [1, True, "a b", None]},
            {1: "1", "a b": "'a b'", None: "null"},
        ),
        ("x=choice([1,2],{a:b})", {"type": "categorical", "vals": ["[1,2]", "{a:b}"]}, {"[1,2]": "[1,2]"}),
    ],
)
def test_overrides_are_parameters(override: str, node: dict[str, Any], written: dict[Any, str]) -> None:
    (parsed,) = OverridesParser.create().parse_overrides([override])
    found = searched(parsed)
    assert found.node == node
    assert {value: found.written(value) for value in written} == written


def test_a_parameter_may_be_written_as_in_a_configuration(target: str, tmp_path: Path) -> None:
    params = "{x:{type:categorical,vals:[\"it's\",'b c']},+y:{type:double,minval:0,maxval:1,when:{x:\"it's\"}}}"
    body = "return config.get('y', 2.0)"
    script = app(tmp_path, body).read_text().replace("config_path=None)", 'config_path=None, config_name="c")')
    (tmp_path / "c.yaml").write_text("x: none\n")
    path = tmp_path / "app.py"
    path.write_text(script.replace("config_path=None", f"config_path={str(tmp_path)!r}"))
    sweep = Sweep(target, tmp_path, path, "hydra.sweeper.n_trials=6", f"hydra.sweeper.params={params}")
    assert sweep.run() == 0, sweep.log()
    trials = sweep.client.list_trials()
    assert {trial.hparams["x"] for trial in trials} == {"it's", "b c"}
    assert all((trial.metric == 2.0) == ("y" not in trial.hparams) for trial in trials)
