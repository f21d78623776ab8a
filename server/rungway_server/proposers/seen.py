"""A search as a proposer sees it: its trials with their configurations and results, added up from what is new."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rungway import Experiment, Results, TrialState
from rungway_server.proposers.parameters import Parameters


@dataclass(slots=True)
class SeenTrial:
    """A trial. `choices`: what was chosen for its parameters (see `Parameters`); `results`: metrics by length, of which
    less is better, NaN for a trial that died."""

    number: int
    hparams: dict[str, object]
    choices: Mapping[str, float]
    state: TrialState = TrialState.RUNNING
    results: dict[int, float] = field(default_factory=dict)

    @property
    def last(self) -> float | None:
        """The result at the greatest length; None where there is none yet."""
        return self.results[max(self.results)] if self.results else None


class Seen:
    """All of it: `parameters`, `trials` by number, the `lengths` of rungs by bracket, and the greatest of them."""

    def __init__(self, experiment: Experiment) -> None:
        assert experiment.plan is not None
        self.parameters = Parameters(experiment.config)
        self.trials: dict[int, SeenTrial] = {}
        self.lengths = [[rung.length for rung in bracket.rungs] for bracket in experiment.plan.brackets]
        self.longest = max(length for lengths in self.lengths for length in lengths)
        self.seed = int(experiment.config["seed"])
        self.results = 0
        self._sign = 1.0 if experiment.config["searcher"].get("smaller_is_better", True) else -1.0

    @property
    def running(self) -> int:
        """How many trials workers have."""
        return sum(trial.state is TrialState.RUNNING for trial in self.trials.values())

    def add(self, new: Results) -> None:
        """Add what is new."""
        if new.reset:
            self.trials, self.results = {}, 0
        for number, state, hparams in zip(new.trials, new.states, new.hparams, strict=True):
            self._add_trial(number, state, hparams)
        for result in new.results:
            if trial := self.trials.get(result.trial):
                trial.results[self.lengths[result.bracket][result.rung]] = self._sign * result.metric
                self.results += 1

    def _add_trial(self, number: int, state: TrialState, hparams: Mapping[str, Any]) -> None:
        if state is TrialState.INVALID:
            self.trials.pop(number, None)
        elif number in self.trials:
            self.trials[number].state = state
        else:
            whole = self.parameters.nested(hparams)
            self.trials[number] = SeenTrial(number, whole, self.parameters.choices(whole), state)

    def worst(self) -> float:
        """The worst last result that is a number; 0 where there is none."""
        last = [trial.last for trial in self.trials.values()]
        return max((each for each in last if each is not None and math.isfinite(each)), default=0.0)
