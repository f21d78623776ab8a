"""Optuna's TPE proposes, and a pruner of Optuna decides how long trials train: SuccessiveHalving or Hyperband, with
rungs 1, 3, 9, …; or `none`."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import Trial, TrialState

from loadtests.peers.deciding import Config, Decides, main

_DIVISOR = 3


class Optuna(Decides):
    """A study in memory."""

    def __init__(self, pruner: str) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self._pruner = pruner

    def begin(self, space: Sequence[Config], longest: int, seed: int) -> None:
        """See Decides. The sampler is Optuna's default, with a seed; it takes running trials into account."""
        sampler = optuna.samplers.TPESampler(seed=seed)
        # The brackets of trials follow from the name of the study.
        self._study = optuna.create_study(
            study_name=f"seed {seed}", sampler=sampler, pruner=_pruner(self._pruner, longest)
        )
        self._space = {each["name"]: _distribution(each) for each in space}
        self._trials: dict[int, Trial] = {}

    def suggest(self) -> Config:
        """See Decides."""
        self._asked = self._study.ask(self._space)
        return dict(self._asked.params)

    def start(self, trial: int, config: Config) -> None:
        """See Decides. The trial that was asked for gets the configuration that it trains with."""
        asked = self._asked
        for name, distribution in self._space.items():
            if asked.params[name] != config[name]:
                stored = distribution.to_internal_repr(config[name])
                asked.storage.set_trial_param(asked._trial_id, name, stored, distribution)
        self._trials[trial] = asked

    def told(self, trial: int, length: int, value: float, over: bool) -> bool:
        """See Decides."""
        running = self._trials[trial]
        running.report(value, length)
        if over:
            self._study.tell(running, value)
            return False
        if running.should_prune():
            self._study.tell(running, state=TrialState.PRUNED)
            return False
        return True


def _pruner(name: str, longest: int) -> BasePruner:
    if name == "SuccessiveHalving":
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=_DIVISOR)
    if name == "Hyperband":
        return HyperbandPruner(min_resource=1, max_resource=longest, reduction_factor=_DIVISOR)
    return NopPruner()


def _distribution(each: Config) -> BaseDistribution:
    if "choices" in each:
        return CategoricalDistribution(each["choices"])
    bounds: dict[str, Any] = {"low": each["lower"], "high": each["upper"]}
    return IntDistribution(**bounds) if each.get("integer") else FloatDistribution(**bounds, log=each.get("log", False))


if __name__ == "__main__":
    main(Optuna)
