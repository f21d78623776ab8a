"""Bad input to the calls that change or watch a live search: the field is named, and nothing changes."""

from typing import Any

import grpc
import pytest
from redis import Redis

from rungway.v1 import experiment_pb2
from rungway.v1 import experiment_service_pb2 as pb
from rungway.values import to_map
from tests.contract.refused import INVALID, INVALID_NAMES, NOT_FOUND, refused
from tests.support.calls import SECONDS, Calls, config, new_id, unique_name


@pytest.fixture(scope="session")
def calls(agreeing: Calls) -> Calls:
    """What is refused is refused alike over every transport."""
    return agreeing


PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
GOOD = {"rate": 0.01, "layers": 2}


@pytest.fixture(scope="module")
def live(calls: Calls) -> str:
    """A search of twelve trials with two started."""
    experiment = unique_name("live")
    calls.create(experiment, config(max_trials=12))
    assert len(calls.ask(experiment, 2).assignments) == 2
    return experiment


# UpdateExperiment.


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, ("max_trials",)),
        ({"max_trials": 0}, ("max_trials",)),
        ({"max_trials": -1}, ("max_trials",)),
        ({"max_trials": 1}, ("max_trials",)),
        ({"max_trials": 10_000_001}, ("max_trials",)),
        ({"max_trials": 2**63 - 1}, ("max_trials",)),
        ({"max_concurrent_trials": -1}, ("max_concurrent_trials",)),
        ({"max_concurrent_trials": 2**62}, ("max_concurrent_trials",)),
        ({"max_trials": 0, "max_concurrent_trials": -1}, ("max_trials", "max_concurrent_trials")),
        ({"max_trials": 1, "max_concurrent_trials": 3}, ("max_trials",)),
    ],
    ids=str,
)
def test_a_wrong_change(change: dict[str, Any], fields: tuple[str, ...], live: str, calls: Calls, store: Redis) -> None:
    request = pb.UpdateExperimentRequest(experiment=live, **change)
    refusal = refused(store, lambda: calls.experiments.UpdateExperiment(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "INVALID_FIELD", fields)


@pytest.mark.parametrize("name", ["sync_halving", "hyperband"])
def test_a_synchronous_search_keeps_its_trials(name: str, calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    document = config(name, max_length={"epochs": 9}, divisor=3)
    section: Any = document["searcher"]
    section |= {"num_rungs": 2, "max_trials": 9} if name == "sync_halving" else {}
    if name == "hyperband":
        del section["max_trials"]
    calls.create(experiment, document)
    request = pb.UpdateExperimentRequest(experiment=experiment, max_trials=1000)
    refusal = refused(store, lambda: calls.experiments.UpdateExperiment(request, timeout=SECONDS))
    assert (refusal.code, refusal.fields) == (INVALID, ("max_trials",))


def test_a_stopped_search_neither_changes_nor_takes_configurations(calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    calls.experiments.StopExperiment(pb.StopExperimentRequest(experiment=experiment), timeout=SECONDS)
    update = pb.UpdateExperimentRequest(experiment=experiment, max_trials=9)
    enqueue = pb.EnqueueTrialRequest(experiment=experiment, hparams=to_map(GOOD))
    for call in (
        lambda: calls.experiments.UpdateExperiment(update, timeout=SECONDS),
        lambda: calls.experiments.EnqueueTrial(enqueue, timeout=SECONDS),
    ):
        refusal = refused(store, call)
        assert (refusal.code, refusal.reason) == (PRECONDITION, "WRONG_STATE")
        assert refusal.metadata == {"experiment": experiment, "state": "stopped"}


def test_a_change_is_answered_with_the_search_after_it(calls: Calls) -> None:
    experiment = unique_name()
    calls.create(experiment, config(max_trials=4))
    request = pb.UpdateExperimentRequest(experiment=experiment, max_trials=6, max_concurrent_trials=0)
    after = calls.experiments.UpdateExperiment(request, timeout=SECONDS).experiment
    assert (after.plan.brackets[0].max_trials, after.plan.max_concurrent_trials) == (6, 0)
    assert len(calls.ask(experiment, 9).assignments) == 6


# EnqueueTrial.


@pytest.mark.parametrize(
    ("hparams", "fields"),
    [
        ({"rate": 5}, ("hparams.rate",)),
        ({"layers": 5}, ("hparams.layers",)),
        ({**GOOD, "layers": 5}, ("hparams.layers",)),
        ({**GOOD, "layers": 2.5}, ("hparams.layers",)),
        ({**GOOD, "layers": "2"}, ("hparams.layers",)),
        ({**GOOD, "layers": None}, ("hparams.layers",)),
        ({**GOOD, "layers": True}, ("hparams.layers",)),
        ({**GOOD, "rate": 0.2}, ("hparams.rate",)),
        ({**GOOD, "rate": float("nan")}, ("hparams.rate",)),
        ({**GOOD, "rate": float("inf")}, ("hparams.rate",)),
        ({**GOOD, "rate": {"deep": 1}}, ("hparams.rate",)),
        ({**GOOD, "more": 1}, ("hparams.more",)),
        (
            {"rate": 5, "layers": 0, "": 1},
            (
                "hparams.rate",
                "hparams.layers",
                "hparams.``",
            ),
        ),
    ],
    ids=str,
)
def test_a_configuration_outside_the_space(
    hparams: dict[str, Any], fields: tuple[str, ...], live: str, calls: Calls, store: Redis
) -> None:
    request = pb.EnqueueTrialRequest(experiment=live, hparams=to_map(hparams))
    refusal = refused(store, lambda: calls.experiments.EnqueueTrial(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason, set(refusal.fields)) == (INVALID, "INVALID_FIELD", set(fields))


def test_a_long_request_id(live: str, calls: Calls, store: Redis) -> None:
    request = pb.EnqueueTrialRequest(experiment=live, request_id="r" * 65, hparams=to_map(GOOD))
    refusal = refused(store, lambda: calls.experiments.EnqueueTrial(request, timeout=SECONDS))
    assert refusal.fields == ("request_id",)


def test_an_id_used_for_another_configuration(live: str, calls: Calls, store: Redis) -> None:
    request = pb.EnqueueTrialRequest(experiment=live, request_id=new_id(), hparams=to_map(GOOD))
    calls.experiments.EnqueueTrial(request, timeout=SECONDS)
    request.hparams.CopyFrom(to_map(GOOD | {"layers": 3}))
    refusal = refused(store, lambda: calls.experiments.EnqueueTrial(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


def test_more_than_new_trials_are_left(calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config(max_trials=2))
    request = pb.EnqueueTrialRequest(experiment=experiment, hparams=to_map(GOOD))
    positions = [calls.experiments.EnqueueTrial(request, timeout=SECONDS).position for _ in range(2)]
    assert positions == [0, 1]
    refusal = refused(store, lambda: calls.experiments.EnqueueTrial(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (PRECONDITION, "NO_TRIALS_LEFT")
    assert refusal.metadata == {"experiment": experiment}


# Warm starts.


def create(experiment: str, source: str, count: int = 0) -> pb.CreateExperimentRequest:
    return pb.CreateExperimentRequest(
        experiment=experiment, config=to_map(config()), warm_start_from=source, warm_start_count=count
    )


@pytest.mark.parametrize("count", [-1, 1001, 2**31 - 1, -(2**31)])
def test_a_warm_start_with_a_wrong_count(count: int, live: str, calls: Calls, store: Redis) -> None:
    request = create(unique_name(), live, count)
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert (refusal.code, refusal.fields) == (INVALID, ("warm_start_count",))


def test_a_warm_start_of_very_many_values(live: str, calls: Calls, store: Redis) -> None:
    request, most = create(unique_name(), live, 66), 65
    space = {f"p{i}": {"type": "int", "minval": 0, "maxval": 9} for i in range(1_000)}
    request.config.CopyFrom(to_map(config(space=space)))
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert (refusal.code, refusal.fields) == (INVALID, ("warm_start_count",))
    request.warm_start_count = most
    calls.experiments.CreateExperiment(request, timeout=SECONDS)


def test_a_warm_start_from_an_unknown_experiment(calls: Calls, store: Redis) -> None:
    request = create(unique_name(), "nobody")
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "EXPERIMENT_NOT_FOUND")
    assert refusal.metadata == {"experiment": "nobody"}


INVALID_BUT_NOT_EMPTY = [name for name in INVALID_NAMES if name]  # an empty name means no warm start


@pytest.mark.parametrize("name", INVALID_BUT_NOT_EMPTY, ids=lambda name: repr(name[:20]))
def test_a_warm_start_from_an_invalid_name(name: str, calls: Calls, store: Redis) -> None:
    request = create(unique_name(), name)
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FIELD")


def test_a_warm_start_from_an_invalid_name_says_which_field(calls: Calls, store: Redis) -> None:
    request = create(unique_name(), "{x}")
    refusal = refused(store, lambda: calls.experiments.CreateExperiment(request, timeout=SECONDS))
    assert refusal.fields == ("warm_start_from",)


# WatchEvents.


def events(calls: Calls, experiment: str, after: str = "") -> list[experiment_pb2.Event]:
    """All events of a search that is over."""
    request = pb.WatchEventsRequest(experiment=experiment, after_event_id=after)
    return [answer.event for answer in calls.experiments.WatchEvents(request, timeout=SECONDS)]


@pytest.mark.parametrize("after", ["x", "-1", "1-", "-", "1-2-3", "1.5", "(1", "٣", " 1", "9" * 20, "1-x", "+", "$"])
def test_a_wrong_position_in_the_log(after: str, live: str, calls: Calls, store: Redis) -> None:
    refusal = refused(store, lambda: events(calls, live, after))
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "INVALID_FIELD", ("after_event_id",))


def test_the_log_from_the_beginning_and_from_any_position(calls: Calls) -> None:
    experiment = unique_name()
    calls.create(experiment, config(max_trials=3))
    for assignment in calls.ask(experiment, 3).assignments:
        calls.tell(experiment, assignment.lease, (1, 0.5))
    everything = events(calls, experiment)
    assert [event.kind for event in everything] == [*["assign"] * 3, *["stop"] * 3, "done"]
    assert [event.trial for event in everything] == [0, 1, 2, 0, 1, 2, -1]
    for i, event in enumerate(everything):
        assert events(calls, experiment, event.event_id) == everything[i + 1 :]


def test_the_log_as_it_grows(calls: Calls) -> None:
    """Events come while the search runs; the stream ends with the search."""
    experiment = unique_name()
    calls.create(experiment, config("single"))
    stream = calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=experiment), timeout=SECONDS)
    assignment = calls.assignment(experiment)
    assert next(stream).event.kind == "assign"
    calls.tell(experiment, assignment.lease, (1, 0.5))
    assert [answer.event.kind for answer in stream] == ["stop", "done"]


@pytest.mark.parametrize("end", ["stopped", "target"])
def test_the_stream_ends_however_the_search_does(end: str, calls: Calls) -> None:
    experiment = unique_name()
    calls.create(experiment, config(target_metric=0.1))
    assignment = calls.assignment(experiment)
    if end == "stopped":
        calls.experiments.StopExperiment(pb.StopExperimentRequest(experiment=experiment), timeout=SECONDS)
    else:
        calls.tell(experiment, assignment.lease, (1, 0.1))
    assert [event.kind for event in events(calls, experiment)][:2] == [
        "assign",
        "stopped" if end == "stopped" else "stop",
    ]


def test_deleting_the_search_ends_the_stream_too(calls: Calls) -> None:
    experiment = unique_name()
    calls.create(experiment, config())
    calls.assignment(experiment)
    stream = calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=experiment), timeout=SECONDS)
    assert next(stream).event.kind == "assign"
    calls.experiments.DeleteExperiment(pb.DeleteExperimentRequest(experiment=experiment), timeout=SECONDS)
    with pytest.raises(grpc.RpcError) as failed:
        next(stream)
    assert failed.value.code() is NOT_FOUND
