"""What Ray Tune has and this does not, by name, with what to do instead."""

from typing import NoReturn

from rungway._core.errors import Unimplemented

_CLASSES = "write it as a function that calls tune.report"
_SEARCHER = "configurations are drawn at random here; scheduler={'name': 'auto', …} learns how long to train"
_SHOWN = "`rungway watch`, the page and `rungway mirror` show a search"
_KEPT = "a search with a name goes on when it is run again with the same name and space"
_STOPS = "give run_config=RunConfig(stop={'training_iteration': 27}), or end the function"
_FAILURES = "an exception fails its trial; a trial whose worker dies is trained again, up to `max_restarts` times"
_CHECKPOINTS = "every checkpoint is kept; `rungway checkpoints NAME --stale` lists what may be removed"
_CLUSTER = "workers are started by rungway.ray.run_workers(tune.for_trial(fn), n, {'GPU': 1})"

NAMES = {
    "sample_from": "it runs code; the nearest is a parameter with `when` (rungway.choice and others)",
    "Trainable": _CLASSES,
    "register_trainable": "give the function itself",
    "register_env": "give the function itself",
    "run_experiments": "run one search after the other",
    "Experiment": "run one search after the other",
    "Callback": _SHOWN,
    "CLIReporter": _SHOWN,
    "JupyterNotebookReporter": _SHOWN,
    "ProgressReporter": _SHOWN,
    "Stopper": _STOPS,
    "PlacementGroupFactory": _CLUSTER,
    "ResumeConfig": _KEPT,
    "SyncConfig": "give a folder that all workers see, or a URL, as storage_path",
    "CheckpointConfig": _CHECKPOINTS,
    "FailureConfig": _FAILURES,
    "TuneError": "errors are those of rungway: rungway.RungwayError",
    "create_searcher": _SEARCHER,
    "create_scheduler": "give tune.schedulers.ASHAScheduler, or a mapping with the keys of a searcher",
}
"""Names of the module."""
ARGUMENTS = {
    "search_alg": _SEARCHER,
    "time_budget_s": "give scheduler={'name': 'random', 'budget': {'hours': 12}, …}",
    "trial_name_creator": "trials have numbers",
    "trial_dirname_creator": "checkpoints are <storage_path>/<name>/<number>/<length>-<fence>",
    "chdir_to_trial_dir": "workers stay in their folder",
    "storage_filesystem": "give a URL as storage_path",
    "failure_config": _FAILURES,
    "max_failures": _FAILURES,
    "fail_fast": "a search whose first trials all fail pauses itself",
    "checkpoint_config": _CHECKPOINTS,
    "sync_config": NAMES["SyncConfig"],
    "callbacks": _SHOWN,
    "progress_reporter": _SHOWN,
    "log_to_file": "what a function prints comes to the driver",
    "resources_per_trial": _CLUSTER,
    "export_formats": "`rungway export` writes a search as CSV and Parquet",
    "resume": _KEPT,
    "resume_config": _KEPT,
    "restore": _KEPT,
    "raise_on_failed_trial": "failed trials are in the result; a search without any result raises FailedPrecondition",
}
"""Arguments of Tuner, TuneConfig, RunConfig and run."""
SCHEDULERS = {
    "PopulationBasedTraining": "the nearest is scheduler={'name': 'pbt', …}",
    "PB2": "the nearest is scheduler={'name': 'pbt', …}",
    "HyperBandScheduler": "the nearest is scheduler={'name': 'hyperband', …}",
    "HyperBandForBOHB": "the nearest is scheduler={'name': 'hyperband', …}",
    "MedianStoppingRule": "the nearest is ASHAScheduler",
    "PopulationBasedTrainingReplay": "enqueue the configuration: client.enqueue_trial",
    "ResourceChangingScheduler": "a worker keeps its resources",
    "create_scheduler": NAMES["create_scheduler"],
    "TrialScheduler": "schedulers are those of the service: docs/searchers.md",
}
"""Names of tune.schedulers."""
_CURVE = "the reports of a trial are client.get_trial(number).curve, those of a search `rungway export`"
_BEST = "take get_best_result(): its config, metrics, checkpoint and path"
RESULT = {
    "metrics_dataframe": _CURVE,
    "best_checkpoints": "a result has its last checkpoint; `rungway checkpoints NAME` lists all",
    "get_best_checkpoint": "a result has its last checkpoint; `rungway checkpoints NAME` lists all",
    "filesystem": "rungway.integrations.checkpoints.Checkpoints restores path, also from a URL",
    "from_path": "a search is with its service, not in a folder: rungway.Client(name)",
}
"""Attributes of a Result."""
GRID = {
    "experiment_path": "the searches of a service are listed by `rungway list`",
    "filesystem": RESULT["filesystem"],
    "dataframe": "take get_dataframe()",
    "results_df": "take get_dataframe()",
    "results": "iterate over it",
    "trials": "iterate over it",
    "best_trial": _BEST,
    "best_logdir": _BEST,
    "best_dataframe": _CURVE,
    "best_result_df": _CURVE,
    "get_best_trial": _BEST,
    "get_best_config": _BEST,
    "get_best_logdir": _BEST,
    "get_best_checkpoint": _BEST,
    "get_last_checkpoint": _BEST,
    "get_trial_checkpoints_paths": RESULT["best_checkpoints"],
    "get_all_configs": "iterate over it: each result has its config",
    "trial_dataframes": _CURVE,
    "fetch_trial_dataframes": _CURVE,
    "stats": "the state of a search is client.get_experiment()",
    "runner_data": "the state of a search is client.get_experiment()",
}
"""Attributes of a ResultGrid and an ExperimentAnalysis."""


def refused(name: str, instead: str) -> Unimplemented:
    """The error for something that Tune has."""
    return Unimplemented(f"{name} is not offered: {instead}", reason="NOT_OFFERED", details={"name": name})


def refuse_arguments(given: dict[str, object]) -> None:
    """Raises Unimplemented for the first of these arguments that is given."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise refused(name, ARGUMENTS[name])


def no_attribute(module: str, name: str, table: dict[str, str]) -> NoReturn:
    """For `__getattr__` of a module or a class. Raises Unimplemented for what Tune has, else AttributeError."""
    if name in table:
        raise refused(f"{module}.{name}", table[name])
    raise AttributeError(f"{module!r} has no attribute {name!r}")
