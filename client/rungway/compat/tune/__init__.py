"""Function trainables of Ray Tune run unchanged: import this in place of `ray.tune`. No ray is needed.

    from rungway.compat import tune

    def train(config):
        start = 0
        if checkpoint := tune.get_checkpoint():
            with checkpoint.as_directory() as folder:
                start = load(folder)
        for epoch in range(start, 27):
            loss = train_one(config)
            with tempfile.TemporaryDirectory() as folder:
                save(folder)
                tune.report({"loss": loss}, checkpoint=tune.Checkpoint.from_directory(folder))

    tuner = tune.Tuner(
        train,
        param_space={"lr": tune.loguniform(1e-4, 1e-1)},
        tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=50, scheduler=ASHAScheduler(max_t=27)),
    )
    print(tuner.fit().get_best_result().config)

Rungway decides which trial is trained further, as its searchers do, and not Tune's schedulers; a length is a report.
What Tune has and this has not raises Unimplemented (NOT_OFFERED) with its name, and says what to do instead.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from rungway.compat.tune import schedulers
from rungway.compat.tune._checkpoint import Checkpoint
from rungway.compat.tune._context import TuneContext, get_context
from rungway.compat.tune._refused import NAMES, no_attribute
from rungway.compat.tune._results import ExperimentAnalysis, Result, ResultGrid
from rungway.compat.tune._session import Training, current
from rungway.compat.tune._settings import RunConfig, TuneConfig
from rungway.compat.tune._space import (
    choice,
    grid_search,
    lograndint,
    loguniform,
    qlograndint,
    qloguniform,
    qrandint,
    qrandn,
    quniform,
    randint,
    randn,
    uniform,
)
from rungway.compat.tune._tuner import Tuner, run, with_parameters, with_resources
from rungway.integrations.checkpoints import Checkpoints

__all__ = [
    "Checkpoint",
    "ExperimentAnalysis",
    "Result",
    "ResultGrid",
    "RunConfig",
    "TuneConfig",
    "TuneContext",
    "Tuner",
    "choice",
    "for_trial",
    "get_checkpoint",
    "get_context",
    "grid_search",
    "lograndint",
    "loguniform",
    "qlograndint",
    "qloguniform",
    "qrandint",
    "qrandn",
    "quniform",
    "randint",
    "randn",
    "report",
    "run",
    "schedulers",
    "uniform",
    "with_parameters",
    "with_resources",
]


def report(metrics: Mapping[str, Any], *, checkpoint: Checkpoint | None = None) -> None:
    """Report validation results, of which one is the metric of the search; the first report of a trial is that of
    length 1. A checkpoint is copied to where all workers see it before this returns.

    When the trial is over for this worker (paused, stopped, completed), the function ends here, by a SystemExit that
    its `finally` blocks see. Of `metrics` only numbers count; those of nested mappings get names with slashes. Raises
    InvalidArgument for anything else and when the metric of the search is missing, FailedPrecondition
    (NO_CURRENT_TRIAL) outside of a trial, and what `TrialRun.report` raises.
    """
    current().report(metrics, checkpoint)


def get_checkpoint() -> Checkpoint | None:
    """The checkpoint to resume from, and later the one reported last; None = start afresh. Raises FailedPrecondition
    (NO_CURRENT_TRIAL) outside of a trial."""
    return current().checkpoint


def for_trial(
    trainable: Callable[..., Any], checkpoints: Checkpoints | str | os.PathLike[str] | None = None
) -> Callable[[Any], None]:
    """The trainable as a function of one trial, for `Client.trials`, `rungway.ray.run_workers` and the like. It
    pickles as far as the trainable does.

    `checkpoints` is where they are kept, a folder that all workers see or a URL; by default RUNGWAY_CHECKPOINTS. Raises
    InvalidArgument for what is no function of one configuration.
    """
    return Training(trainable, checkpoints)


def __getattr__(name: str) -> Any:
    no_attribute("tune", name, NAMES)
