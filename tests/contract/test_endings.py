"""On the wire: trainings that end by themselves, and searches that pause themselves."""

import pytest
from redis import Redis

from rungway.v1 import experiment_pb2, search_service_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as pb
from tests.contract.refused import refused
from tests.support.calls import SECONDS, Calls, config, tell_request, unique_name

FAILURES = [trial_pb2.OUTCOME_ERROR, trial_pb2.OUTCOME_TRANSIENT, trial_pb2.OUTCOME_DIVERGED]
TEXT = "KeyError: 'ä' 🎲\n …"


def experiment_of(calls: Calls, name: str) -> experiment_pb2.Experiment:
    request = pb.GetExperimentRequest(experiment=name)
    return calls.experiments.GetExperiment(request, timeout=SECONDS).experiment


def listed(calls: Calls, name: str) -> experiment_pb2.Experiment:
    request = pb.ListExperimentsRequest(page_size=1_000)
    found = calls.experiments.ListExperiments(request, timeout=SECONDS).experiments
    return next(each for each in found if each.experiment == name)


def fail(calls: Calls, name: str, outcome: "trial_pb2.Outcome.ValueType", message: str = TEXT) -> None:
    lease = calls.assignment(name).lease
    request = search_service_pb2.FailRequest(experiment=name, lease=lease, outcome=outcome, message=message)
    calls.search.Fail(request, timeout=SECONDS)


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_search_that_only_fails_says_why_it_paused(outcome: "trial_pb2.Outcome.ValueType", calls: Calls) -> None:
    name = unique_name("brake")
    calls.create(name, config(max_trials=40))
    for number in range(10):
        assert experiment_of(calls, name).state == experiment_pb2.EXPERIMENT_STATE_RUNNING
        fail(calls, name, outcome, f"{number}: {TEXT}")
    answer = calls.ask(name)
    assert (answer.status, answer.reason) == (search_service_pb2.ASK_STATUS_WAIT, trial_pb2.REASON_FAILING)
    assert (answer.message, answer.retry_after.seconds) == (f"9: {TEXT}", 5)
    for found in (experiment_of(calls, name), listed(calls, name)):
        assert (found.state, found.reason) == (experiment_pb2.EXPERIMENT_STATE_PAUSED, trial_pb2.REASON_FAILING)
        assert found.message == f"9: {TEXT}"

    calls.experiments.ResumeExperiment(pb.ResumeExperimentRequest(experiment=name), timeout=SECONDS)
    for found in (experiment_of(calls, name), listed(calls, name)):
        assert (found.state, found.reason) == (experiment_pb2.EXPERIMENT_STATE_RUNNING, trial_pb2.REASON_UNSPECIFIED)
        assert found.message == ""
    answer = calls.ask(name)
    assert (answer.status, answer.reason) == (search_service_pb2.ASK_STATUS_ASSIGNED, trial_pb2.REASON_UNSPECIFIED)
    assert answer.message == ""


@pytest.mark.parametrize("most", [1, 3])
def test_after_how_many_is_a_setting(most: int, calls: Calls) -> None:
    name = unique_name("brake")
    calls.create(name, config(max_trials=40) | {"pause_after_failures": most})
    for _ in range(most):
        fail(calls, name, trial_pb2.OUTCOME_ERROR)
    assert experiment_of(calls, name).reason == trial_pb2.REASON_FAILING


def test_it_may_be_turned_off(calls: Calls) -> None:
    name = unique_name("brake")
    calls.create(name, config(max_trials=12) | {"pause_after_failures": 0})
    for _ in range(12):
        fail(calls, name, trial_pb2.OUTCOME_ERROR)
    found = experiment_of(calls, name)
    assert (found.state, found.reason, found.trials.failed) == (
        experiment_pb2.EXPERIMENT_STATE_DONE,
        trial_pb2.REASON_UNSPECIFIED,
        12,
    )


def test_a_search_that_its_user_paused_has_no_reason(calls: Calls) -> None:
    name = unique_name("paused")
    calls.create(name, config())
    fail(calls, name, trial_pb2.OUTCOME_ERROR)
    calls.experiments.PauseExperiment(pb.PauseExperimentRequest(experiment=name), timeout=SECONDS)
    found, answer = experiment_of(calls, name), calls.ask(name)
    assert (found.state, found.reason, found.message) == (experiment_pb2.EXPERIMENT_STATE_PAUSED, 0, "")
    assert (answer.reason, answer.message) == (trial_pb2.REASON_EXPERIMENT_PAUSED, "")


def test_a_training_that_ends_by_itself(calls: Calls) -> None:
    name = unique_name("over")
    calls.create(name, config("random", max_trials=2, max_length={"epochs": 10}))
    for reports in ([(3, 0.5), (4, 0.25)], []):
        lease = calls.assignment(name).lease
        if not reports:
            calls.tell(name, lease, (4, 0.25))  # told before; the last call only says that this was all
        request = tell_request(name, lease, *reports)
        request.results[0].finished = True
        (reply,) = calls.search.Tell(request, timeout=SECONDS).verdicts
        assert (reply.decision, reply.explanation.reason) == (trial_pb2.DECISION_STOP, trial_pb2.REASON_FINISHED)
        trial = calls.trial(name, lease.trial)
        assert (trial.state, trial.outcome) == (trial_pb2.TRIAL_STATE_COMPLETED, trial_pb2.OUTCOME_FINISHED)
        assert (trial.length, trial.metric) == (4, 0.25)
    assert calls.ask(name).status == search_service_pb2.ASK_STATUS_DONE
    assert experiment_of(calls, name).trained_length == 8


def test_a_trial_without_a_result_cannot_finish(calls: Calls, store: Redis) -> None:
    name = unique_name("untold")
    calls.create(name, config())
    first, second = (each.lease for each in calls.ask(name, 2).assignments)
    request = tell_request(name, first, (1, 0.5))
    request.results.append(trial_pb2.Result(lease=second, finished=True))
    refusal = refused(store, lambda: calls.search.Tell(request, timeout=SECONDS))
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ("results[1].finished",))


def test_a_failure_cannot_say_finished(calls: Calls, store: Redis) -> None:
    name = unique_name("finished")
    calls.create(name, config())
    lease = calls.assignment(name).lease
    request = search_service_pb2.FailRequest(experiment=name, lease=lease, outcome=trial_pb2.OUTCOME_FINISHED)
    assert refused(store, lambda: calls.search.Fail(request, timeout=SECONDS)).fields == ("outcome",)
