"""Vizier's default, GP-UCB-PE (Song et al. 2024, "The Vizier Gaussian Process Bandit Algorithm"), proposes; every trial
trains to the end."""

import logging
import warnings
from collections.abc import Sequence

import jax
from vizier._src.algorithms.designers.gp_ucb_pe import VizierGPUCBPEBandit  # its public module wants solvers, too
from vizier.algorithms import ActiveTrials, CompletedTrials
from vizier.service import pyvizier as vz

from loadtests.peers.deciding import Config, Decides, main


class Vizier(Decides):
    """Its designer in this process."""

    def __init__(self, _: str) -> None:
        logging.disable(logging.WARNING)
        warnings.simplefilter("ignore")

    def begin(self, space: Sequence[Config], longest: int, seed: int) -> None:
        """See Decides."""
        problem = vz.ProblemStatement()
        problem.metric_information.append(vz.MetricInformation("value", goal=vz.ObjectiveMetricGoal.MINIMIZE))
        root = problem.search_space.root
        for each in space:
            if "choices" in each:
                root.add_categorical_param(each["name"], each["choices"])
            elif each.get("integer"):
                root.add_int_param(each["name"], each["lower"], each["upper"])
            else:
                scale = vz.ScaleType.LOG if each.get("log") else vz.ScaleType.LINEAR
                root.add_float_param(each["name"], each["lower"], each["upper"], scale_type=scale)
        self._designer = VizierGPUCBPEBandit(problem, rng=jax.random.PRNGKey(seed))
        self._running: dict[int, vz.Trial] = {}
        self._over: list[vz.Trial] = []

    def suggest(self) -> Config:
        """See Decides."""
        self._designer.update(CompletedTrials(self._over), ActiveTrials(list(self._running.values())))
        self._over = []
        (suggestion,) = self._designer.suggest(1)
        return dict(suggestion.parameters.as_dict())

    def start(self, trial: int, config: Config) -> None:
        """See Decides."""
        self._running[trial] = vz.Trial(parameters=dict(config), id=trial + 1)

    def told(self, trial: int, length: int, value: float, over: bool) -> bool:
        """See Decides."""
        if over:
            self._over.append(self._running.pop(trial).complete(vz.Measurement({"value": value})))
        return not over


if __name__ == "__main__":
    main(Vizier)
