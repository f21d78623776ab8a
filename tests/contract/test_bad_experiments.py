"""Bad input to the calls about experiments: status, reason and field are as documented, and nothing changes."""

import functools
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from redis import Redis

from rungway.v1 import experiment_pb2
from rungway.v1 import experiment_service_pb2 as pb
from rungway.values import to_map
from tests.contract.every_rpc import STREAMS
from tests.contract.refused import INVALID, INVALID_NAMES, NOT_FOUND, refused
from tests.support.calls import SECONDS, SPACE, Calls, config, new_id, unique_name
from tests.support.snapshot import differences, snapshot


@pytest.fixture(scope="session")
def calls(agreeing: Calls) -> Calls:
    """What is refused is refused alike over every transport."""
    return agreeing


PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION

NAMED: dict[str, Callable[..., Message]] = {
    "CreateExperiment": pb.CreateExperimentRequest,
    "GetExperiment": pb.GetExperimentRequest,
    "PauseExperiment": pb.PauseExperimentRequest,
    "ResumeExperiment": pb.ResumeExperimentRequest,
    "StopExperiment": pb.StopExperimentRequest,
    "DeleteExperiment": pb.DeleteExperimentRequest,
    "ListTrials": pb.ListTrialsRequest,
    "ListWorkers": pb.ListWorkersRequest,
    "ListStaleCheckpoints": pb.ListStaleCheckpointsRequest,
    "GetTrial": pb.GetTrialRequest,
    "BestTrials": pb.BestTrialsRequest,
    "UpdateExperiment": functools.partial(pb.UpdateExperimentRequest, max_trials=9),
    "EnqueueTrial": pb.EnqueueTrialRequest,
    "AddProposals": pb.AddProposalsRequest,
    "ExplainTrial": pb.ExplainTrialRequest,
    "WatchEvents": pb.WatchEventsRequest,
    "ExportExperiment": pb.ExportExperimentRequest,
}


def call(calls: Calls, rpc: str, request: Message) -> Any:
    """The response; all responses of a stream."""
    answer = getattr(calls.experiments, rpc)(request, timeout=SECONDS)
    return list(answer) if rpc in STREAMS else answer


def test_the_tables_of_this_folder_know_every_rpc() -> None:
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["ExperimentService"].methods}
    assert methods == NAMED.keys() | {"ListExperiments", "PreviewSearch"}


@pytest.mark.parametrize("name", INVALID_NAMES, ids=lambda name: repr(name[:20]))
@pytest.mark.parametrize("rpc", NAMED)
def test_an_invalid_name(rpc: str, name: str, calls: Calls, store: Redis) -> None:
    request = NAMED[rpc](experiment=name)
    if isinstance(request, pb.CreateExperimentRequest):
        request.config.CopyFrom(to_map(config()))
    refusal = refused(store, lambda: call(calls, rpc, request))
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "INVALID_FIELD", ("experiment",))


@pytest.mark.parametrize("rpc", sorted(NAMED.keys() - {"CreateExperiment"}))
def test_an_unknown_experiment(rpc: str, calls: Calls, store: Redis) -> None:
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment="nobody")))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "EXPERIMENT_NOT_FOUND")
    assert refusal.metadata == {"experiment": "nobody"}


@pytest.mark.parametrize("rpc", sorted(NAMED.keys() - {"CreateExperiment"}))
def test_a_deleted_experiment_is_unknown(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    calls.assignment(experiment)
    call(calls, "DeleteExperiment", pb.DeleteExperimentRequest(experiment=experiment))
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment=experiment)))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "EXPERIMENT_NOT_FOUND")


def test_a_second_create_of_the_same_name(calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config(), request_id=new_id())
    for request_id in ("", new_id()):
        request = pb.CreateExperimentRequest(experiment=experiment, request_id=request_id, config=to_map(config()))
        refusal = refused(store, lambda request=request: call(calls, "CreateExperiment", request))  # type: ignore[misc]  # a default argument
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EXPERIMENT_EXISTS")
        assert refusal.metadata == {"experiment": experiment}


def test_a_create_repeated_with_its_id_is_the_same_experiment(calls: Calls, store: Redis) -> None:
    request = pb.CreateExperimentRequest(experiment=unique_name(), request_id=new_id(), config=to_map(config()))
    first = call(calls, "CreateExperiment", request)
    before = snapshot(store)
    assert call(calls, "CreateExperiment", request) == first
    assert differences(before, snapshot(store)) == []


