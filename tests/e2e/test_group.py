"""A trial that several ranks train: all get the same, and what happens to one happens to all."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rungway import Client, ExperimentState, FailedPrecondition, InvalidConfiguration, Preempted, TrialState
from rungway.integrations import ManagedTrial, _trial
from rungway.integrations._group import GroupBroken
from rungway.integrations._loop import managed_trials
from tests.support.calls import config, unique_name
from tests.support.threads_as_ranks import Meeting, ThreadGroup
from tests.support.waiting import SECONDS

RANKS = 3
Train = Callable[[ManagedTrial, Path], object]


def metric_of(trial: int, length: int) -> float:
    return trial + 1 / length


class Searched:
    """A search by a group whose ranks run `train` for each trial; what each saw, or the error that it ended with."""

    def __init__(self, target: str, folder: Path, train: Train, **searcher: Any) -> None:
        document = config("sync_halving", max_trials=4, max_length={"epochs": 4}, divisor=2, num_rungs=3, **searcher)
        self.client = Client(target, experiment=unique_name("group"))
        self.client.create_experiment(self.client.config.experiment, document)
        meeting = Meeting(RANKS)

        def rank(number: int) -> list[tuple[int, int]]:
            group, seen = ThreadGroup(meeting, number), []
            for trial in managed_trials(group, self.client if number == 0 else None, folder):
                with trial:
                    seen.append((trial.number, trial.from_length))
                    train(trial, folder)
            return seen

        with ThreadPoolExecutor(RANKS) as pool:
            self.ranks = [pool.submit(rank, number) for number in range(RANKS)]
        self.errors = [each.exception(SECONDS) for each in self.ranks]


def train_all(trial: ManagedTrial, folder: Path) -> None:
    for length in trial.lengths():
        if not trial.report(length, metric_of(trial.number, length), save(trial)):
            break


def save(trial: ManagedTrial) -> Callable[[Path], None]:
    return lambda folder: (folder / f"part-{trial.rank}").touch()


def test_all_ranks_see_the_same_trials_under_one_lease_and_write_parts(target: str, tmp_path: Path) -> None:
    parts: list[int] = []

    def train(trial: ManagedTrial, folder: Path) -> None:
        if found := trial.restore():
            parts.append(len(list(found.glob("part-*"))))
        train_all(trial, folder)

    search = Searched(target, tmp_path, train)
    assert search.errors == [None] * RANKS
    first, *others = [each.result() for each in search.ranks]
    assert others == [first, first]
    assert search.client.get_experiment().state is ExperimentState.DONE
    events = [event.kind for n in range(4) for event in search.client.explain_trial(n)]
    assert events.count("assign") == len(first)
    assert set(parts) == {RANKS}


def test_an_error_on_one_rank_ends_the_trial_on_all_and_the_loop_goes_on(target: str, tmp_path: Path) -> None:
    failed = threading.Event()

    def train(trial: ManagedTrial, folder: Path) -> None:
        if trial.rank == 1 and trial.number == 2 and not failed.is_set():
            failed.set()
            raise ValueError("bad batch")
        train_all(trial, folder)

    search = Searched(target, tmp_path, train)
    assert search.errors == [None] * RANKS
    assert search.client.get_experiment().state is ExperimentState.DONE
    assert "retry" in [event.kind for event in search.client.explain_trial(2)]


def test_an_invalid_configuration_is_replaced(target: str, tmp_path: Path) -> None:
    def train(trial: ManagedTrial, folder: Path) -> None:
        if trial.number == 1:
            raise InvalidConfiguration("no such network")
        train_all(trial, folder)

    search = Searched(target, tmp_path, train)
    assert search.errors == [None] * RANKS
    assert search.client.get_trial(1).state is TrialState.INVALID
    assert search.client.get_trial(1).message == "rank 0: InvalidConfiguration: no such network"


def test_ranks_that_do_different_things_are_told_so(target: str, tmp_path: Path) -> None:
    def train(trial: ManagedTrial, folder: Path) -> None:
        if trial.rank != 1:
            train_all(trial, folder)

    search = Searched(target, tmp_path, train)
    assert {type(error) for error in search.errors} == {FailedPrecondition}
    assert "rank 0 reports length 1; rank 1 leaves its block; rank 2 reports length 1" in str(search.errors[0])
    assert search.client.get_experiment().trials.running == 0


def test_a_signal_to_one_rank_lets_all_leave_with_a_checkpoint(target: str, tmp_path: Path) -> None:
    def train(trial: ManagedTrial, folder: Path) -> None:
        for length in trial.lengths():
            if trial.rank == 2 and length == 2:
                trial._desk.leaving.asked = True
            if not trial.report(length, metric_of(trial.number, length), save(trial)):
                break

    search = Searched(target, tmp_path, train)
    assert {type(error) for error in search.errors} == {Preempted}
    left = [trial for trial in search.client.list_trials() if trial.length == 2]
    assert [trial.checkpoint_length for trial in left] == [2]
    assert Path(left[0].checkpoint).joinpath("part-1").exists()
    assert search.client.get_experiment().trials.running == 0


def test_a_rank_with_an_error_does_not_wait_for_ever(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trial, "ERROR_SECONDS", 0.1)
    gone = threading.Event()

    def train(trial: ManagedTrial, folder: Path) -> None:
        if trial.rank == 1:
            raise ValueError("out of memory")
        assert gone.wait(SECONDS)  # as in a collective of the training
        train_all(trial, folder)

    leave = _trial.ManagedTrial._leave_alone

    def note(self: ManagedTrial, raised: BaseException | None, broken: GroupBroken) -> None:
        if raised is not None:
            gone.set()
        leave(self, raised, broken)

    monkeypatch.setattr(_trial.ManagedTrial, "_leave_alone", note)
    search = Searched(target, tmp_path, train)
    assert [type(error) for error in search.errors] == [GroupBroken, ValueError, GroupBroken]
    assert search.client.get_experiment().trials.running == 0


def test_training_that_stops_by_itself_has_finished_the_trial(target: str, tmp_path: Path) -> None:
    def train(trial: ManagedTrial, folder: Path) -> None:
        trial.report(1, metric_of(-trial.number, 1), save(trial))  # each is the best so far, and goes on

    search = Searched(target, tmp_path, train)
    assert search.errors == [None] * RANKS
    assert search.client.get_experiment().state is ExperimentState.DONE
    assert {trial.length for trial in search.client.list_trials()} == {1}
