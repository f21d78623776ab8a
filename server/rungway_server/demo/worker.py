"""One worker: asks for trials, trains them, tells the results. Its training loop is all there is to using Rungway.

    RUNGWAY_TARGET=localhost:7077 RUNGWAY_EXPERIMENT=digits python -m rungway_server.demo.worker FOLDER NAME

What it does is printed as one JSON object per line, for the live view of the demo.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import rungway
from rungway_server.demo import digits
from rungway_server.demo.network import Network, NotFinite


def main(folder: Path, worker: str) -> None:
    """Train until the search is done; checkpoints are kept in the folder, which all workers share."""
    data = digits.load(folder)
    client = rungway.Client(config=rungway.ClientConfig(worker=worker))
    for trial in client.trials():
        with trial:
            network = Network(trial.hparams, seed=trial.number)
            if trial.checkpoint:
                network.load(trial.checkpoint)
            say(
                "start",
                trial=trial.number,
                epoch=network.epoch,
                until=trial.to_length,
                restarts=trial.assignment.restarts,
            )
            for epoch in trial.lengths():
                try:
                    network.train_epoch(data)
                except NotFinite as failure:
                    say("diverged", trial=trial.number, epoch=epoch)
                    raise rungway.Diverged(str(failure)) from None
                error = network.error(data)
                checkpoint = folder / f"trial-{trial.number:04}-epoch-{epoch:03}.npz"
                going_on = trial.report(epoch, error, checkpoint=partial(network.save, checkpoint))
                say("epoch", trial=trial.number, epoch=epoch, until=trial.to_length, error=error)
                if not going_on:
                    break
    say("done")


def say(what: str, **details: Any) -> None:
    """One line for the live view."""
    print(json.dumps({"what": what, **details}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
