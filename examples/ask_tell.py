"""The plain loop: ask, train, tell. Run `rungway serve` in another terminal first; start as many of these as you like.

python examples/ask_tell.py
"""

import contextlib
import os

from problem import CONFIG, Model

import rungway

EXPERIMENT = "sine-ask-tell"


def main() -> None:
    client = rungway.Client(os.environ.get("RUNGWAY_TARGET", "localhost:7077"), experiment=EXPERIMENT)
    with contextlib.suppress(rungway.AlreadyExists):  # another worker was first
        client.create_experiment(EXPERIMENT, CONFIG)

    while assignment := client.ask():
        model = Model(assignment.hparams, assignment.checkpoint)
        error = float("nan")
        for _ in range(assignment.from_length, assignment.next_decision):
            error = model.train_epoch()
        reply = client.tell(assignment, metric=error, checkpoint=model.save())
        print(f"trial {assignment.trial:2} at epoch {assignment.next_decision:2}: {error:.5f}  {reply.decision}")

    for trial in client.best(3):
        print(f"best: trial {trial.trial}, {trial.best_metric:.5f}, {trial.hparams}")


if __name__ == "__main__":
    main()
