"""What the two Optuna adapters share: six hyperparameters, a pair, and stored trials."""

import time
from bisect import insort
from collections.abc import Callable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner, SuccessiveHalvingPruner
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

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
_FACTOR = 4
_RUNG_0 = "completed_rung_0"
"""The name under which a pruner stores the value of a trial at the first rung."""
_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "SuccessiveHalving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=_FACTOR),
    "Hyperband": lambda: HyperbandPruner(min_resource=1, max_resource=256, reduction_factor=_FACTOR),
}


def study(storage: BaseStorage, pruner: str) -> optuna.Study:
    """The study in this storage, created if missing: random search with the pruner of this name."""
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

    def one() -> int:
        trial = of.ask(_SPACE)
        value = loss()
        trial.report(value, step=1)
        if trial.should_prune():
            of.tell(trial, state=TrialState.PRUNED)
        else:
            of.tell(trial, value)
        return 1

    return one


def store(into: optuna.Study, stored: int, trials: int, until: float) -> int:
    """Adds ended trials as plain pairs leave them, without running the pruner on each; returns how many there are.

    Whether the pruner would stop a trial, and what it would note of it, is computed here from the sorted values at the
    rung. So a later pair costs the same as after plain pairs.
    """
    if not stored:
        pair(into)()  # the first call of a Hyperband pruner creates its brackets
        stored += 1
    noted = (one.system_attrs.get(_RUNG_0) for one in into.get_trials(deepcopy=False))
    rung = sorted(value for value in noted if value is not None)
    while stored < trials and time.monotonic() < until:
        into.add_trial(_ended(into, stored, rung))
        stored += 1
    return stored


def _ended(of: optuna.Study, number: int, rung: list[float]) -> FrozenTrial:
    value, state, notes = loss(), TrialState.COMPLETE, {}
    if _has_rung_at_1(of, number):
        insort(rung, value)
        notes[_RUNG_0] = value
        if value > rung[max(len(rung) // _FACTOR - 1, 0)]:
            state = TrialState.PRUNED
    return optuna.create_trial(
        state=state,
        value=value,
        params=_PARAMS,
        distributions=_SPACE,
        intermediate_values={1: value},
        system_attrs=notes,
    )


def _has_rung_at_1(of: optuna.Study, number: int) -> bool:
    """Whether a trial has a decision at step 1; only the first bracket of Hyperband has a rung there."""
    if not isinstance(of.pruner, HyperbandPruner):
        return not isinstance(of.pruner, NopPruner)
    trial = optuna.create_trial(value=0.0)
    trial.number = number
    bracket: int = of.pruner._get_bracket_id(of, trial)  # there is no public function; the version is pinned
    return bracket == 0
