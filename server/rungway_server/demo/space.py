"""What the demo searches: the experiment as it is sent to the service. `examples/digits.yaml` says the same."""

from typing import Any

EXPERIMENT = "digits"
DIVISOR = 3
LEASE_SECONDS = 3.0
"""Short, so that the trial of a killed worker is soon requeued."""


def experiment_config(trials: int, epochs: int, workers: int, seed: int) -> dict[str, Any]:
    """Adaptive ASHA over multi-layer perceptrons, by validation error."""
    return {
        "name": "handwritten digits",
        "hyperparameters": {
            "hidden_layers": {"type": "int", "minval": 1, "maxval": 3},
            "hidden_size": {"type": "int", "minval": 32, "maxval": 256},
            "activation": {"type": "categorical", "vals": ["relu", "tanh"]},
            "learning_rate": {"type": "log", "base": 10, "minval": -4, "maxval": 0.5},
            "learning_rate_decay": {"type": "double", "minval": 0.8, "maxval": 1.0},
            "momentum": {"type": "double", "minval": 0.0, "maxval": 0.99},
            "batch_size": {"type": "categorical", "vals": [8, 16, 32, 64, 128]},
            "weight_decay": {"type": "log", "base": 10, "minval": -5, "maxval": -1},
            "dropout": {"type": "double", "minval": 0.0, "maxval": 0.5},
            "init_scale": {"type": "double", "minval": 0.25, "maxval": 2.0},
            "shift_probability": {"type": "double", "minval": 0.0, "maxval": 1.0},
        },
        "searcher": {
            "name": "adaptive_asha",
            "metric": "validation_error",
            "smaller_is_better": True,
            "max_trials": trials,
            "max_length": {"epochs": epochs},
            "divisor": DIVISOR,
            "mode": "standard",
            "max_concurrent_trials": workers,
        },
        "seed": seed,
        "lease_seconds": LEASE_SECONDS,
    }
