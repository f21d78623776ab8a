"""The loop for most training scripts: leases are renewed in the background, and errors are told to the service.

python examples/trials_loop.py
"""

import contextlib
import os

from problem import CONFIG, Model

import rungway

EXPERIMENT = "sine-trials-loop"


def main() -> None:
    client = rungway.Client(os.environ.get("RUNGWAY_TARGET", "localhost:7077"), experiment=EXPERIMENT)
    with contextlib.suppress(rungway.AlreadyExists):  # another worker was first
        client.create_experiment(EXPERIMENT, CONFIG)

    for trial in client.trials():
        with trial:
            model = Model(trial.hparams, trial.checkpoint)
            for epoch in trial.lengths():
                error = model.train_epoch()
                if error > 1e6:
                    raise rungway.Diverged(f"error {error:.3g} after epoch {epoch}")
                if not trial.report(epoch, error, checkpoint=model.save):
                    break

    for trial_found in client.best(3):
        print(f"best: trial {trial_found.trial}, {trial_found.best_metric:.5f}, {trial_found.hparams}")


if __name__ == "__main__":
    main()
