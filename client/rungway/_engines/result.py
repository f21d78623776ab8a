"""What `run_workers` returns."""

from dataclasses import dataclass

from rungway.models.experiments import Experiment
from rungway.models.work import Trial


@dataclass(frozen=True, slots=True)
class WorkerSummary:
    """One of the workers, and those that stood in its place before."""

    number: int
    """From 1 on."""
    trials: tuple[int, ...]
    """The trials that it was the last to train, by number. Each trial is with one worker only, so one that was resumed
    elsewhere is not here."""
    replaced: int
    """How often it was replaced, because its process or node died or because it left. What the engine replaces by
    itself is not counted."""


@dataclass(frozen=True, slots=True)
class WorkersResult:
    """A search after its workers have ended: `print` shows it."""

    experiment: Experiment
    """The search."""
    workers: tuple[WorkerSummary, ...]
    """By number."""
    failed: tuple[Trial, ...]
    """The trials that failed; `message` of each says why."""

    def __str__(self) -> str:
        lines = [f"{self.experiment.experiment}: {self.experiment.state}, {len(self.failed)} trials failed"]
        for worker in self.workers:
            replaced = f", replaced {worker.replaced} times" if worker.replaced else ""
            lines.append(f"worker {worker.number}: {len(worker.trials)} trials{replaced}")
        lines += [f"trial {trial.trial} failed: {trial.message}" for trial in self.failed]
        return "\n".join(lines)
