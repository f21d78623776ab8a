"""What the two Optuna adapters share: the six hyperparameters, a pair, and trials to store."""

import time
from collections.abc import Callable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from loadtests.peers.adapter import Pair, loss

_STUDY = "peers"
_SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
    "momentum": FloatDistribution(0.8, 0.99),
    "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
    "layers": IntDistribution(1, 6),
    "batch_size": CategoricalDistribution([32, 64, 128, 256]),
    "optimizer": CategoricalDistribution(["sgd"]),
}
_PARAMS = {
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "layers": 3,
    "batch_size": 32,
    "optimizer": "sgd",
}
_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "SuccessiveHalving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
    "Hyperband": lambda: HyperbandPruner(min_resource=1, max_resource=256, reduction_factor=4),
}


def study(storage: BaseStorage, pruner: str) -> optuna.Study:
    """The study in this storage, made when it is not there: random search, pruned as the name says."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=storage,
        study_name=_STUDY,
        sampler=optuna.samplers.RandomSampler(),
        pruner=_PRUNERS[pruner](),
        load_if_exists=True,
    )


def pair(of: optuna.Study) -> Pair:
    """Ask, report at step 1, prune or complete."""

    def one() -> None:
        trial = of.ask(_SPACE)
        value = loss()
        trial.report(value, step=1)
        if trial.should_prune():
            of.tell(trial, state=TrialState.PRUNED)
        else:
            of.tell(trial, value)

    return one


def store(into: optuna.Study, stored: int, trials: int, until: float) -> int:
    """Adds ended trials as they are, with what the pruner would have noted of each; how many there are now."""
    while stored < trials and time.monotonic() < until:
        value = loss()
        pruned = not isinstance(into.pruner, NopPruner)
        into.add_trial(
            optuna.create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=value,
                params=_PARAMS,
                distributions=_SPACE,
                intermediate_values={1: value},
                system_attrs={"completed_rung_0": value} if pruned else {},
            )
        )
        stored += 1
    return stored
