"""Syne Tune plays searches: ASHABORE or BOHB, whose trials are stopped for good, with rungs 1, 3, 9, …"""

import datetime
import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, loguniform, randint, uniform
from syne_tune.optimizer import baselines
from syne_tune.optimizer.scheduler import SchedulerDecision

from loadtests.peers.deciding import Config, Decides, main

_BEGAN = datetime.datetime(2026, 1, 1)


class SyneTune(Decides):
    """One of its schedulers in this process."""

    def __init__(self, scheduler: str) -> None:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")
        self._kind = getattr(baselines, scheduler)

    def begin(self, space: Sequence[Config], longest: int, seed: int) -> None:
        """See Decides."""
        np.random.seed(seed)  # it draws brackets from there
        self._scheduler = self._kind(
            {each["name"]: _domain(each) for each in space},
            metric="value",
            time_attr="length",
            max_t=longest,
            random_seed=seed,
            reduction_factor=3,
        )
        self._trials: dict[int, Trial] = {}

    def suggest(self) -> Config:
        """See Decides."""
        config: Config = self._scheduler.suggest().config
        return config

    def start(self, trial: int, config: Config) -> None:
        """See Decides."""
        self._trials[trial] = Trial(trial, dict(config), _BEGAN)
        self._scheduler.on_trial_add(self._trials[trial])

    def told(self, trial: int, length: int, value: float, over: bool) -> bool:
        """See Decides."""
        running, result = self._trials[trial], {"value": value, "length": length}
        if over:
            self._scheduler.on_trial_complete(running, result)
            return False
        if self._scheduler.on_trial_result(running, result) == SchedulerDecision.STOP:
            self._scheduler.on_trial_remove(running)
            return False
        return True


def _domain(each: Config) -> Any:
    if "choices" in each:
        return choice(each["choices"])
    kind = randint if each.get("integer") else loguniform if each.get("log") else uniform
    return kind(each["lower"], each["upper"])


if __name__ == "__main__":
    main(SyneTune)
