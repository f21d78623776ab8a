"""Early stopping in the training loop: a block that is left normally has finished its trial.

python examples/early_stopping.py
"""

import contextlib
import math
import os

from problem import CONFIG, Model

import rungway

EXPERIMENT = "sine-early-stopping"
PATIENCE = 8


def main() -> None:
    client = rungway.Client(os.environ.get("RUNGWAY_TARGET", "localhost:7077"), experiment=EXPERIMENT)
    with contextlib.suppress(rungway.AlreadyExists):  # another worker was first
        client.create_experiment(EXPERIMENT, CONFIG)

    for trial in client.trials():
        with trial:
            model = Model(trial.hparams, trial.checkpoint)
            best, since = math.inf, 0
            for epoch in trial.lengths():
                error = model.train_epoch()
                trial.report(epoch, error, checkpoint=model.save)
                best, since = (error, epoch) if error < best * 0.99 else (best, since)
                if epoch - since >= PATIENCE:
                    break  # the last result stands, and the trial is not handed out again

    finished = [trial for trial in client.list_trials() if trial.outcome is rungway.Outcome.FINISHED]
    print(f"{len(finished)} trials ended by themselves")
    best_trial = client.best()
    if best_trial:
        print(f"best: trial {best_trial.trial}, {best_trial.best_metric:.5f}, {best_trial.hparams}")


if __name__ == "__main__":
    main()
