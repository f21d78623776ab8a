"""`TuneConfig` and `RunConfig` of Ray Tune, and the search that they mean."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rungway._core import requests
from rungway._core.errors import InvalidArgument
from rungway.compat.tune._refused import refuse_arguments, refused
from rungway.compat.tune._session import ITERATION
from rungway.compat.tune._space import hyperparameters
from rungway.compat.tune.schedulers import ASHAScheduler, FIFOScheduler
from rungway.integrations.checkpoints import VARIABLE

LONGEST = 1_000_000
"""Reports of a trial where nothing says how many there are; the function ends before."""
DEFAULT_STORAGE = "~/rungway_results"
"""Where checkpoints are kept where nothing says so."""


@dataclass(kw_only=True)
class TuneConfig:
    """What is searched for, and how. A `scheduler` is one of `tune.schedulers`, or a mapping with the keys of a
    searcher of Rungway ({"name": "adaptive_asha", "max_length": 27, …}).

    Raises Unimplemented for arguments that have no counterpart; `reuse_actors` changes nothing."""

    metric: str | None = None
    mode: str | None = None
    search_alg: object = None
    scheduler: ASHAScheduler | FIFOScheduler | Mapping[str, object] | None = None
    num_samples: int = 1
    max_concurrent_trials: int | None = None
    time_budget_s: object = None
    reuse_actors: bool = False
    trial_name_creator: object = None
    trial_dirname_creator: object = None
    chdir_to_trial_dir: bool | None = None

    def __post_init__(self) -> None:
        names = ("search_alg", "time_budget_s", "trial_name_creator", "trial_dirname_creator", "chdir_to_trial_dir")
        refuse_arguments({name: getattr(self, name) for name in names})
        if self.scheduler is not None and not isinstance(self.scheduler, ASHAScheduler | FIFOScheduler | Mapping):
            wanted = "one of rungway.compat.tune.schedulers, or a mapping with the keys of a searcher"
            raise InvalidArgument.one("scheduler", f"got {self.scheduler!r:.100}, wanted {wanted}")


@dataclass(kw_only=True)
class RunConfig:
    """How a search is called, where its checkpoints lie (a folder or a URL; without one RUNGWAY_CHECKPOINTS, else
    ~/rungway_results), and when a trial ends ({"training_iteration": 27, "accuracy": 0.98}: as soon as one is reached).

    Raises Unimplemented for arguments that have no counterpart; `verbose` changes nothing."""

    name: str | None = None
    storage_path: str | os.PathLike[str] | None = None
    storage_filesystem: object = None
    failure_config: object = None
    checkpoint_config: object = None
    sync_config: object = None
    stop: Mapping[str, float] | None = None
    callbacks: object = None
    progress_reporter: object = None
    verbose: object = None
    log_to_file: bool = False

    def __post_init__(self) -> None:
        names = ("storage_filesystem", "failure_config", "checkpoint_config", "sync_config", "callbacks")
        refuse_arguments({name: getattr(self, name) for name in (*names, "progress_reporter", "log_to_file")})
        if self.stop is not None and not isinstance(self.stop, Mapping):
            raise refused("stop", "give a mapping of names to numbers, or end the function")
        for name, bound in (self.stop or {}).items():
            if name == "time_total_s":
                raise refused("stop.time_total_s", "end the function")
            requests.metric_value(bound, f"stop.{name}")

    def storage(self) -> str:
        """The root of checkpoints."""
        if self.storage_path is not None:
            return os.fspath(self.storage_path)
        return os.environ.get(VARIABLE) or str(Path(DEFAULT_STORAGE).expanduser())


@dataclass(frozen=True)
class Order:
    """The search that the settings mean."""

    metric: str
    larger: bool
    space: dict[str, object]
    searcher: dict[str, Any]
    trials: int
    stop: dict[str, float]
    """Bounds of other metrics than the number of reports."""


def order_of(param_space: object, tune: TuneConfig, run: RunConfig) -> Order:
    """Raises InvalidArgument for what is missing or wrong, and Unimplemented for what has no counterpart."""
    trials = _whole_samples(tune.num_samples)
    space, points = hyperparameters(param_space)
    stop = dict(run.stop or {})
    most = requests.whole(f"stop.{ITERATION}", stop.pop(ITERATION, LONGEST), least=1)
    searcher = _searcher(tune.scheduler, most)
    if points:
        if searcher.get("name") != "random":
            raise InvalidArgument.one("scheduler", "a grid_search trains each point to its end: make it a choice")
        searcher |= {"name": "grid", "num_samples": trials}
        trials *= points
    if tune.max_concurrent_trials:
        searcher.setdefault(
            "max_concurrent_trials", requests.whole("max_concurrent_trials", tune.max_concurrent_trials)
        )
    metric, mode = (_named(word, tune, tune.scheduler) for word in ("metric", "mode"))
    if mode not in ("min", "max"):
        raise InvalidArgument.one("mode", f"got {mode!r:.100}, wanted 'min' or 'max'")
    return Order(metric, mode == "max", space, searcher, trials, stop)


def _searcher(scheduler: object, most: int) -> dict[str, Any]:
    """The keys of the searcher that this scheduler means, for trials of at most so many reports."""
    if isinstance(scheduler, Mapping):
        return {"max_length": most, "unit": "iterations", **scheduler}
    if isinstance(scheduler, ASHAScheduler):
        searcher = scheduler.searcher()
        return {**searcher, "max_length": min(searcher["max_length"], most), "unit": "iterations"}
    return {"name": "random", "max_length": most, "unit": "iterations"}


def _whole_samples(given: object) -> int:
    if given == -1:
        raise refused("num_samples=-1", "give scheduler={'max_trials': 'unlimited', 'budget': {'hours': 12}, …}")
    return requests.whole("num_samples", given, least=1)


def _named(word: str, tune: TuneConfig, scheduler: object) -> str:
    """The metric or the mode, which may be given in two places."""
    given = {each for each in (getattr(tune, word), getattr(scheduler, word, None)) if each is not None}
    if len(given) > 1:
        raise InvalidArgument.one(word, f"got {' and '.join(map(repr, sorted(given)))}, wanted one")
    if not given or not isinstance(value := given.pop(), str):
        raise InvalidArgument.one(word, f"missing, wanted TuneConfig({word}=…)")
    return value
