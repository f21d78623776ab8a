"""Function trainables of Ray Tune, as they are, in searches of a service."""

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rungway import Client, InvalidArgument, Outcome, TrialState
from rungway.compat import tune
from rungway.integrations import trials
from tests.support.calls import config, unique_name

EPOCHS = 9
HALVING = {"max_trials": 6, "max_length": {"epochs": EPOCHS}, "divisor": 3, "num_rungs": 3}


class Trained:
    """A function trainable that notes what it does."""

    def __init__(self, every: int = 1, epochs: int = EPOCHS) -> None:
        self._every, self._epochs = every, epochs
        self.epochs: list[tuple[str, int]] = []
        self.left: list[str] = []

    def __call__(self, config: dict[str, Any]) -> None:
        name, state = tune.get_context().get_trial_id(), {"epoch": 0}
        if checkpoint := tune.get_checkpoint():
            with checkpoint.as_directory() as folder:
                state = json.loads(Path(folder, "state").read_text())
        try:
            while state["epoch"] < self._epochs:
                state["epoch"] += 1
                self.epochs.append((name, state["epoch"]))
                metrics = {"loss": config["layers"] + 1 / state["epoch"], "word": "low", "eval": {"right": 0.5}}
                with tempfile.TemporaryDirectory() as folder:
                    Path(folder, "state").write_text(json.dumps(state))
                    saves = state["epoch"] % self._every == 0
                    checkpoint = tune.Checkpoint.from_directory(folder) if saves else None
                    tune.report(metrics, checkpoint=checkpoint)
        finally:
            self.left.append(name)


def searched(target: str, fn: Callable[[Any], None], searcher: dict[str, Any]) -> tuple[Client, str]:
    """A search that one worker has run to its end."""
    name = unique_name("tune")
    client = Client(target, experiment=name)
    client.create_experiment(name, config(**searcher) | {"max_restarts": 0})
    for trial in client.trials():
        with trial:
            fn(trial)
    return client, name


def test_a_trial_that_is_paused_is_resumed_where_it_was(target: str, tmp_path: Path) -> None:
    trained = Trained()
    client, name = searched(target, tune.for_trial(trained, tmp_path), {"name": "sync_halving", **HALVING})
    with client:
        assert client.get_experiment().state == "done"
        found = client.list_trials()
        curve = client.get_trial(0).curve or ()
    assert len(trained.epochs) == len(set(trained.epochs)) == sum(trial.length for trial in found)
    assert {trial.state for trial in found} == {TrialState.PAUSED, TrialState.COMPLETED}
    assert len(trained.left) > len(found), "each report that ends a trial leaves the function"
    assert dict(curve[0].metrics) == {"eval/right": 0.5}
    for trial in found:
        assert Path(trial.checkpoint).parent == tmp_path / name / str(trial.trial)
        assert trial.checkpoint_length == trial.length


def test_a_checkpoint_of_some_reports_is_where_it_goes_on(target: str, tmp_path: Path) -> None:
    """Between the last checkpoint and the decision is trained again, as in Tune."""
    trained = Trained(every=2)
    client, _ = searched(target, tune.for_trial(trained, tmp_path), {"name": "sync_halving", **HALVING})
    with client:
        longest = max(client.list_trials(), key=lambda trial: trial.length)
    epochs = [epoch for name, epoch in trained.epochs if name == str(longest.trial)]
    assert epochs == [1, 2, 3, 3, 4, 5, 6, 7, 8, 9]  # at 1 it went on at once
    assert (longest.length, longest.checkpoint_length) == (9, 8)


def test_a_function_without_checkpoints_is_stopped_in_place(target: str) -> None:
    left = []

    def train(config: dict[str, Any]) -> Iterator[dict[str, float]]:
        for epoch in range(1, 100):
            left.append(epoch)
            yield {"loss": config["layers"] + 1 / epoch}

    client, _ = searched(target, tune.for_trial(train), {"name": "async_halving", "stop_once": True, **HALVING})
    with client:
        found = client.list_trials()
    assert len(left) == sum(trial.length for trial in found)
    assert {trial.state for trial in found} <= {TrialState.STOPPED, TrialState.COMPLETED}


def test_a_function_that_returns_has_finished(target: str, tmp_path: Path) -> None:
    """Also one that has nothing left to train when it is resumed."""
    client, _ = searched(target, tune.for_trial(Trained(epochs=3), tmp_path), {"name": "sync_halving", **HALVING})
    with client:
        found = client.list_trials()
    assert [trial.outcome for trial in found if trial.length == 3 and trial.rung == 2] == [Outcome.FINISHED]
    assert max(trial.length for trial in found) == 3

    stop = tune.Tuner(Trained(), tune_config=tune.TuneConfig(metric="loss", mode="min")).training({"eval/right": 0.5})
    client, _ = searched(target, stop, {"max_length": {"epochs": EPOCHS}})
    with client:
        assert [(trial.length, trial.outcome) for trial in client.list_trials()] == [(1, Outcome.FINISHED)] * 4


