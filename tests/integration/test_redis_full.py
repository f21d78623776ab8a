"""A Redis without free memory: changes are refused as a whole with a typed error; reads and deletion work."""

from collections.abc import Callable, Iterator

import grpc
import pytest
from redis import Redis

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import trial_pb2
from rungway.values import to_map
from tests.support.audited import check_all_sound
from tests.support.calls import SECONDS, Calls, calls_to, config, new_id, refusal_of, tell_request, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.snapshot import differences, snapshot

ROOM = 512 * 1024
"""Bytes that a search may still use until Redis is full."""


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_on_socket("--maxmemory-policy", "noeviction") as url:
        yield url


@pytest.fixture(scope="module")
def calls(redis_url: str) -> Iterator[Calls]:
    with services(redis_url) as (service,), calls_to(service.address) as calls:
        yield calls


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client
        client.config_set("maxmemory", 0)
        check_all_sound(redis_url)


def halving() -> dict[str, object]:
    return config("async_halving", num_rungs=3, divisor=3, max_length={"epochs": 9}, max_trials=4000)


def changes(calls: Calls, experiment: str) -> list[Callable[[], object]]:
    """One call of each kind that changes something; all but the last two have a request id."""
    search, experiments, hparams = calls.search, calls.experiments, to_map({"rate": 0.01, "layers": 2})
    told, released, failed = (given.lease for given in calls.ask(experiment, 3).assignments)
    tell = tell_request(experiment, told, (1, 0.5), request_id=new_id(), checkpoint="c" * 1000)
    release = search_pb.ReleaseRequest(
        experiment=experiment, request_id=new_id(), releases=[search_pb.Release(lease=released)]
    )
    fail = search_pb.FailRequest(
        experiment=experiment, request_id=new_id(), lease=failed, outcome=trial_pb2.OUTCOME_ERROR
    )
    ask = search_pb.AskRequest(experiment=experiment, request_id=new_id(), count=2)
    create = pb.CreateExperimentRequest(experiment=unique_name("full"), config=to_map(halving()), request_id=new_id())
    enqueue = pb.EnqueueTrialRequest(experiment=experiment, request_id=new_id(), hparams=hparams)
    update = pb.UpdateExperimentRequest(experiment=experiment, max_trials=4001)
    return [
        lambda: search.Ask(ask, timeout=SECONDS),
        lambda: search.Tell(tell, timeout=SECONDS),
        lambda: search.Release(release, timeout=SECONDS),
        lambda: search.Fail(fail, timeout=SECONDS),
        lambda: experiments.EnqueueTrial(enqueue, timeout=SECONDS),
        lambda: experiments.CreateExperiment(create, timeout=SECONDS),
        lambda: experiments.UpdateExperiment(update, timeout=SECONDS),
        lambda: experiments.PauseExperiment(pb.PauseExperimentRequest(experiment=experiment), timeout=SECONDS),
    ]


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        call()
    refusal = refusal_of(failed.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
    assert refusal.retry_seconds


def refused_whole(redis: Redis, all_changes: list[Callable[[], object]]) -> None:
    """With Redis full, each change must be refused and leave nothing."""
    before = snapshot(redis)
    redis.config_set("maxmemory", 1)
    for change in all_changes:
        refused(change)
        assert differences(before, snapshot(redis)) == []


def test_every_change_is_refused_whole_and_works_later_under_the_same_id(calls: Calls, redis: Redis) -> None:
    experiment = unique_name("full")
    calls.create(experiment, halving())
    all_changes = changes(calls, experiment)
    refused_whole(redis, all_changes)
    assert calls.trial(experiment, 0).trial == 0  # reading goes on
    redis.config_set("maxmemory", 0)
    for change in all_changes[:-2]:
        answer = change()
        after = snapshot(redis)
        assert change() == answer
        assert differences(after, snapshot(redis)) == []
    for change in all_changes[-2:]:
        change()


def test_a_redis_that_runs_full_in_the_middle_of_a_search(calls: Calls, redis: Redis) -> None:
    """Wherever memory runs out, acknowledged changes are stored and refused ones are not."""
    experiment = unique_name("full")
    calls.create(experiment, halving())
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + ROOM)
    told: dict[int, list[int]] = {}

    def fill() -> None:
        for _ in range(4000):
            given = calls.assignment(experiment)
            number, length = given.lease.trial, given.next_decision_length
            calls.tell(experiment, given.lease, (length, float(number)), checkpoint="c" * 1000)
            told.setdefault(number, []).append(length)

    with pytest.raises(grpc.RpcError) as failed:
        fill()
    assert refusal_of(failed.value).reason == "STORE_FULL"
    assert len(told) > 10
    redis.config_set("maxmemory", 0)
    request = pb.ListTrialsRequest(experiment=experiment, page_size=1000)
    started = [trial.trial for trial in calls.experiments.ListTrials(request, timeout=SECONDS).trials]
    assert set(told) <= set(started)
    for number in started:
        found = [report.length for report in calls.trial(experiment, number).curve]
        assert found == told.get(number, [])


def test_a_search_can_be_deleted_to_make_room(calls: Calls, redis: Redis) -> None:
    experiment = unique_name("full")
    calls.create(experiment, halving())
    calls.ask(experiment, 2)
    redis.config_set("maxmemory", 1)
    calls.experiments.DeleteExperiment(pb.DeleteExperimentRequest(experiment=experiment), timeout=SECONDS)
    assert [key for key in redis.keys(f"*/{experiment}}}*") if b":events" not in key] == []
    listed = calls.experiments.ListExperiments(pb.ListExperimentsRequest(), timeout=SECONDS).experiments
    assert experiment not in [each.experiment for each in listed]
