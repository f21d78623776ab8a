"""A job of a sweep holds its trial by itself: what its task reports or returns is told, and so is how it ended.

Hydra is not needed for that; `make engines` has whole sweeps."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rungway
from hydra_plugins.rungway_sweeper._task import VARIABLE, Task, packed, unpacked
from rungway import Assignment, Client, FailedPrecondition, InvalidArgument, TrialState
from tests.support.calls import config, unique_name

LADDER = config("async_halving", max_trials=8, max_length={"epochs": 2}, divisor=2, num_rungs=2)
"""Rungs at 1 and 2 epochs: one of two goes on."""


@pytest.fixture
def client(target: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """The client of a search, of the ladder unless another one is given."""
    with Client(target, experiment=unique_name("jobs")) as client:
        client.create_experiment(client.config.experiment, getattr(request, "param", LADDER))
        yield client


@pytest.fixture
def job(client: Client, target: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a task as a job does, under the lease of a new trial of the sweep."""

    def run(task: Callable[[Any], Any]) -> Any:
        assignment = client.ask(timeout=0)
        assert assignment is not None
        monkeypatch.setenv(VARIABLE, packed(target, client.config.experiment, assignment))
        return Task(task)(assignment.trial)

    return run


def test_a_task_reports_and_learns_that_its_trial_is_over(client: Client, job: Callable[..., Any]) -> None:
    def trains(loss: float) -> Callable[[int], list[int]]:
        def task(number: int) -> list[int]:
            trial, lengths = rungway.current_trial(), []
            assert (trial.number, trial.from_length, trial.checkpoint) == (number, 0, "")
            for epoch in trial.lengths():
                lengths.append(epoch)
                if not trial.report(epoch, loss, checkpoint=f"at {epoch}"):
                    assert trial.should_stop
                    break
            return lengths

        return task

    assert job(trains(3.0)) == [1]
    assert job(trains(2.0)) == [1, 2]  # promoted at once
    assert job(trains(4.0)) == [1]
    states = [trial.state for trial in client.list_trials()]
    assert states == [TrialState.PAUSED, TrialState.COMPLETED, TrialState.PAUSED]
    assert client.get_trial(1).checkpoint == "at 2"
    with pytest.raises(FailedPrecondition, match="not started for a trial"):
        rungway.current_trial()


@pytest.mark.parametrize("client", [config("random")], indirect=True)
def test_a_task_returns_its_result_or_fails(client: Client, job: Callable[..., Any]) -> None:
    def fails(number: int) -> float:
        raise ValueError("no such model")

    def leaves(number: int) -> float:
        raise rungway.Preempted("the host is taken away")

    assert job(lambda number: 1.5) == 1.5
    with pytest.raises(ValueError, match="no such model"):
        job(fails)
    with pytest.raises(InvalidArgument, match="returned None and reported nothing"):
        job(lambda number: None)
    with pytest.raises(rungway.Preempted):
        job(leaves)
    trials = client.list_trials()
    assert [trial.state for trial in trials] == [
        TrialState.COMPLETED,
        TrialState.FAILED,
        TrialState.FAILED,
        TrialState.QUEUED,
    ]
    assert (trials[0].metric, trials[0].length) == (1.5, 1)
    assert trials[1].message == "ValueError: no such model"


def test_a_task_outside_of_a_sweep_is_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Task(lambda config: config + 1)(1) == 2


def test_an_assignment_comes_through_the_environment(client: Client, target: str) -> None:
    assignment = client.ask(timeout=0)
    assert isinstance(assignment, Assignment)
    there, experiment, found = unpacked(packed(target, "é$'", assignment))
    assert (there, experiment) == (target, "é$'")
    for field in ("lease", "hparams", "from_length", "next_decision", "to_length", "checkpoint", "lease_duration"):
        assert getattr(found, field) == getattr(assignment, field)
    assert found.explanation.reason is assignment.explanation.reason
