"""A worker of examples/two_objectives.yaml: how well a polynomial fits, and with how small weights.

rungway create examples/two_objectives.yaml && python examples/two_objectives.py
"""

import os

from problem import Model

import rungway


def main() -> None:
    client = rungway.Client(os.environ.get("RUNGWAY_TARGET", "localhost:7077"), experiment="two-objectives")
    for trial in client.trials():
        with trial:
            model = Model(trial.hparams, trial.checkpoint)
            for epoch in trial.lengths():
                metrics = {
                    "mean_squared_error": model.train_epoch(),
                    "largest_weight": max(map(abs, model.weights)),
                    "coefficients": len(model.weights),
                }
                if not trial.report(epoch, metrics, checkpoint=model.save):
                    break

    for found in client.best(50):
        if found.objectives and found.objectives.front == 0 and found.objectives.violation == 0:
            print(f"on the front: trial {found.trial}, {found.objectives.values}, {found.hparams}")


if __name__ == "__main__":
    main()
