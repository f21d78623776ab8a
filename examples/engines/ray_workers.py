"""Workers of a search as actors of Ray. Those of a node that dies are replaced, and go on with the last checkpoints.

rungway create examples/engines/search.yaml --name ray
RUNGWAY_EXPERIMENT=ray RUNGWAY_CHECKPOINTS=/shared/checkpoints python examples/engines/ray_workers.py
"""

import json
import os
import time

from rungway.ray import run_workers

SECONDS = float(os.environ.get("STEP_SECONDS", "0"))  # what a step takes
TRACE = os.environ.get("TRACE")  # a file that notes each step: tests read it


def train(trial):
    state = {"weight": 1.0}
    if folder := trial.restore():
        state = json.loads((folder / "state.json").read_text())
    for epoch in trial.lengths():
        time.sleep(SECONDS)
        state["weight"] *= 1 - trial.hparams["learning_rate"]
        if TRACE:
            with open(TRACE, "a") as trace:
                trace.write(f"{trial.number} {epoch} {os.getpid()}\n")
        loss = state["weight"] ** 2 + (trial.hparams["learning_rate"] - 0.3) ** 2
        if not trial.report(epoch, loss, save=lambda folder: (folder / "state.json").write_text(json.dumps(state))):
            break


if __name__ == "__main__":
    print(run_workers(train, 4, {"CPU": 1}, checkpoints=os.environ["RUNGWAY_CHECKPOINTS"]))
