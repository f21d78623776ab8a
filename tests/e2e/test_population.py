"""Population based training through the SDK: real services, and workers whose checkpoints state what they come from."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rungway import Client, ExperimentState, PromotionRule, Reason, Trial
from tests.support.redis_server import redis_on_socket
from tests.support.service import services

SIZE, ROUNDS, LENGTH, WORKERS = 6, 4, 3, 4
CONFIG = {
    "hyperparameters": {"rate": {"type": "log_uniform", "minval": 1e-4, "maxval": 1.0}},
    "searcher": {
        "name": "pbt",
        "metric": "error",
        "population_size": SIZE,
        "num_rounds": ROUNDS,
        "length_per_round": {"epochs": LENGTH},
        "truncate_fraction": 0.34,
    },
    "seed": 11,
}
Lineage = list[tuple[int, int]]
"""Which trial trained each epoch of a model: trial and epoch."""


def work(address: str, folder: Path) -> dict[int, tuple[int, Lineage]]:
    """One worker: trains as long as there is work. Returns what each trial it was first to train began with: the length
    and the lineage in the checkpoint."""
    began: dict[int, tuple[int, Lineage]] = {}
    with Client(address, experiment="family") as client:
        for run in client.trials():
            with run:
                saved = json.loads(Path(run.checkpoint).read_text()) if run.checkpoint else []
                lineage: Lineage = [(trial, epoch) for trial, epoch in saved]
                if not any(trial == run.number for trial, _ in lineage):
                    began[run.number] = run.from_length, list(lineage)
                for epoch in run.lengths():
                    lineage.append((run.number, epoch))
                    file = folder / f"{run.number}-{epoch}.json"
                    file.write_text(json.dumps(lineage))
                    if not run.report(epoch, abs(run.hparams["rate"] - 0.1) / epoch, checkpoint=str(file)):
                        break
    return began


@pytest.mark.timeout(120)
def test_a_clone_begins_with_the_checkpoint_of_its_parent(tmp_path: Path) -> None:
    with (
        redis_on_socket() as url,
        services(url, 2) as servers,
        Client(servers[0].address, experiment="family") as client,
    ):
        created = client.create_experiment("family", CONFIG)
        assert created.plan is not None
        assert created.plan.rule is PromotionRule.POPULATION
        assert [(rung.size, rung.slots, rung.clones) for rung in created.plan.brackets[0].rungs] == [
            *[(SIZE, SIZE - 2, 2)] * (ROUNDS - 1),
            (SIZE, 0, 0),
        ]
        with ThreadPoolExecutor(WORKERS) as pool:
            addresses = [servers[i % 2].address for i in range(WORKERS)]
            began: dict[int, tuple[int, Lineage]] = {}
            for of_worker in pool.map(work, addresses, [tmp_path] * WORKERS):
                began |= of_worker
        trials = {trial.trial: client.get_trial(trial.trial) for trial in client.list_trials(100)}
        experiment = client.get_experiment()
        first_event = client.explain_trial(SIZE)[0]
    assert experiment.state is ExperimentState.DONE
    assert experiment.trials.started == SIZE + 2 * (ROUNDS - 1) == len(trials)
    assert experiment.trained_length == SIZE * ROUNDS * LENGTH
    assert began.keys() == trials.keys()
    for trial in trials.values():
        check_family(trial, began[trial.trial], trials)
    parent = trials[SIZE].parent
    assert first_event.explanation is not None
    assert (first_event.explanation.reason, first_event.explanation.parent) == (Reason.CLONED, parent)
    assert first_event.explanation.text == f"cloned from trial {parent}, ranked 0 of {SIZE} at rung 0"


def check_family(trial: Trial, began: tuple[int, Lineage], trials: dict[int, Trial]) -> None:
    """New trials begin with nothing, clones with all that their parent had trained when the round ended."""
    length, lineage = began
    assert [epoch for _, epoch in lineage] == list(range(1, length + 1))
    if trial.parent is None:
        assert (lineage, trial.trial < SIZE) == ([], True)
        return
    parent: Any = trials[trial.parent]
    assert length % LENGTH == 0
    assert lineage[-1] == (trial.parent, length)
    assert any(report.length == length for report in parent.curve or ())
    assert trial.curve
    assert trial.curve[0].length == length + 1
    assert trial.hparams != parent.hparams
