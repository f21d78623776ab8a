"""A request of each rpc, as the OpenAPI document shows it. A test sends them to a service, in this order."""

from collections.abc import Mapping
from typing import Any

EXPERIMENT = "digits"
LEASE: Mapping[str, int] = {"trial": 0, "fence": 1764375899123456}
_CONFIG: Mapping[str, Any] = {
    "hyperparameters": {
        "learning_rate": {"type": "log", "base": 10, "minval": -4, "maxval": 0.5},
        "optimizer": {"type": "categorical", "vals": ["sgd", "adam"]},
    },
    "searcher": {
        "name": "adaptive_asha",
        "metric": "validation_error",
        "max_trials": 150,
        "max_length": {"epochs": 27},
        "divisor": 3,
    },
}
_ID = "3f0c1d1e-6f0b-4a43-9d43-6d3f8a5b0c{:02}"
"""Of each call another one."""

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "PreviewSearch": {"config": _CONFIG},
    "CreateExperiment": {"experiment": EXPERIMENT, "requestId": _ID.format(1), "config": _CONFIG},
    "GetExperiment": {"experiment": EXPERIMENT},
    "ListExperiments": {"pageSize": 10},
    "EnqueueTrial": {
        "experiment": EXPERIMENT,
        "requestId": _ID.format(2),
        "hparams": {"learning_rate": 0.01, "optimizer": "adam"},
    },
    "AddProposals": {
        "experiment": EXPERIMENT,
        "first": "0",
        "proposals": [{"learning_rate": 0.01, "optimizer": "adam"}],
    },
    "Ask": {"experiment": EXPERIMENT, "requestId": _ID.format(3), "worker": "gpu-1"},
    "Heartbeat": {"experiment": EXPERIMENT, "leases": [LEASE]},
    "Tell": {
        "experiment": EXPERIMENT,
        "requestId": _ID.format(4),
        "results": [
            {"lease": LEASE, "reports": [{"length": 1, "metric": 0.25}], "checkpoint": "s3://checkpoints/digits/0/1"}
        ],
    },
    "Release": {"experiment": EXPERIMENT, "requestId": _ID.format(5), "releases": [{"lease": LEASE}]},
    "Fail": {
        "experiment": EXPERIMENT,
        "requestId": _ID.format(6),
        "lease": LEASE,
        "outcome": "OUTCOME_DIVERGED",
        "message": "the loss is NaN",
    },
    "ListTrials": {"experiment": EXPERIMENT, "pageSize": 10},
    "ListWorkers": {"experiment": EXPERIMENT},
    "GetTrial": {"experiment": EXPERIMENT, "trial": 0},
    "BestTrials": {"experiment": EXPERIMENT, "count": 3},
    "ListStaleCheckpoints": {"experiment": EXPERIMENT, "olderThan": "3600s"},
    "ExplainTrial": {"experiment": EXPERIMENT, "trial": 0},
    "GetView": {"experiment": EXPERIMENT, "cursor": ""},
    "WatchView": {"experiment": EXPERIMENT, "cursor": ""},
    "GetCurves": {"experiment": EXPERIMENT, "trials": [0], "maxPoints": 256},
    "GetImportance": {"experiment": EXPERIMENT},
    "GetCaller": {},
    "ReadConfig": {"text": "hyperparameters:\n  seed: 1\nsearcher:\n  name: single\n  metric: validation_error\n"},
    "UpdateExperiment": {"experiment": EXPERIMENT, "maxTrials": 200},
    "PauseExperiment": {"experiment": EXPERIMENT},
    "ResumeExperiment": {"experiment": EXPERIMENT},
    "ExportExperiment": {"experiment": EXPERIMENT},
    "StopExperiment": {"experiment": EXPERIMENT},
    "WatchEvents": {"experiment": EXPERIMENT, "afterEventId": ""},
    "DeleteExperiment": {"experiment": EXPERIMENT},
}
"""By the name of the rpc."""
