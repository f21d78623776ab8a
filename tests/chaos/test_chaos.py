"""Short runs of the chaos suite, and violations planted in what one of them recorded: each is found."""

import copy
import dataclasses
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from rungway import Event, Report, Trial, TrialState
from rungway.v1 import search_service_pb2, trial_pb2
from tests.chaos.calls import Call
from tests.chaos.checker import acknowledged_deadlines, check
from tests.chaos.remains import Remains
from tests.chaos.run import run_scenario
from tests.chaos.scenarios import SCENARIOS

SECONDS = 5.0
SEED = 3


@dataclasses.dataclass
class History:
    """One search as it was recorded; planting changes it in place."""

    calls: list[Call]
    remains: Remains

    @property
    def events(self) -> list[Event]:
        return self.remains.events

    def asks(self) -> list[Call]:
        return [call for call in self.calls if call.rpc == "Ask" and call.exact and call.reply.assignments]

    def tells(self, decision: "trial_pb2.Decision.ValueType") -> list[Call]:
        tells = [call for call in self.calls if call.rpc == "Tell" and call.exact]
        return [call for call in tells if call.reply.verdicts[0].decision == decision]

    def event(self, *kinds: str) -> int:
        """The index of one in the middle."""
        found = [index for index, event in enumerate(self.events) if event.kind in kinds]
        return found[len(found) // 2]


Planting = Callable[[History], None]
PLANTINGS: list[Planting] = []


def planting(change: Planting) -> Planting:
    PLANTINGS.append(change)
    return change


def trained(history: History, points: int = 1) -> tuple[Trial, tuple[Report, ...]]:
    """A trial whose curve has so many points at least, and that curve."""
    return next((each, each.curve) for each in history.remains.trials if each.curve and len(each.curve) >= points)


@planting
def an_acknowledged_result_is_lost(history: History) -> None:
    trial, curve = trained(history, 2)
    history.remains.trials[trial.trial] = dataclasses.replace(trial, curve=curve[:-1])


@planting
def a_result_counts_twice(history: History) -> None:
    trial, curve = trained(history)
    history.remains.trials[trial.trial] = dataclasses.replace(trial, curve=(*curve, curve[-1]))


@planting
def a_result_nobody_told(history: History) -> None:
    trial, curve = trained(history)
    strange = dataclasses.replace(curve[-1], metric=-1.0)
    history.remains.trials[trial.trial] = dataclasses.replace(trial, curve=(*curve[:-1], strange))


@planting
def another_decision_than_the_rule_says(history: History) -> None:
    history.tells(trial_pb2.DECISION_PAUSE)[1].reply.verdicts[0].decision = trial_pb2.DECISION_STOP


@planting
def another_rank_in_the_reply(history: History) -> None:
    history.tells(trial_pb2.DECISION_PAUSE)[1].reply.verdicts[0].explanation.rank += 1


@planting
def another_quota_in_the_log(history: History) -> None:
    index = history.event("pause")
    event = history.events[index]
    assert event.explanation
    why = dataclasses.replace(event.explanation, quota=event.explanation.quota + 1)
    history.events[index] = dataclasses.replace(event, explanation=why)


@planting
def an_assignment_to_nobody(history: History) -> None:
    history.calls.remove(history.asks()[3])


@planting
def an_assignment_the_log_does_not_know(history: History) -> None:
    index = history.event("assign")
    del history.events[index]


@planting
def two_decisions_the_other_way_round(history: History) -> None:
    index = next(
        index
        for index in range(10, len(history.events))
        if history.events[index].kind == "pause" and history.events[index + 1].kind in ("pause", "assign")
    )
    history.events[index : index + 2] = reversed(history.events[index : index + 2])


@planting
def a_lease_handed_out_twice(history: History) -> None:
    first, second = history.asks()[2:4]
    second.reply.assignments[0].lease.CopyFrom(first.reply.assignments[0].lease)


@planting
def another_configuration(history: History) -> None:
    hparams, *later = [call.reply.assignments[0].hparams for call in history.asks()[4:]]
    hparams.CopyFrom(next(each for each in later if each != hparams))  # the next ask may be of the same trial


@planting
def a_later_call_with_an_earlier_revision(history: History) -> None:
    first, *_, last = history.tells(trial_pb2.DECISION_PAUSE)
    assert first.ended
    assert first.ended < last.begun
    first.reply.revision, last.reply.revision = last.reply.revision, first.reply.revision


@planting
def an_old_answer_to_a_waiting_ask(history: History) -> None:
    latest = max(call.reply.revision for call in history.asks())
    done = [call for call in history.calls if call.rpc == "Ask" and call.exact and call.reply.revision > latest]
    done[-1].reply.revision = 3


@planting
def revisions_that_nobody_made(history: History) -> None:
    experiment = history.remains.experiment
    history.remains = dataclasses.replace(
        history.remains, experiment=dataclasses.replace(experiment, revision=experiment.revision + 100)
    )


@planting
def another_state_at_the_end(history: History) -> None:
    trial = history.remains.trials[5]
    other = TrialState.STOPPED if trial.state is not TrialState.STOPPED else TrialState.PAUSED
    history.remains.trials[5] = dataclasses.replace(trial, state=other)


@planting
def one_trial_too_many(history: History) -> None:
    first = next(event for event in history.events if event.kind == "assign")
    history.events.append(dataclasses.replace(first, trial=len(history.remains.trials)))


@planting
def a_lease_that_expired_too_early(history: History) -> None:
    index = history.event("retry", "failed")
    event = history.events[index]
    for call in history.asks():
        if call.request.request_id == event.worker:
            call.reply.assignments[0].lease_deadline.FromSeconds(int(event.time.timestamp()) + 10)
    history.calls = [call for call in history.calls if call.rpc != "Fail"]


def test_a_lease_that_expires_at_its_deadline_does_not_expire_before_it() -> None:
    """All times of the service are whole milliseconds."""
    for ms in range(1_796_085_386_000, 1_796_085_386_100):
        reply = search_service_pb2.AskResponse()
        reply.assignments.add().lease_deadline.FromMilliseconds(ms)
        (deadline,) = acknowledged_deadlines([Call("Ask", None, 0.0, reply=reply)]).values()
        assert reply.assignments[0].lease_deadline.ToDatetime(tzinfo=UTC).timestamp() == deadline


@pytest.mark.slow
def test_a_short_run_keeps_every_promise_and_planted_violations_are_found(tmp_path: Path) -> None:
    # Enough mishaps that some trial is requeued in any run: one of the plantings needs that.
    scenario = dataclasses.replace(SCENARIOS["mixed"], mishaps=0.3)
    run, recorded = run_scenario(scenario, SECONDS, SEED, tmp_path)
    assert run.outcome.problems == []
    assert run.outcome.failed == []
    assert (run.outcome.lost, run.outcome.duplicated, run.outcome.over_budget) == (0, 0, 0)
    assert len(run.outcome.faults) >= 2
    assert run.outcome.acknowledged > 50

    experiment, remains = next(iter(run.searches.items()))
    missed = []
    for plant in PLANTINGS:
        history = copy.deepcopy(History(recorded.of(experiment), remains))
        plant(history)
        if not check(history.calls, history.remains).problems:
            missed.append(plant.__name__)
    assert missed == []


@pytest.mark.slow
def test_what_a_power_cut_loses_is_counted_and_the_rest_is_consistent(tmp_path: Path) -> None:
    run, _ = run_scenario(SCENARIOS["redis-power"], SECONDS, SEED, tmp_path)
    assert run.outcome.problems == []
    assert run.outcome.failed == []
    assert run.outcome.faults
    assert run.outcome.lost <= run.outcome.acknowledged / 2
