"""Workers of a search as tasks of Dask. Dask starts those of a worker that dies on another one, and they go on
with the last checkpoints.

rungway create examples/engines/search.yaml --name dask
RUNGWAY_EXPERIMENT=dask RUNGWAY_CHECKPOINTS=/shared/checkpoints python examples/engines/dask_workers.py
"""

import json
import os
import time

from distributed import Client

from rungway.dask import run_workers

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
    with Client(os.environ["DASK_SCHEDULER_ADDRESS"]) as dask:
        print(run_workers(train, 4, dask=dask, checkpoints=os.environ["RUNGWAY_CHECKPOINTS"]))
