"""What a training command prints becomes reports of its trial; lines that cannot be used are named in the log."""

import logging

from rungway._agent.lines import BadLine, Line, Reader
from rungway._sync.run import TrialRun

_log = logging.getLogger("rungway")


class TooFar(Exception):
    """The first result of the command is beyond the length it was told to train to."""


class Complaints:
    """What was said once, for all trials of an agent."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, problem: str, trial: int, line: str) -> None:
        """Log a problem the first time it comes up."""
        if problem not in self._said:
            self._said.add(problem)
            _log.warning("trial %d printed %r: %s (said once)", trial, line[:300], problem)


class Reports:
    """The reports of one trial under one lease, over all starts of its command."""

    def __init__(self, trial: TrialRun, reader: Reader, complaints: Complaints) -> None:
        self._trial, self._reader, self._complaints = trial, reader, complaints
        self._metric: float | None = None
        self._to_length = 0
        self._is_first = True
        self.furthest = trial.from_length
        """The furthest length told or held."""
        self.checkpoint, self.checkpoint_length = trial.checkpoint, trial.from_length
        """The last checkpoint, and its length."""
        self.count = 0
        """Results told."""

    def start(self, to_length: int) -> None:
        """The command was started, to train to this length."""
        self._is_first = self._to_length == 0 and not self.checkpoint
        self._to_length = to_length

    def take(self, text: str) -> None:
        """Take one line of output. Raises TooFar, and what `TrialRun.report` raises."""
        try:
            line = self._reader.read(text)
        except BadLine as problem:
            self._complaints.say(f"{problem}; wanted `{self._reader.wanted}`", self._trial.number, text)
            return
        if line is None:
            return
        if line.unknown:
            self._complaints.say(f"{', '.join(line.unknown)}: wanted a number", self._trial.number, text)
        self._report(line, self._to_length if line.length is None else line.length, text)

    def _report(self, line: Line, length: int, text: str) -> None:
        if length <= self.furthest:
            # A command that begins again at 0 repeats what was told before; from the first start none should.
            if self._is_first:
                self._complaints.say("lengths do not grow: this result is left out", self._trial.number, text)
            return
        if length > self._trial.to_length and not self._fill(length):
            return
        self._trial.report(
            length, line.metric, checkpoint=line.checkpoint or None, metrics=line.metrics or None, cost=line.cost
        )
        self._metric, self.furthest, self.count = line.metric, length, self.count + 1
        if line.checkpoint:
            self.checkpoint, self.checkpoint_length = line.checkpoint, length

    def _fill(self, length: int) -> bool:
        """Count the last result at each decision that the command has passed over; whether the trial goes on."""
        while length > self._trial.to_length:
            if self._metric is None:
                raise TooFar(
                    f"its first result is at {length}, but it was to train to {self._trial.to_length}: "
                    "give it the length, as {length} or RUNGWAY_TO_LENGTH, and report there"
                )
            decision = self._trial.to_length
            self._complaints.say(f"no result at {decision}: the last one counts there", self._trial.number, "")
            self.furthest = decision
            if not self._trial.report(decision, self._metric):
                return False
        return True
