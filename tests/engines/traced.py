"""Runs an example of examples/engines as a driver, and reads what its workers have noted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from rungway import Client, ExperimentState, TrialState
from tests.support.calls import unique_name
from tests.support.waiting import SECONDS, wait_while_it_runs

EXAMPLES = Path(__file__).parents[2] / "examples" / "engines"


@dataclass(frozen=True)
class Step:
    """A line of the trace."""

    trial: int
    epoch: int
    process: int


class Driver:
    """A process that runs workers for a search of its own."""

    def __init__(self, script: str, target: str, folder: Path, environment: Mapping[str, str], seconds: float) -> None:
        self._folder = folder
        name = unique_name("engine")
        self.client = Client(target, experiment=name)
        self.client.create_experiment(name, yaml.safe_load((EXAMPLES / "search.yaml").read_text()))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        ours = {
            "RUNGWAY_TARGET": target,
            "RUNGWAY_EXPERIMENT": name,
            "RUNGWAY_CHECKPOINTS": str(folder / "checkpoints"),
            "TRACE": str(folder / "trace"),
            "STEP_SECONDS": str(seconds),
        }
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLES / script)],
                cwd=folder,
                env=inherited | ours | environment,
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

    def check(self, killed: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """The search has ended with all trials; what was trained twice is what a killed process had not told."""
        assert self.process.wait(SECONDS) == 0, self.output()
        experiment = self.client.get_experiment()
        assert (experiment.state, experiment.trials.started) == (ExperimentState.DONE, 12), self.output()
        trials = self.client.list_trials()
        assert [trial.trial for trial in trials] == list(range(12))
        assert {trial.state for trial in trials} <= {TrialState.COMPLETED, TrialState.PAUSED}, self.output()
        first: dict[tuple[int, int], int] = {}
        for step in self.steps():
            before = first.setdefault((step.trial, step.epoch), step.process)
            assert before == step.process or before in killed, f"{step} was trained before by {before}"
        for trial in trials:
            epochs = {epoch for number, epoch in first if number == trial.trial}
            assert epochs == set(range(1, trial.length + 1)), trial


@contextmanager
def driver(
    script: str, target: str, folder: Path, environment: Mapping[str, str], seconds: float = 0.3
) -> Iterator[Driver]:
    """One driver; it is gone at the end."""
    running = Driver(script, target, folder, environment, seconds)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait()
        running.client.close()
