"""The shared rules of training loops, without any library: real signals to real processes."""

import signal
from pathlib import Path

from rungway import Client
from rungway.integrations import trials
from tests.support.calls import config, unique_name
from tests.support.disturbed import Example, check_same, disturbed, undisturbed

NUMPY = Example("numpy_loop.py", lease_seconds=1.5)


def test_a_killed_and_preempted_training_ends_as_an_undisturbed_one(target: str, tmp_path: Path) -> None:
    first = undisturbed(NUMPY, target, tmp_path / "first")
    assert len(first.rates) == (4 + 2 + 2) * 12
    second = disturbed(NUMPY, target, tmp_path / "second", len(first.rates), signal.SIGUSR1)
    check_same(first, second)
    for number, curve in second.curves.items():
        kept = [path for path in second.checkpoints if path.split("/")[1] == str(number)]
        assert len(kept) <= 2, second.checkpoints
        assert any(path.split("/")[2].startswith(f"{curve[-1][0]}-") for path in kept), second.checkpoints


def test_the_checkpoint_of_the_best_result_stays_beside_the_last_two(target: str, tmp_path: Path) -> None:
    """Results get worse with the length, and each rung is trained under a lease of its own."""
    name = unique_name("best")
    with Client(target, experiment=name) as client:
        searcher = config("sync_halving", max_trials=8, max_length={"epochs": 8}, divisor=2, num_rungs=4)
        client.create_experiment(name, searcher)
        for trial in trials(client, tmp_path):
            with trial:
                for length in trial.lengths():
                    if not trial.report(length, trial.number + length, lambda folder: (folder / "state").touch()):
                        break
        found = client.list_trials()
    longest = max(found, key=lambda trial: trial.length)
    assert [Path(trial.best_checkpoint).name.partition("-")[0] for trial in found] == ["1"] * 8
    assert all(Path(trial.best_checkpoint, "state").exists() for trial in found)
    left = {int(path.name.partition("-")[0]) for path in Path(longest.checkpoint).parent.iterdir()}
    assert left == {1, 4, 8}
