"""Optuna: a study in memory of all that was seen, and the trials that its sampler asks for.

The study is made anew when results have come, because trials that are over cannot change in a study, and here they do
when they climb. A trial that waits below the top counts as pruned at its last length, with its results as intermediate
values; one without a result yet as running. Samplers that keep a state in trials of their own (CMA-ES) begin anew with
each study.
"""

import warnings
from collections.abc import Sequence
from functools import partial

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from rungway import InvalidArgument
from rungway_server.proposers.parameters import Parameter
from rungway_server.proposers.seen import Seen, SeenTrial

_ATTEMPTS = 100
"""Trials that are asked for until one meets the constraints."""


class Optuna:
    """Proposes by a sampler."""

    def __init__(self, sampler: type[BaseSampler]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sampler, self._study, self._results = sampler, optuna.create_study(), -1

    def propose(self, seen: Seen, count: int) -> Sequence[dict[str, object]]:
        """See Proposer."""
        if seen.results != self._results:
            self._study = _study(seen, self._sampler)
            self._results = seen.results
        found = (self._ask(seen) for _ in range(count))
        return [hparams for hparams in found if hparams is not None]

    def _ask(self, seen: Seen) -> dict[str, object] | None:
        for _ in range(_ATTEMPTS):
            trial = self._study.ask()

            hparams = seen.parameters.configuration(partial(_suggested, trial))
            if hparams is not None:
                return hparams
            self._study.tell(trial, state=TrialState.FAIL)
        return None


def proposer(name: str) -> Optuna:
    """By the sampler of this name; "" = TPESampler. Raises InvalidArgument for one that needs arguments, too."""
    kind = getattr(optuna.samplers, name or "TPESampler", None)
    try:
        if isinstance(kind, type) and issubclass(kind, BaseSampler):
            _quietly(kind)
            return Optuna(kind)
        problem = "wanted the name of a sampler, as TPESampler or GPSampler"
    except (TypeError, ImportError) as error:
        problem = str(error)
    raise InvalidArgument.one("with", f"got optuna:{name}: {problem}")


def _quietly(kind: type[BaseSampler]) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of experimental samplers
        return kind()


def _suggested(trial: Trial, parameter: Parameter) -> float:
    if parameter.category:
        return int(trial.suggest_categorical(parameter.name, tuple(range(parameter.size))))
    if parameter.size:
        return int(trial.suggest_int(parameter.name, 0, parameter.size - 1))
    return float(trial.suggest_float(parameter.name, 0.0, 1.0))


def _study(seen: Seen, kind: type[BaseSampler]) -> optuna.Study:
    distributions = {each.name: _distribution(each) for each in seen.parameters}
    study = optuna.create_study(sampler=_quietly(kind))
    study.add_trials(_frozen(trial, seen.longest, distributions) for trial in seen.trials.values())
    return study


def _frozen(trial: SeenTrial, longest: int, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    done = longest in trial.results and trial.results[longest] == trial.results[longest]
    state = TrialState.COMPLETE if done else TrialState.PRUNED if trial.results else TrialState.RUNNING
    return create_trial(
        state=state,
        value=trial.results[longest] if done else None,
        params=dict(trial.choices),
        distributions={name: distributions[name] for name in trial.choices},
        intermediate_values=trial.results,
    )


def _distribution(parameter: Parameter) -> BaseDistribution:
    if parameter.category:
        return CategoricalDistribution(tuple(range(parameter.size)))
    return IntDistribution(0, parameter.size - 1) if parameter.size else FloatDistribution(0.0, 1.0)
