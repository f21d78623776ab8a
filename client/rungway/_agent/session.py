"""An agent from its start to its end: signals, folders, log lines and what is said of the result."""

import logging
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rungway._agent.agent import SIGNALS, Agent
from rungway._agent.command import Command
from rungway._agent.options import Options
from rungway._core.errors import InvalidArgument
from rungway._sync.client import Client
from rungway.models.experiments import Experiment
from rungway.models.work import Trial


@dataclass(frozen=True, slots=True)
class Ending:
    """The search when the agent has ended."""

    experiment: Experiment
    """At its end; at the start of the agent when a signal or its time ended it."""
    best: Trial | None
    signal_number: int
    """The signal that ended the agent before the end of the search; 0 = none."""
    is_late: bool = False
    """Whether its time ended the agent before the end of the search."""
    is_spent: bool = False
    """Whether it has taken as many trials as it was allowed."""

    @property
    def is_interrupted(self) -> bool:
        """Whether trials were given back."""
        return bool(self.signal_number) or self.is_late

    def document(self) -> dict[str, Any]:
        """What programs want to know of it."""
        best = self.best
        return {
            "experiment": self.experiment.experiment,
            "state": "interrupted" if self.is_interrupted else str(self.experiment.state),
            "trials": self.experiment.trials.started,
            "failed": self.experiment.trials.failed,
            "best": best
            and {
                "trial": best.trial,
                "metric": best.best_metric,
                "length": best.best_length,
                "hparams": best.hparams,
                "checkpoint": best.checkpoint,
                "best_checkpoint": best.best_checkpoint,
            },
        }

    @property
    def exit_code(self) -> int:
        """0 with a result or at the end of its time or its runs, 1 without a result, 128 and the signal that ended the
        agent."""
        if self.signal_number:
            return 128 + self.signal_number
        return int(self.best is None and not self.is_late and not self.is_spent)


def run(client: Client, arguments: Sequence[str], options: Options, meanwhile: Callable[[], None]) -> Ending:
    """Run the command for trials of the client's experiment until the search is over or a signal comes; `meanwhile` is
    called several times a second, and ends it by an exception.

    Raises InvalidArgument before anything is run when the command does not fit the search, FailedPrecondition (FAILING)
    when the search has paused itself, and errors of the connection.
    """
    experiment = client.get_experiment()
    command = Command(arguments, experiment, partial=options.partial)
    logs = options.logs / experiment.experiment
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument.one("logs", f"{logs} cannot be made: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix="rungway-") as scratch:
        agent = Agent(client, experiment, command, options, logs, Path(scratch))
        with _leaves_at_signals(agent) as came:
            agent.run(meanwhile)
    if came:
        return Ending(experiment, None, came[0])
    if agent.is_late:
        return Ending(experiment, None, 0, is_late=True)
    return Ending(client.get_experiment(), client.best(), 0, is_spent=agent.has_spent_its_runs)


@contextmanager
def log_to(say: Callable[[str], None]) -> Iterator[None]:
    """Hand the log lines of the agent and the client to `say`."""
    log = logging.getLogger("rungway")
    handler = _Handler(say)
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


class _Handler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        stamp = time.strftime("%H:%M:%S", time.localtime(record.created))
        self._say(f"{stamp} {self.format(record)}")


@contextmanager
def _leaves_at_signals(agent: Agent) -> Iterator[list[int]]:
    """Each of the signals lets the agent leave; the list then has the first. A second one changes nothing."""
    came: list[int] = []

    def leave(number: int, _: object) -> None:
        came.append(number)
        agent.leave()

    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, leave) for number in SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
