"""Runs an example of examples/engines as a driver, and reads what its workers have noted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rungway import Client, ExperimentState, TrialState
from tests.engines.scripts import RESULT
from tests.support.calls import unique_name
from tests.support.waiting import SECONDS, wait_while_it_runs

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "engines"
TRIALS = 12


@dataclass(frozen=True)
class Step:
    """A line of the trace."""

    trial: int
    epoch: int
    process: int


class Driver:
    """A process that runs workers for a search."""

    def __init__(
        self, command: Sequence[str], client: Client, folder: Path, environment: Mapping[str, str], seconds: float
    ) -> None:
        self._folder, self.client = folder, client
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        ours = {
            "RUNGWAY_TARGET": client.config.target,
            "RUNGWAY_EXPERIMENT": client.config.experiment,
            "PYTHONPATH": str(ROOT),
            "RUNGWAY_CHECKPOINTS": str(folder / "checkpoints"),
            "TRACE": str(folder / "trace"),
            "STEP_SECONDS": str(seconds),
        }
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env={**inherited, **ours, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """What it printed."""
        return (self._folder / "output").read_text(errors="replace")

    def steps(self) -> list[Step]:
        """Every step so far, in the order of training."""
        path = self._folder / "trace"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [Step(*map(int, line.split())) for line in lines if line.endswith("\n")]

    def wait_steps(self, count: int) -> None:
        """Until its workers have trained so many steps in all."""
        assert wait_while_it_runs(self.process, lambda: len(self.steps()) >= count), self.output()

    def result(self) -> dict[str, Any]:
        """What a driver of tests/engines/scripts.py says at its end."""
        assert self.process.wait(SECONDS) == 0, self.output()
        [line] = [line for line in self.output().splitlines() if line.startswith(RESULT)]
        found: dict[str, Any] = json.loads(line.removeprefix(RESULT))
        return found

    def check(self, killed: Collection[int] = ()) -> None:
        """The search has ended with all trials; what was trained twice is what a killed process had not told."""
        assert self.process.wait(SECONDS) == 0, self.output()
        experiment = self.client.get_experiment()
        assert (experiment.state, experiment.trials.started) == (ExperimentState.DONE, TRIALS), self.output()
        trials = self.client.list_trials()
        assert [trial.trial for trial in trials] == list(range(TRIALS))
        assert {trial.state for trial in trials} <= {TrialState.COMPLETED, TrialState.PAUSED}, self.output()
        first: dict[tuple[int, int], int] = {}
        for step in self.steps():
            before = first.setdefault((step.trial, step.epoch), step.process)
            assert before == step.process or before in killed, f"{step} was trained before by {before}"
        for trial in trials:
            epochs = {epoch for number, epoch in first if number == trial.trial}
            assert epochs == set(range(1, trial.length + 1)), trial


@contextmanager
def search(target: str, **changes: object) -> Iterator[Client]:
    """A search of the examples, with these keys of its configuration."""
    name = unique_name("engine")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, yaml.safe_load((EXAMPLES / "search.yaml").read_text()) | changes)
        yield client


@contextmanager
def driver(
    command: Sequence[str], client: Client, folder: Path, environment: Mapping[str, str], seconds: float = 0.3
) -> Iterator[Driver]:
    """One driver; it is gone at the end. `seconds` is what a step of the training takes."""
    running = Driver(command, client, folder, environment, seconds)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()


def script(
    engine: str, form: str, n: int = 2, resources: Mapping[str, float] | None = None, most: int = 8
) -> list[str]:
    """The command of a driver of tests/engines/scripts.py."""
    return ["-m", "tests.engines.scripts", engine, form, str(n), json.dumps(resources or {}), str(most)]
