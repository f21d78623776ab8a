"""The search of the small examples: fit y = sin(3 x) with a polynomial by gradient descent, without any package."""

import json
import math
from typing import Any

CONFIG: dict[str, Any] = {
    "hyperparameters": {
        "learning_rate": {"type": "log", "base": 10, "minval": -3, "maxval": 0},
        "momentum": {"type": "double", "minval": 0.0, "maxval": 0.95},
        "degree": {"type": "int", "minval": 1, "maxval": 9},
    },
    "searcher": {
        "name": "adaptive_asha",
        "metric": "mean_squared_error",
        "max_trials": 40,
        "max_length": {"epochs": 64},
        "max_concurrent_trials": 8,
    },
    "seed": 7,
}
POINTS = [(x / 20, math.sin(3 * x / 20)) for x in range(-20, 21)]


class Model:
    """A polynomial; its checkpoint is its state as JSON text."""

    def __init__(self, hparams: dict[str, Any], checkpoint: str = "") -> None:
        self.rate, self.momentum = hparams["learning_rate"], hparams["momentum"]
        size = hparams["degree"] + 1
        self.weights, self.velocity = json.loads(checkpoint) if checkpoint else ([0.0] * size, [0.0] * size)

    def train_epoch(self) -> float:
        """One step down the gradient; returns the error after it."""
        gradient = [0.0] * len(self.weights)
        for x, y in POINTS:
            residual = self.predict(x) - y
            for power in range(len(gradient)):
                gradient[power] += 2 * residual * x**power / len(POINTS)
        for power, slope in enumerate(gradient):
            self.velocity[power] = self.momentum * self.velocity[power] - self.rate * slope
            self.weights[power] += self.velocity[power]
        return sum((self.predict(x) - y) ** 2 for x, y in POINTS) / len(POINTS)

    def predict(self, x: float) -> float:
        return sum(weight * x**power for power, weight in enumerate(self.weights))

    def save(self) -> str:
        return json.dumps([self.weights, self.velocity])
