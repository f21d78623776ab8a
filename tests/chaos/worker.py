"""A worker process of the chaos runs: the real client in a training loop that sleeps instead of training.

`python -m tests.chaos.worker TARGET AGENDA HISTORY STYLE STEP_SECONDS MISHAPS`. AGENDA is a file with an experiment per
line; a worker works on the last one until it is done, and ends when the line is a full stop. STYLE is `loop`
(`for trial in client.trials()`) or `plain` (ask and tell). MISHAPS is the share of trials that end in an error.
"""

import logging
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rungway import Assignment, Client, ClientConfig, Diverged, InvalidConfiguration, Outcome, Preempted, RungwayError
from tests.chaos.recorder import RecordedClient, Recorder

END = "."
MISHAPS = (InvalidConfiguration, Diverged, Preempted, RuntimeError, None)
"""What ends a trial early; None = the loop body just leaves it."""


def metric_of(assignment: Assignment, length: int) -> float:
    """Better with length, and different from any other result of the trial, so that each can be recognised."""
    quality = assignment.trial * 7919 % 101 / 101
    return quality + 1 / length + assignment.lease.fencing_token % 1_000_003 * 1e-12


def cost_of(assignment: Assignment, length: int) -> float | None:
    """What a report says that the training cost: some trials are dear. Only where a decision is due: a cost counts for
    all trials, and when other reports came is not in the log."""
    return 1.0 + assignment.trial % 4 if length == assignment.next_decision else None


def agenda(path: Path) -> Iterator[str]:
    """The experiments to work on, as they are added."""
    done = ""
    while True:
        lines = path.read_text().split()
        if lines and lines[-1] == END:
            return
        if lines and lines[-1] != done:
            done = lines[-1]
            yield done
        time.sleep(0.05)


class Loop:
    """The training loop of one worker."""

    def __init__(self, client: Client, step: float, mishaps: float) -> None:
        self._client = client
        self._step = step
        self._mishaps = mishaps

    def run(self, style: str) -> None:
        """Train until the search is done."""
        if style == "loop":
            self._trials()
        else:
            self._plain()

    def _trials(self) -> None:
        for trial in self._client.trials():
            with trial:
                luck = self._luck(trial.assignment)
                for length in trial.lengths():
                    time.sleep(self._step)
                    if length == luck:
                        mishap = random.choice(MISHAPS)
                        if mishap is None:
                            break
                        raise mishap("bad luck")
                    metric = metric_of(trial.assignment, length)
                    cost = cost_of(trial.assignment, length)
                    if not trial.report(length, metric, cost=cost, checkpoint=lambda at=length: f"at {at}"):  # type: ignore[misc]  # mypy cannot infer it
                        break

    def _plain(self) -> None:
        while assignment := self._client.ask():
            luck = self._luck(assignment)
            for length in range(assignment.from_length + 1, assignment.next_decision + 1):
                time.sleep(self._step)
                if length == luck:
                    self._mishap(assignment, length)
                    break
                metric = metric_of(assignment, length)
                cost = cost_of(assignment, length)
                if not self._client.tell(assignment, metric, length=length, cost=cost, checkpoint=f"at {length}"):
                    break

    def _mishap(self, assignment: Assignment, length: int) -> None:
        match random.choice(("fails", "leaves", "finishes")):
            case "fails":
                self._client.fail(assignment, Outcome.TRANSIENT, "bad luck")
            case "leaves":
                self._client.release(assignment)
            case _:
                metric = metric_of(assignment, length)
                self._client.tell(assignment, metric, length=length, checkpoint=f"at {length}", finished=True)

    def _luck(self, assignment: Assignment) -> int:
        """The length at which this one ends early; 0 = it does not."""
        if random.random() >= self._mishaps:
            return 0
        return random.randint(assignment.from_length + 1, assignment.next_decision)


def _main(target: str, agenda_path: str, history: str, style: str, step: str, mishaps: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which ends its workers
    logging.basicConfig(level=logging.WARNING, format="%(relativeCreated)d %(message)s")
    recorder = Recorder(Path(history))
    recorder.note(started=style)
    for experiment in agenda(Path(agenda_path)):
        while True:
            with RecordedClient(
                ClientConfig(target=target, experiment=experiment, backoff_max=1.0), recorder
            ) as client:
                try:
                    Loop(client, float(step), float(mishaps)).run(style)
                    break
                except Preempted:
                    recorder.note(preempted=experiment)
                except RungwayError as error:  # what a user would see
                    recorder.note(failed=type(error).__name__, reason=error.reason, text=str(error))
            time.sleep(0.2)
        recorder.note(done=experiment)


if __name__ == "__main__":
    _main(*sys.argv[1:])
