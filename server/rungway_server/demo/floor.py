"""The workers of the demo: what each one does, and the accident that is caused to one of them."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rungway import Trial, TrialState

Say = Callable[[str], None]
"""A function that shows a line to the user."""

CALM, OVERDUE = 0.15, 0.6
"""Fractions of the search: no accident before the first; after the second, any running trial may be hit."""


class Process(Protocol):
    """The part of a worker's process that the demo uses."""

    name: str

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""

    def log_tail(self) -> str:
        """The end of what it wrote to standard error."""


@dataclass
class Desk:
    """One worker and its current trial; epochs are absolute."""

    number: int
    process: Process
    trial: int | None = None
    epoch: int = 0
    until: int = 0
    error: float | None = None
    resumed: bool = False
    state: str = "starting"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process.exit_code is None


@dataclass
class Accident:
    """The worker killed with SIGKILL, and what happened to its trial."""

    worker: int
    worker_name: str
    trial: int
    epoch: int
    at: float
    resumed_by: int | None = None
    resumed_epoch: int = 0
    resumed_after: float = 0.0


@dataclass
class Floor:
    """All workers. `handle` reads what they print; `cause_accident` kills one of them, once."""

    desks: Mapping[int, Desk]
    say: Say
    epochs_trained: int = 0
    accident: Accident | None = None
    _dead: set[int] = field(default_factory=set)

    def handle(self, number: int, event: Mapping[str, Any]) -> None:
        """Read one line of a worker."""
        desk = self.desks[number]
        match event["what"]:
            case "start":
                desk.trial, desk.epoch, desk.until = event["trial"], event["epoch"], event["until"]
                desk.error, desk.resumed, desk.state = None, event["epoch"] > 0, "training"
                self._seen_again(desk)
            case "epoch":
                desk.epoch, desk.until, desk.error = event["epoch"], event["until"], event["error"]
                self.epochs_trained += 1
            case "diverged":
                self.say(f"trial {event['trial']} diverged in epoch {event['epoch']}: ranked last, never run again")
                desk.trial = None
            case "done":
                desk.trial, desk.state = None, "done"

    def notice_deaths(self) -> None:
        """Report each worker that ended early, once."""
        for number, desk in self.desks.items():
            if desk.alive or desk.state == "done" or number in self._dead:
                continue
            self._dead.add(number)
            if self.accident is None or self.accident.worker != number:
                self.say(f"worker {number} died by itself (exit code {desk.process.exit_code})")
            desk.state = "killed" if desk.process.exit_code == -signal.SIGKILL else "dead"

    @property
    def working(self) -> bool:
        """Whether any worker is left."""
        return any(desk.alive for desk in self.desks.values())

    def cause_accident(self, progress: float, rungs: Sequence[int], read_trial: Callable[[int], Trial]) -> None:
        """Kill a worker that is between the two top rungs with its trial, if there is one now."""
        if self.accident or progress < CALM or sum(desk.alive for desk in self.desks.values()) < 2:
            return
        for number, desk in self.desks.items():
            if not desk.alive or desk.trial is None or desk.epoch in rungs or desk.until - desk.epoch < 2:
                continue
            if desk.until == rungs[-1] or progress > OVERDUE:
                self._kill(number, desk, desk.trial, read_trial)
                if self.accident:
                    return

    def _kill(self, number: int, desk: Desk, trial: int, read_trial: Callable[[int], Trial]) -> None:
        """Freeze the worker and kill it if it still holds the trial; otherwise let it continue."""
        desk.process.send(signal.SIGSTOP)
        held = read_trial(trial)
        if held.state is not TrialState.RUNNING or held.worker != desk.process.name or not held.checkpoint_length:
            desk.process.send(signal.SIGCONT)
            return
        desk.process.send(signal.SIGKILL)
        self.accident = Accident(number, desk.process.name, trial, desk.epoch, time.monotonic())
        desk.state = "killed"
        self.say(
            f"worker {number} killed (SIGKILL) with trial {trial} at epoch {desk.epoch} of {desk.until}, not replaced"
        )

    def _seen_again(self, desk: Desk) -> None:
        accident = self.accident
        if accident is None or accident.resumed_by is not None or desk.trial != accident.trial:
            return
        accident.resumed_by, accident.resumed_epoch = desk.number, desk.epoch
        accident.resumed_after = time.monotonic() - accident.at
        self.say(
            f"trial {desk.trial} resumed by worker {desk.number} from its checkpoint of epoch {desk.epoch}, "
            f"{accident.resumed_after:.1f} s later"
        )