def test_a_bound_of_a_metric_that_is_not_reported_is_named_once(
    target: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop = tune.Tuner(
        Trained(),
        tune_config=tune.TuneConfig(metric="loss", mode="min"),
        run_config=tune.RunConfig(storage_path=tmp_path),
    ).training({"accuarcy": 0.5})
    client, _ = searched(target, stop, {"max_trials": 1, "max_length": {"epochs": 3}})
    client.close()
    said = [each.getMessage() for each in caplog.records if "accuarcy" in each.getMessage()]
    assert len(said) == 1
    assert "stop.accuarcy: not among the metrics of this report, got loss, eval/right" in said[0]


def returns_a_number(config: dict[str, Any]) -> float:
    return config["rate"] * 2  # type: ignore[no-any-return]


def returns_a_mapping(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": config["rate"]}


def test_a_function_may_return_its_result(target: str) -> None:
    client, _ = searched(target, tune.for_trial(returns_a_mapping), {"max_length": {"epochs": EPOCHS}})
    with client:
        found = client.list_trials()
    assert [(trial.metric, trial.length) for trial in found] == [(trial.hparams["rate"], 1) for trial in found]
    client, _ = searched(target, tune.for_trial(returns_a_number), {"metric": "_metric"})
    with client:
        assert [trial.metric for trial in client.list_trials()] == [t.hparams["rate"] * 2 for t in client.list_trials()]


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (lambda config: None, "trainable: it returned without any report"),
        (lambda config: "0.5", "trainable: it returned '0.5'"),
        (lambda config: tune.report([0.5]), "metrics: got [0.5]"),  # type: ignore[arg-type]
        (lambda config: tune.report({"accuracy": 0.5}), "metric: got 'accuracy'"),
        (lambda config: tune.report({"loss": 0.5}, checkpoint="/tmp"), "checkpoint: got '/tmp'"),  # type: ignore[arg-type]
        (lambda config: tune.report({"loss": 0.5}, checkpoint=tune.Checkpoint(".")), "wanted a place for them"),
    ],
)
def test_what_is_wrong_in_a_function_fails_its_trial(
    target: str, train: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNGWAY_CHECKPOINTS", raising=False)
    client, _ = searched(target, tune.for_trial(train), {"max_trials": 2, "max_length": {"epochs": 2}})
    with client:
        assert {trial.state for trial in client.list_trials()} == {TrialState.FAILED}
        assert all(message in trial.message for trial in client.list_trials()), client.list_trials()


def test_two_threads_train_trials_of_their_own(target: str, tmp_path: Path) -> None:
    trained, both = Trained(), threading.Barrier(2)
    fn = tune.for_trial(trained, tmp_path)
    name = unique_name("tune")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config(max_trials=2, max_length={"epochs": 50}))

        def work() -> None:
            with client.trial() as trial:
                both.wait()
                fn(trial)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [trial.length for trial in client.list_trials()] == [EPOCHS, EPOCHS]


def test_a_trial_of_integrations_is_refused(target: str, tmp_path: Path) -> None:
    name = unique_name("tune")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config(max_trials=1))
        with next(trials(client, tmp_path)) as trial, pytest.raises(InvalidArgument, match=r"one of Client\.trials"):
            tune.for_trial(Trained())(trial)


def fit(config: dict[str, Any], factor: float) -> None:
    """Module level: workers import it."""
    for epoch in range(EPOCHS):
        tune.report({"loss": factor * config["model"]["size"] / (epoch + 1), "seen": epoch})


def test_a_tuner_runs_a_whole_search(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWAY_TARGET", target)
    tuner = tune.Tuner(
        tune.with_parameters(fit, factor=2.0),
        param_space={"model": {"size": tune.grid_search([1, 2, 3])}, "fixed": [1, 2]},
        tune_config=tune.TuneConfig(metric="loss", mode="min", max_concurrent_trials=2),
        run_config=tune.RunConfig(name=unique_name("fit"), storage_path=tmp_path, stop={"training_iteration": 3}),
    )
    results = tuner.fit()
    best = results.get_best_result()
    assert best.config == {"model": {"size": 1}, "fixed": [1, 2]}
    assert best.metrics == {"loss": 2 / 3, "seen": 2.0, "training_iteration": 3, "trial_id": best.metrics["trial_id"]}
    assert (len(results), results.num_errors, results.num_terminated, best.checkpoint) == (3, 0, 3, None)
    table = results.get_dataframe()
    assert sorted(table["config/model/size"]) == [1, 2, 3]
    with pytest.raises(InvalidArgument, match="the metric of the search"):
        results.get_best_result("accuracy")
    again = tuner.fit()  # the same name: it goes on with the search, which is over
    assert again.get_best_result(scope="all").config == best.config
