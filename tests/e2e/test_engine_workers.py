"""What `rungway.ray.run_workers` and `rungway.dask.run_workers` share, with processes of this machine as the engine.

The engines themselves are in tests/engines."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from rungway import Client, ExperimentState, FailedPrecondition, InvalidArgument, NotFound, Preempted, TrialState
from rungway import dask as dask_workers
from rungway import ray as ray_workers
from rungway._engines.crew import Crew, checked
from rungway._engines.loop import Loop, Work
from tests.support.calls import config, unique_name
from tests.support.processes_as_engine import Processes
from tests.support.waiting import wait_until


class Training:
    """Kills its process at trial 2, raises Preempted at trial 4 and an error at trial 5."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, trial: Any) -> None:
        once = self._folder / str(trial.number)
        fresh = not once.exists()
        once.touch()
        if trial.number == 2 and fresh:
            os.kill(os.getpid(), signal.SIGKILL)
        if trial.number == 4 and fresh:
            raise Preempted("the machine is taken away")
        if trial.number == 5:
            raise ValueError("no data")
        for length in trial.lengths():
            trial.report(length, trial.number + 1 / length)


def crew(client: Client, fn: Any, n: int, places: int, most: int = 8) -> Crew:
    work, _ = checked(fn, n, None, client, None, most)
    return Crew(Processes(places), work, client, n, most)


def test_workers_that_end_are_replaced_and_those_without_a_place_are_not_needed(target: str, tmp_path: Path) -> None:
    name = unique_name("crew")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config(max_trials=8, lease_seconds=1, max_restarts=1))
        result = crew(client, Training(tmp_path), 3, places=2).run()
        trials = client.list_trials()
    assert result.experiment.state is ExperimentState.DONE
    assert [trial.trial for trial in result.failed] == [5]
    assert sum(worker.replaced for worker in result.workers) == 2
    assert sorted(trial for worker in result.workers for trial in worker.trials) == list(range(8))
    assert {trial.state for trial in trials if trial.trial != 5} == {TrialState.COMPLETED}
    text = str(result)
    assert f"{name}: done, 1 trials failed" in text
    assert "trial 5 failed: ValueError: no data" in text
    assert "replaced 1 times" in text or "replaced 2 times" in text


def deadly(trial: Any) -> None:
    os._exit(3)


def test_workers_that_only_die_end_it(target: str) -> None:
    name = unique_name("crew")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config(lease_seconds=60))
        with pytest.raises(FailedPrecondition, match="worker 1 died: exit code 3") as refused:
            crew(client, deadly, 1, places=1, most=1).run()
    assert refused.value.reason == "WORKERS_DIED"


def wrong(trial: Any) -> None:
    raise ValueError("nothing works")


def test_what_the_service_says_to_a_worker_reaches_the_driver(target: str) -> None:
    name = unique_name("crew")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config(max_trials=50, max_restarts=0))
        with pytest.raises(FailedPrecondition, match="nothing works") as refused:
            crew(client, wrong, 1, places=1).run()
    assert refused.value.reason == "FAILING"
    with Client(target, experiment="no-such-search") as client, pytest.raises(NotFound):
        crew(client, wrong, 1, places=1).run()


@pytest.mark.parametrize("managed", [False, True])
def test_a_loop_that_is_told_to_leave_gives_its_trial_back(target: str, tmp_path: Path, managed: bool) -> None:
    name = unique_name("leave")
    begun, go = threading.Event(), threading.Event()

    def fn(trial: Any) -> None:
        trial.report(1, 0.5, save=lambda folder: (folder / "state").touch()) if managed else trial.report(1, 0.5)
        begun.set()
        go.wait()
        trial.report(2, 0.4, save=lambda folder: (folder / "state").touch()) if managed else trial.report(2, 0.4)

    ended = []
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config(max_length={"epochs": 4}))
        loop = Loop(Work(fn, client.config, str(tmp_path) if managed else None), "test-1.0")
        thread = threading.Thread(target=lambda: ended.append(loop.run()))
        thread.start()
        begun.wait()
        assert client.list_workers()[0].worker.startswith("test-1.0 ")
        loop.leave()
        if not managed:  # it is given back at once, whatever the training does
            wait_until(lambda: client.list_workers() == [])
        go.set()
        thread.join()
        assert client.list_workers() == []
        [trial] = client.list_trials()
    assert ended[0].why
    assert not ended[0].done
    assert (trial.state, trial.restarts, trial.checkpoint_length) == (TrialState.QUEUED, 0, 2 if managed else 0)


def test_a_loop_that_waits_for_work_leaves_at_once(target: str) -> None:
    name = unique_name("leave")
    with Client(target, experiment=name) as client:
        client.create_experiment(name, config())
        client.pause_experiment()
        loop = Loop(Work(wrong, client.config, None), "test-1.0")
        ended = []
        thread = threading.Thread(target=lambda: ended.append(loop.run()))
        thread.start()
        loop.leave()
        thread.join()
    assert not ended[0].done
    assert ended[0].error is None


@pytest.mark.parametrize("module", [ray_workers, dask_workers])
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fn": 3}, "fn"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"resources": 2}, "resources"),
        ({"resources": {"GPU": -1}}, "resources.GPU"),
        ({"resources": {1: 1}}, "resources"),
        ({"client": "localhost:7077"}, "client"),
        ({"checkpoints": 3}, "checkpoints"),
        ({"max_restarts": -1}, "max_restarts"),
    ],
)
def test_wrong_arguments_are_refused(module: Any, change: dict[str, Any], field: str) -> None:
    client = Client("127.0.0.1:1", experiment="e")
    with pytest.raises(InvalidArgument) as refused:
        module.run_workers(**{"fn": print, "n": 1, "client": client} | change)
    assert refused.value.violations[0][0] == field


def test_a_search_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNGWAY_EXPERIMENT", raising=False)
    with pytest.raises(InvalidArgument, match="no experiment is named"):
        ray_workers.run_workers(print, 1)


@pytest.mark.parametrize(("module", "package"), [(ray_workers, "ray"), (dask_workers, "distributed")])
def test_a_missing_engine_is_named_with_its_extra(module: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(FailedPrecondition, match=rf"pip install 'rungway\[{module.__name__.partition('.')[2]}\]'"):
        module.run_workers(print, 1, client=Client("127.0.0.1:1", experiment="e"))
