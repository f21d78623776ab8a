"""Drivers of tests: `python -m tests.engines.scripts ENGINE FORM [N]` runs N workers on the cluster of the environment,
and prints what they return, or the error, as JSON."""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rungway import RungwayError
from rungway.compat import tune

RESULT = "result: "
"""What the line with the result begins with; an engine may print what its workers say at any time."""


class Training:
    """What workers do; their environment is not that of the driver."""

    def __init__(self) -> None:
        self._trace, self._seconds = os.environ["TRACE"], float(os.environ["STEP_SECONDS"])

    def plain(self, trial: Any) -> None:
        """Trains slowly, without checkpoints of `rungway.integrations`."""
        for epoch in trial.lengths():
            self._note(trial.number, epoch, os.getpid())
            time.sleep(self._seconds)
            if not trial.report(epoch, trial.number + 1 / epoch, checkpoint=str(epoch)):
                break

    def wrong(self, trial: Any) -> None:
        """Fails for every third configuration."""
        if trial.number % 3 == 0:
            raise ValueError(f"no data for {trial.number}")
        self.plain(trial)

    def seen(self, trial: Any) -> None:
        """Says which devices the worker may use."""
        self._note("devices", os.environ.get("CUDA_VISIBLE_DEVICES"))
        for epoch in trial.lengths():
            trial.report(epoch, trial.number + 1 / epoch)

    def deadly(self, trial: Any) -> None:
        """Kills its worker."""
        os._exit(3)

    def unreadable(self, trial: Any) -> None:
        """Cannot be sent: it holds a lock."""

    def tune(self, config: dict[str, Any]) -> None:
        """A function of Ray Tune."""
        number, state = tune.get_context().get_trial_id(), {"epoch": 0}
        if checkpoint := tune.get_checkpoint():
            state = json.loads(Path(checkpoint.path, "state").read_text())
        while True:
            state["epoch"] += 1
            self._note(number, state["epoch"], os.getpid())
            time.sleep(self._seconds)
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "state").write_text(json.dumps(state))
                tune.report({"loss": config["learning_rate"]}, checkpoint=tune.Checkpoint.from_directory(folder))

    def of(self, form: str) -> Any:
        """The function of this name."""
        if form == "tune":
            return tune.for_trial(self.tune, os.environ["RUNGWAY_CHECKPOINTS"])
        if form == "unreadable":
            self._lock = threading.Lock()
        return getattr(self, form)

    def _note(self, *words: object) -> None:
        with Path(self._trace).open("a") as trace:
            trace.write(" ".join(map(str, words)) + "\n")


def main(engine: str, form: str, n: int, resources: dict[str, float], max_restarts: int) -> None:
    """Run it."""
    more: dict[str, Any] = {}
    if engine == "ray":
        from rungway.ray import run_workers
    else:
        from distributed import Client as DaskClient

        from rungway.dask import run_workers  # type: ignore[assignment]  # it has one argument more

        more["dask"] = DaskClient(os.environ["DASK_SCHEDULER_ADDRESS"])
    try:
        result = run_workers(Training().of(form), n, resources, max_restarts=max_restarts, **more)
    except RungwayError as error:
        print(RESULT + json.dumps({"error": type(error).__name__, "reason": error.reason, "message": str(error)}))
        return
    print(result)
    workers = [[worker.number, list(worker.trials), worker.replaced] for worker in result.workers]
    print(RESULT + json.dumps({"workers": workers, "failed": {each.trial: each.message for each in result.failed}}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]), int(sys.argv[5]))
