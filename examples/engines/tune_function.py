"""A function trainable of Ray Tune as it is; only the imports of tune are others.

python examples/engines/tune_function.py
"""

import json
import tempfile
from pathlib import Path

from rungway.compat import tune
from rungway.compat.tune.schedulers import ASHAScheduler


def train(config, epochs=9):
    state = {"epoch": 0, "weight": 1.0}
    checkpoint = tune.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as folder:
            state = json.loads(Path(folder, "state.json").read_text())
    while state["epoch"] < epochs:
        state["epoch"] += 1
        state["weight"] *= 1 - config["learning_rate"]
        loss = state["weight"] ** 2 + (config["learning_rate"] - 0.3) ** 2
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "state.json").write_text(json.dumps(state))
            tune.report(
                {"loss": loss, "norm": {"weight": state["weight"]}}, checkpoint=tune.Checkpoint.from_directory(folder)
            )


if __name__ == "__main__":
    tuner = tune.Tuner(
        tune.with_parameters(train, epochs=9),
        param_space={"learning_rate": tune.loguniform(0.02, 0.7), "seed": 3},
        tune_config=tune.TuneConfig(
            metric="loss", mode="min", num_samples=12, scheduler=ASHAScheduler(max_t=9, reduction_factor=3)
        ),
    )
    results = tuner.fit()
    print(results.get_best_result().config)
