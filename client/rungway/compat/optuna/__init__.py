"""Optuna's interface on top of Rungway: `from rungway.compat import optuna`, and the rest of a script stays.

from rungway.compat import optuna

def objective(trial):
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    for step in range(100):
        loss = train_one(lr)
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned()
    return loss

study = optuna.create_study(study_name="digits", load_if_exists=True)
study.optimize(objective, n_trials=50)

Optuna itself is not needed. A step is the length step + 1 of the trial, and the value that is returned counts at the
end of it. Trials are never paused, because an objective cannot be resumed: at a rung a trial trains on or is pruned
(`stop_once`). What Optuna has and this has not is refused by its name (NotOffered).
"""

from typing import Any

from rungway.compat.optuna import exceptions, logging, pruners, samplers, study, trial
from rungway.compat.optuna._refused import refused
from rungway.compat.optuna.exceptions import TrialPruned
from rungway.compat.optuna.study import Study, create_study, delete_study, load_study
from rungway.compat.optuna.trial import Trial

__all__ = [
    "Study",
    "Trial",
    "TrialPruned",
    "create_study",
    "delete_study",
    "exceptions",
    "load_study",
    "logging",
    "pruners",
    "samplers",
    "study",
    "trial",
]


def __getattr__(name: str) -> Any:
    raise refused(
        f"optuna.{name}",
        name,
        {
            "artifacts": "tell where files are as checkpoints (docs/sdk.md)",
            "copy_study": "`rungway export` and `rungway import` copy a search",
            "create_trial": "study.enqueue_trial has configurations, client.enqueue_trial those with a known result",
            "distributions": "give create_study the argument space",
            "get_all_study_names": "`rungway list` lists searches",
            "get_all_study_summaries": "`rungway list` lists searches",
            "importance": "`rungway plot EXPERIMENT importance`",
            "integration": "rungway.integrations has callbacks for training libraries",
            "multi_objective": "one objective can be searched for",
            "storages": "the service keeps studies: RUNGWAY_TARGET says where it is",
            "search_space": "the space is that of the first call, or the argument space of create_study",
            "terminator": "a search ends by max_trials, budget or target_metric (docs/searchers.md)",
            "visualization": "`rungway plot EXPERIMENT`, study.client.plot, or the page of the service",
        },
    )
