"""Two scripts as people write them, run to the end by two processes: nothing is lost, nothing is trained twice."""

import math
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from rungway import Client, Outcome, Trial, TrialState
from tests.support.calls import unique_name
from tests.support.forked import start
from tests.support.training import VALIDATE_EVERY, losses, trained
from tests.support.waiting import SECONDS

EPOCHS = 30
TRIALS = 12
LOOPS = ["trials", "ask", "async-trials", "async-ask"]
SPACE = {"rate": {"type": "double", "minval": 0.02, "maxval": 0.7}}
RANDOM = {"name": "random", "max_length": {"epochs": EPOCHS}}
HALVING = {"name": "async_halving", "num_rungs": 2, "divisor": 3, "max_length": {"epochs": EPOCHS}}
SYNCHRONOUS = {"name": "sync_halving", "num_rungs": 2, "divisor": 3, "max_length": {"epochs": EPOCHS}}
STOPPING = {**HALVING, "stop_once": True}
RARE = {"name": "adaptive_asha", "max_length": {"batches": 1000}, "bracket_rungs": [2], "divisor": 4}
RARE_STOPPING = {**RARE, "stop_once": True}


def run(script: str, loop: str, target: str, searcher: dict[str, object], folder: Path) -> tuple[Client, str]:
    """A search that two processes have run to its end, and what they said."""
    name = unique_name("script")
    client = Client(target, experiment=name)
    search = {"metric": "loss", "max_trials": TRIALS, **searcher}
    client.create_experiment(name, {"hyperparameters": SPACE, "searcher": search, "seed": 7})
    how: dict[str, Any] = {"module": f"tests.support.{script}", "environment": os.environ | {"GRPC_VERBOSITY": "NONE"}}
    with TemporaryFile() as err:
        workers = [start(loop, target, name, folder, err=err, **how) for _ in range(2)]
        try:
            ended = [worker.wait(SECONDS) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
        err.seek(0)
        said = err.read().decode()
    assert ended == [0, 0], said
    return client, said


def check_all(client: Client, folder: Path) -> list[Trial]:
    """What holds for each script: the search is done, and each step was trained once."""
    experiment = client.get_experiment()
    assert (experiment.state, experiment.trials.started) == ("done", TRIALS)
    trials = [client.get_trial(number) for number in range(TRIALS)]
    steps = trained(folder)
    for trial in trials:
        assert steps[trial.trial] == list(range(1, trial.length + 1)), trial
        assert (trial.restarts, trial.message) == (0, ""), trial
        told = [report.length for report in (trial.curve or ())]
        assert told == sorted(set(told)), trial
        assert told[-1] == trial.length
    assert experiment.trained_length == sum(trial.length for trial in trials)
    best = client.best()
    assert best is not None
    assert best.best_metric == min(trial.best_metric or math.inf for trial in trials)
    return trials


@pytest.mark.parametrize("searcher", [RANDOM, HALVING, SYNCHRONOUS, STOPPING], ids=["random", "asha", "sync", "stop"])
@pytest.mark.parametrize("loop", LOOPS)
def test_early_stopping(target: str, tmp_path: Path, loop: str, searcher: dict[str, object]) -> None:
    client, _ = run("early_stopping", loop, target, searcher, tmp_path)
    with client:
        trials = check_all(client, tmp_path)
    ended = 0
    for trial in trials:
        alone = losses(tmp_path, trial.hparams, EPOCHS)
        assert trial.metric == alone[trial.length - 1]
        assert all(report.metric == alone[report.length - 1] for report in (trial.curve or ()))
        if trial.outcome is Outcome.FINISHED:
            ended += 1
            assert (trial.state, trial.length) == (TrialState.COMPLETED, len(alone))
            assert trial.length < EPOCHS
        elif searcher is RANDOM:
            assert (trial.state, trial.outcome, trial.length) == (TrialState.COMPLETED, None, EPOCHS)
    assert ended >= 2
    if searcher is RANDOM:
        assert sorted(trial.length for trial in trials) == sorted(
            len(losses(tmp_path, trial.hparams, EPOCHS)) for trial in trials
        )
    elif "stop_once" not in searcher:  # the four best of the lower rung are at the top, trained to it or over before
        top = [trial for trial in trials if trial.rung == 1]
        assert len(top) >= TRIALS // 3
        assert all(trial.state is TrialState.COMPLETED for trial in top)


@pytest.mark.parametrize("searcher", [RARE, RARE_STOPPING], ids=["asha", "stop"])
@pytest.mark.parametrize("loop", LOOPS)
def test_validation_every_100_batches(target: str, tmp_path: Path, loop: str, searcher: dict[str, object]) -> None:
    client, said = run("rare_validation", loop, target, searcher, tmp_path)
    with client:
        trials = check_all(client, tmp_path)
    assert {trial.length for trial in trials} <= {250, 300, 1000}
    assert sum(trial.length == 1000 for trial in trials) >= TRIALS // 4
    for trial in trials:
        told = {report.length: report.metric for report in (trial.curve or ())}
        assert set(range(VALIDATE_EVERY, trial.length + 1, VALIDATE_EVERY)) <= set(told), trial
    if "stop_once" in searcher or "ask" in loop:
        return
    for trial in trials:  # at the rung nothing was validated: the last result counts, and each run says so once
        told = {report.length: report.metric for report in (trial.curve or ())}
        assert told[250] == told[200]
    assert TRIALS <= said.count("trial.next_decision") <= TRIALS + sum(trial.length > 250 for trial in trials)
