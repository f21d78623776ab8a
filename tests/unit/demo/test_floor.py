"""Who is killed, and what is noticed of it."""

import dataclasses
import signal
from datetime import UTC, datetime

from rungway import Trial, TrialState
from rungway_server.demo.floor import Desk, Floor

RUNGS = [1, 3, 9]


class Process:
    """Takes signals down instead of dying, except at SIGKILL."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exit_code: int | None = None
        self.got: list[signal.Signals] = []

    def send(self, number: signal.Signals) -> None:
        self.got.append(number)
        if number is signal.SIGKILL:
            self.exit_code = -signal.SIGKILL

    def log_tail(self) -> str:
        return ""


TRIAL = Trial(
    trial=7, state=TrialState.RUNNING, hparams={}, bracket=0, rung=2, length=3, metric=0.1, best_metric=0.1,
    best_length=3, restarts=0, checkpoint="x", checkpoint_length=3, worker="worker-1", outcome=None, message="",
    create_time=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def floor_with(epoch: int, until: int) -> tuple[Floor, Process, list[str]]:
    processes = [Process("worker-1"), Process("worker-2")]
    said: list[str] = []
    floor = Floor({1: Desk(1, processes[0]), 2: Desk(2, processes[1])}, said.append)
    floor.handle(1, {"what": "start", "trial": 7, "epoch": epoch - 1, "until": until})
    floor.handle(1, {"what": "epoch", "trial": 7, "epoch": epoch, "until": until, "error": 0.1})
    return floor, processes[0], said


def test_a_worker_between_the_top_rungs_is_frozen_checked_and_killed() -> None:
    floor, process, said = floor_with(5, 9)
    floor.cause_accident(0.3, RUNGS, lambda number: dataclasses.replace(TRIAL, trial=number))
    assert process.got == [signal.SIGSTOP, signal.SIGKILL]
    assert floor.accident is not None
    assert (floor.accident.trial, floor.accident.epoch) == (7, 5)
    assert "worker 1 killed (SIGKILL) with trial 7 at epoch 5 of 9" in said[0]
    floor.notice_deaths()
    assert len(said) == 1  # it did not die by itself
    floor.handle(2, {"what": "start", "trial": 7, "epoch": 3, "until": 9})
    assert (floor.accident.resumed_by, floor.accident.resumed_epoch) == (2, 3)
    assert "trial 7 resumed by worker 2 from its checkpoint of epoch 3" in said[1]


def test_a_worker_that_no_longer_holds_the_trial_goes_on() -> None:
    for changed in ({"worker": "worker-2"}, {"state": TrialState.PAUSED}, {"checkpoint_length": 0}):
        floor, process, said = floor_with(5, 9)
        floor.cause_accident(0.3, RUNGS, lambda _, changed=changed: dataclasses.replace(TRIAL, **changed))  # type: ignore[misc]
        assert process.got == [signal.SIGSTOP, signal.SIGCONT]
        assert (floor.accident, said) == (None, [])


def test_nobody_is_killed_too_early_at_a_rung_or_just_before_one() -> None:
    for epoch, until, progress in ((5, 9, 0.1), (3, 9, 0.5), (8, 9, 0.5), (2, 3, 0.3)):
        floor, process, _ = floor_with(epoch, until)
        floor.cause_accident(progress, RUNGS, lambda _: TRIAL)
        assert process.got == []


def test_a_death_of_its_own_is_said_once() -> None:
    floor, process, said = floor_with(5, 9)
    process.exit_code = 1
    floor.notice_deaths()
    floor.notice_deaths()
    assert said == ["worker 1 died by itself (exit code 1)"]
    assert floor.working
