"""Runs an example of a training loop twice, undisturbed and with signals in the middle, and compares all it did."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rungway import Client, ExperimentState, TrialState
from tests.support.calls import unique_name
from tests.support.waiting import SECONDS, wait_while_it_runs

EXAMPLES = Path(__file__).parents[2] / "examples" / "frameworks"
Step = tuple[int, int]
"""Number of a trial, and of a step of its training."""


@dataclass
class Example:
    """A script of examples/frameworks, and how it is run."""

    script: str
    command: Sequence[str] = ()
    """What stands before the script, by default this Python."""
    lease_seconds: float = 3.0
    environment: dict[str, str] = field(default_factory=dict)
    searcher: dict[str, Any] = field(default_factory=dict)
    """Keys of the searcher that are not those of search.yaml."""


@dataclass
class Ran:
    """What one search of an example has left."""

    curves: dict[int, list[tuple[int, float]]]
    """Length and metric of each report, by trial."""
    pieces: list[list[tuple[Step, float]]]
    """The steps of each process with their learning rates."""
    events: list[str]
    checkpoints: list[str]
    """Paths of all that is left of them, below the root."""

    @property
    def lengths(self) -> dict[int, list[int]]:
        """The length of each report, by trial."""
        return {number: [length for length, _ in curve] for number, curve in self.curves.items()}

    @property
    def rates(self) -> dict[Step, float]:
        """The learning rate of each step. A step that was trained twice had the same one."""
        every: dict[Step, float] = {}
        for step, rate in [pair for piece in self.pieces for pair in piece]:
            assert every.setdefault(step, rate) == rate, f"step {step} had {every[step]} and {rate}"
        return every


class Run:
    """One search on a service, and the processes of the example that train it."""

    def __init__(self, example: Example, target: str, folder: Path) -> None:
        self._example, self._folder = example, folder
        self._go = folder / "trace.go"
        folder.mkdir(parents=True)
        self._name = unique_name("example")
        document = yaml.safe_load((EXAMPLES / "search.yaml").read_text()) | {"lease_seconds": example.lease_seconds}
        document["searcher"] |= example.searcher
        self._client = Client(target, experiment=self._name)
        self._client.create_experiment(self._name, document)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWAY_")}
        self._environment = inherited | {
            "RUNGWAY_TARGET": target,
            "RUNGWAY_EXPERIMENT": self._name,
            "RUNGWAY_CHECKPOINTS": str(folder / "checkpoints"),
            "TRACE": str(folder / "trace"),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            **example.environment,
        }

    def start(self, hold: int | None = None) -> "subprocess.Popen[bytes]":
        """A process that trains; its output is in the folder. At `hold` steps in all it waits for `go`."""
        self._go.unlink(missing_ok=True)
        holding = {} if hold is None else {"TRACE_HOLD": str(hold)}
        script, *arguments = self._example.script.split()
        command = [*(self._example.command or [sys.executable]), str(EXAMPLES / script), *arguments]
        with (self._folder / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment | holding,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def go(self) -> None:
        """Let a process that waits train on."""
        self._go.touch()

    def until(self, steps: int | None, number: int = 0) -> int:
        """Run a process until it has trained so many steps in all, then send it the signal; its exit code."""
        process = self.start(steps)
        try:
            if steps is not None:
                assert wait_while_it_runs(process, lambda: len(self.lines()) >= steps), self.output()
                process.send_signal(number)
                self.go()
            code = process.wait(SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return code

    def output(self) -> str:
        """What it printed."""
        return (self._folder / "output").read_text(errors="replace")[-6000:]

    def lines(self) -> list[tuple[int, int, float, int, float]]:
        """Every step so far, in the order of training: trial, step, learning rate, process, time (seconds)."""
        path = self._folder / "trace"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [tuple(json.loads(line)) for line in lines if line.endswith("\n")]

    def _curve(self, trial: int) -> dict[int, float]:
        return {report.length: report.metric for report in self._client.get_trial(trial).curve or ()}

    def ended(self) -> Ran:
        """What the search has left; it must be done, and no trial lost."""
        experiment = self._client.get_experiment()
        assert experiment.state is ExperimentState.DONE, self.output()
        trials = self._client.list_trials()
        assert {trial.state for trial in trials} <= {TrialState.COMPLETED, TrialState.STOPPED, TrialState.PAUSED}
        numbers = [trial.trial for trial in trials]
        # A report of a killed worker may have been told, and comes once more from the next: the last one counts.
        curves = {n: [*self._curve(n).items()] for n in numbers}
        events = [event.kind for n in numbers for event in self._client.explain_trial(n)]
        root = self._folder / "checkpoints"
        left = sorted(path.relative_to(root).as_posix() for path in root.glob("*/*/*"))
        self._client.close()
        pieces: dict[int, list[tuple[Step, float]]] = {}
        for number, step, rate, process, _ in self.lines():
            pieces.setdefault(process, []).append(((number, step), rate))
        return Ran(curves, list(pieces.values()), events, left)


def undisturbed(example: Example, target: str, folder: Path) -> Ran:
    """The search by one process."""
    run = Run(example, target, folder)
    assert run.until(None) == 0, run.output()
    return run.ended()


def disturbed(example: Example, target: str, folder: Path, steps: int, number: int = signal.SIGTERM) -> Ran:
    """The same search by three processes: one killed after a third of all steps, one told to leave near the end."""
    run = Run(example, target, folder)
    assert run.until(steps // 3, signal.SIGKILL) == -signal.SIGKILL, run.output()
    assert run.until(steps * 9 // 10, number) == 0, run.output()
    assert run.until(None) == 0, run.output()
    return run.ended()


def difference(first: Ran, second: Ran) -> float:
    """By how much two metrics of the same trial and length differ at most, relatively."""
    return max(
        abs(was - now) / abs(was)
        for number, curve in first.curves.items()
        for (_, was), (_, now) in zip(curve, second.curves[number], strict=True)
    )


def check_same(first: Ran, second: Ran, *, tolerance: float | None = 0.0) -> None:
    """The second, disturbed one has trained the same, with the same learning rates, and lost nothing at its SIGTERM.
    Metrics differ by this much, relatively; None = they are not compared."""
    assert second.rates == first.rates
    assert first.lengths == second.lengths
    assert tolerance is None or difference(first, second) <= tolerance, (first.curves, second.curves)
    assert "release" in second.events
    before, after = ({step for step, _ in piece} for piece in second.pieces[-2:])
    assert not before & after, "steps from before the SIGTERM were trained again"
    assert not [path for path in second.checkpoints if "/.tmp-" in path and path.count("/") < 2]