def test_a_create_with_an_id_used_for_another_body(calls: Calls, store: Redis) -> None:
    experiment, request_id = unique_name(), new_id()
    calls.create(experiment, config(), request_id)
    request = pb.CreateExperimentRequest(
        experiment=experiment, request_id=request_id, config=to_map(config(max_trials=5))
    )
    refusal = refused(store, lambda: call(calls, "CreateExperiment", request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert refusal.metadata == {"request_id": request_id}


def test_a_create_with_a_long_id(calls: Calls, store: Redis) -> None:
    request = pb.CreateExperimentRequest(experiment=unique_name(), request_id="r" * 65, config=to_map(config()))
    assert refused(store, lambda: call(calls, "CreateExperiment", request)).fields == ("request_id",)


# Numbers and pages.


@pytest.fixture(scope="module")
def five(calls: Calls) -> str:
    """An experiment of five trials, all assigned."""
    experiment = unique_name("five")
    calls.create(experiment, config(max_trials=5))
    assert len(calls.ask(experiment, 5).assignments) == 5
    return experiment


@pytest.mark.parametrize("rpc", ["GetTrial", "ExplainTrial"])
@pytest.mark.parametrize("number", [-1, 5, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_trial_that_is_not_there(rpc: str, number: int, five: str, calls: Calls, store: Redis) -> None:
    request = NAMED[rpc](experiment=five, trial=number)
    refusal = refused(store, lambda: call(calls, rpc, request))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "TRIAL_NOT_FOUND")
    assert refusal.metadata == {"experiment": five, "trial": str(number)}


@pytest.mark.parametrize("count", [-1, 1001, 2**31 - 1])
def test_best_trials_with_a_wrong_count(count: int, five: str, calls: Calls, store: Redis) -> None:
    request = pb.BestTrialsRequest(experiment=five, count=count)
    refusal = refused(store, lambda: call(calls, "BestTrials", request))
    assert (refusal.code, refusal.fields) == (INVALID, ("count",))


@pytest.mark.parametrize("by", [4, 99, -1, 2**31 - 1])
def test_best_trials_by_something_else(by: Any, five: str, calls: Calls, store: Redis) -> None:
    request = pb.BestTrialsRequest(experiment=five, by=by)
    refusal = refused(store, lambda: call(calls, "BestTrials", request))
    assert (refusal.code, refusal.fields) == (INVALID, ("by",))


TOKENS = ["x", "-1", "1.5", "٣", "1e3", " 1", "9" * 100, "{x}", "0x1", "../"]


@pytest.mark.parametrize("token", [*TOKENS, "1/e"])
@pytest.mark.parametrize("rpc", ["ListTrials", "ExplainTrial"])
def test_a_numbered_page_with_a_wrong_token(rpc: str, token: str, five: str, calls: Calls, store: Redis) -> None:
    request = NAMED[rpc](experiment=five, page_token=token)
    refusal = refused(store, lambda: call(calls, rpc, request))
    assert (refusal.code, refusal.fields) == (INVALID, ("page_token",))


@pytest.mark.parametrize("token", [*TOKENS, "1", "/e", "-1/e", "inf/e", "(1/e", "٣/e", "9" * 20 + "/e"])
def test_a_page_of_experiments_with_a_wrong_token(token: str, calls: Calls, store: Redis) -> None:
    refusal = refused(store, lambda: call(calls, "ListExperiments", pb.ListExperimentsRequest(page_token=token)))
    assert (refusal.code, refusal.fields) == (INVALID, ("page_token",))


@pytest.mark.parametrize("rpc", ["ListTrials", "ExplainTrial", "ListExperiments"])
def test_a_page_of_negative_size(rpc: str, five: str, calls: Calls, store: Redis) -> None:
    request: Any = pb.ListExperimentsRequest() if rpc == "ListExperiments" else NAMED[rpc](experiment=five)
    request.page_size = -1
    assert refused(store, lambda: call(calls, rpc, request)).fields == ("page_size",)


@pytest.mark.parametrize(
    ("size", "pages"), [(0, [5]), (1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5]), (2**31 - 1, [5])]
)
def test_pages_of_trials(size: int, pages: list[int], five: str, calls: Calls) -> None:
    found: list[list[int]] = []
    token = ""
    while not found or token:
        request = pb.ListTrialsRequest(experiment=five, page_size=size, page_token=token)
        answer = calls.experiments.ListTrials(request, timeout=SECONDS)
        found.append([trial.trial for trial in answer.trials])
        token = answer.next_page_token
    assert [len(page) for page in found] == pages
    assert [number for page in found for number in page] == list(range(5))


def test_a_page_beyond_the_end_is_empty(five: str, calls: Calls) -> None:
    answer = calls.experiments.ListTrials(pb.ListTrialsRequest(experiment=five, page_token="500"), timeout=SECONDS)
    assert (len(answer.trials), answer.next_page_token) == (0, "")


# States.

CHANGES = {"PauseExperiment": "paused", "ResumeExperiment": "running", "StopExperiment": "stopped"}


@pytest.mark.parametrize("rpc", CHANGES)
def test_a_search_that_is_done_cannot_change(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config("single"))
    calls.tell(experiment, calls.assignment(experiment).lease, (1, 0.5))
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment=experiment)))
    assert (refusal.code, refusal.reason) == (PRECONDITION, "WRONG_STATE")
    assert refusal.metadata == {"experiment": experiment, "state": "done"}


@pytest.mark.parametrize("rpc", ["PauseExperiment", "ResumeExperiment"])
def test_a_stopped_search_cannot_go_on(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    call(calls, "StopExperiment", pb.StopExperimentRequest(experiment=experiment))
    refusal = refused(store, lambda: call(calls, rpc, NAMED[rpc](experiment=experiment)))
    assert (refusal.code, refusal.reason) == (PRECONDITION, "WRONG_STATE")
    assert refusal.metadata == {"experiment": experiment, "state": "stopped"}


@pytest.mark.parametrize("rpc", CHANGES)
def test_a_change_of_state_repeated_changes_nothing_more(rpc: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    first = call(calls, rpc, NAMED[rpc](experiment=experiment)).experiment
    assert experiment_pb2.ExperimentState.Name(first.state).endswith(CHANGES[rpc].upper())
    before = snapshot(store)
    assert call(calls, rpc, NAMED[rpc](experiment=experiment)).experiment == first
    assert differences(before, snapshot(store)) == []


def test_the_space_is_returned_as_it_was_sent(calls: Calls) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    request = pb.GetExperimentRequest(experiment=experiment)
    stored = calls.experiments.GetExperiment(request, timeout=SECONDS).experiment.config.entries["hyperparameters"]
    assert stored.map_value == to_map(SPACE)
