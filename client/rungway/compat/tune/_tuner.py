"""`Tuner` and `run` of Ray Tune: a whole search with workers of this machine."""

import functools
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from rungway._core import requests
from rungway._core.errors import InvalidArgument
from rungway._local.optimize import maximize, minimize
from rungway.compat.tune._refused import refuse_arguments, refused
from rungway.compat.tune._results import ExperimentAnalysis, ResultGrid
from rungway.compat.tune._session import Training, checked
from rungway.compat.tune._settings import RunConfig, TuneConfig, order_of
from rungway.models.search_result import SearchResult

_RESOURCES = "rungway_tune_resources"
"""The attribute with what `with_resources` says."""
_ON_GPUS = "rungway.ray.run_workers(tune.for_trial(fn), n, {'GPU': 1}) or `rungway agent --gpus`"


class Tuner:
    """A search of a function trainable. `fit` runs it with processes of this machine.

    It runs at the service of RUNGWAY_TARGET, or at one that is started for it, and is kept there under the name of
    `run_config`; a search of that name and space goes on where it was. For workers on other machines create the search
    and give `tune.for_trial(fn)` to `rungway.ray.run_workers`, or to the loop of `Client.trials`.
    """

    def __init__(
        self,
        trainable: Callable[..., Any],
        *,
        param_space: Mapping[str, object] | None = None,
        tune_config: TuneConfig | None = None,
        run_config: RunConfig | None = None,
    ) -> None:
        """Raises InvalidArgument for what is missing or wrong, and Unimplemented for what has no counterpart."""
        self._trainable = checked(trainable)
        self._run = _of(RunConfig, "run_config", run_config)
        tune = _of(TuneConfig, "tune_config", tune_config)
        self._order = order_of({} if param_space is None else param_space, tune, self._run)
        self._workers = _workers(trainable, tune.max_concurrent_trials)

    def fit(self) -> ResultGrid:
        """Run it to its end. Raises what `rungway.minimize` raises."""
        return ResultGrid(*self.search())

    def training(self, stop: Mapping[str, float]) -> Training:
        """What the workers do; a trial ends as soon as one of these metrics is reached."""
        return Training(self._trainable, self._run.storage(), stop)

    def search(self) -> tuple[SearchResult, str, bool]:
        """The same as `fit`: what was found, the metric, and whether larger is better."""
        order = self._order
        found = (maximize if order.larger else minimize)(
            self.training(order.stop),
            order.space,
            max_trials=order.trials,
            max_length={"epochs": 1},  # so that it gets a trial, and not a configuration; the searcher has the length
            n_workers=self._workers,
            name=self._run.name or f"{_name(self._trainable)}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            metric=order.metric,
            searcher=order.searcher,
        )
        return found, order.metric, order.larger


def run(
    run_or_experiment: Callable[..., Any],
    *,
    name: str | None = None,
    metric: str | None = None,
    mode: str | None = None,
    stop: Mapping[str, float] | None = None,
    config: Mapping[str, object] | None = None,
    num_samples: int = 1,
    storage_path: str | os.PathLike[str] | None = None,
    scheduler: Any = None,
    max_concurrent_trials: int | None = None,
    verbose: object = None,
    reuse_actors: bool = False,
    **others: object,
) -> ExperimentAnalysis:
    """`Tuner(…).fit()` in its older form: `config` is the space. Raises Unimplemented for other arguments of
    `ray.tune.run`, and TypeError for what are none."""
    try:
        refuse_arguments(others)
    except KeyError as error:
        raise TypeError(f"run() got an unexpected keyword argument {error}") from None
    tuner = Tuner(
        run_or_experiment,
        param_space=config,
        tune_config=TuneConfig(
            metric=metric,
            mode=mode,
            scheduler=scheduler,
            num_samples=num_samples,
            max_concurrent_trials=max_concurrent_trials,
        ),
        run_config=RunConfig(name=name, storage_path=storage_path, stop=stop),
    )
    return ExperimentAnalysis(*tuner.search())


def with_parameters(trainable: Callable[..., Any], **parameters: object) -> Callable[..., Any]:
    """The trainable with these further arguments, which go to each worker once."""
    given = functools.partial(trainable, **parameters)
    if needs := getattr(trainable, _RESOURCES, None):
        setattr(given, _RESOURCES, needs)
    return given


def with_resources(trainable: Callable[..., Any], resources: object) -> Callable[..., Any]:
    """The trainable with what one trial needs ({"cpu": 2}): `Tuner` runs as many at once as fit on this machine. Raises
    Unimplemented for anything but "cpu" and "gpu", InvalidArgument for what is no number."""
    if not isinstance(resources, Mapping) or not set(resources) <= {"cpu", "gpu"}:
        raise refused("resources", f"wanted {{'cpu': n}} here; on a cluster: {_ON_GPUS}")
    for name, amount in resources.items():
        requests.not_negative(f"resources.{name}", amount)
    given = functools.partial(trainable)
    setattr(given, _RESOURCES, dict(resources))
    return given


def _workers(trainable: Callable[..., Any], most: int | None) -> int:
    """How many trials run at once: `most`, but no more than fit on this machine if it is known what they need. Raises
    Unimplemented for those with GPUs."""
    needs = getattr(trainable, _RESOURCES, {})
    if needs.get("gpu"):
        raise refused("resources.gpu", f"`Tuner` gives no GPUs to its processes: {_ON_GPUS}")
    fit = max(1, int((os.cpu_count() or 1) // max(needs.get("cpu", 1), 1)))
    return min(most or fit, fit) if needs else most or fit


def _of(kind: Any, name: str, given: object) -> Any:
    if given is not None and not isinstance(given, kind):
        raise InvalidArgument.one(
            name, f"got a {type(given).__name__}, wanted a {kind.__name__} of rungway.compat.tune"
        )
    return kind() if given is None else given


def _name(trainable: Any) -> str:
    while isinstance(trainable, functools.partial):
        trainable = trainable.func
    return getattr(trainable, "__name__", "trainable").strip("<>")
