"""A reply lost between Redis and a server, or between a server and its client: a repeat gives the answer."""

import time
from collections.abc import Iterator

import grpc
import pytest
from redis import Redis

import rungway
from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from tests.support.calls import SECONDS, Calls, calls_to, config, new_id, refusal_of, tell_request, unique_name
from tests.support.proxy import Proxy, proxy_to
from tests.support.redis_server import port_of, redis_on_port
from tests.support.service import TRANSPORTS, Service, services
from tests.support.snapshot import Snapshot, differences, snapshot


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_on_port() as url:
        yield url


@pytest.fixture(scope="module")
def redis(redis_url: str) -> Iterator[Redis]:
    """Redis, past every proxy."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="module")
def far_proxy(redis_url: str) -> Iterator[Proxy]:
    """Between a service and Redis."""
    with proxy_to(port_of(redis_url)) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(far_proxy: Proxy) -> Iterator[Service]:
    """A service whose Redis is behind a proxy."""
    with services(f"redis://127.0.0.1:{far_proxy.port}", 1, "--redis-timeout", "3") as (running,):
        yield running


@pytest.fixture
def calls(service: Service) -> Iterator[Calls]:
    with calls_to(service.address) as calls:
        yield calls


def halving(calls: Calls) -> str:
    """An experiment in promotion form, rungs at 1, 3 and 9."""
    experiment = unique_name("wire")
    calls.create(experiment, config("async_halving", num_rungs=3, divisor=3, max_length={"epochs": 9}, max_trials=16))
    return experiment


Requests = list[tuple[str, pb.AskRequest | pb.TellRequest | pb.ReleaseRequest | pb.FailRequest]]


def requests(calls: Calls, experiment: str) -> Requests:
    """One of each changing call, to be made in this order."""
    for _ in range(2):
        calls.tell(experiment, calls.assignment(experiment).lease, (1, 0.5))
    up, pausing, released, failing = (assignment.lease for assignment in calls.ask(experiment, 4).assignments)
    return [
        ("Ask", pb.AskRequest(experiment=experiment, request_id=new_id(), count=2)),
        ("Tell", tell_request(experiment, up, (1, 0.25), request_id=new_id())),
        ("Tell", tell_request(experiment, pausing, (1, 0.75), request_id=new_id())),
        (
            "Release",
            pb.ReleaseRequest(experiment=experiment, request_id=new_id(), releases=[pb.Release(lease=released)]),
        ),
        (
            "Fail",
            pb.FailRequest(
                experiment=experiment, request_id=new_id(), lease=failing, outcome=trial_pb2.OUTCOME_TRANSIENT
            ),
        ),
    ]


def test_a_reply_of_redis_lost_is_unavailable_and_a_repeat_gets_it(
    calls: Calls, far_proxy: Proxy, redis: Redis
) -> None:
    for rpc, request in requests(calls, halving(calls)):
        getattr(calls.search, rpc)(request, timeout=SECONDS)  # Redis knows each script: its first answer is the one
    experiment = halving(calls)
    for rpc, request in requests(calls, experiment):
        before = snapshot(redis)
        far_proxy.lose_replies(b"EVALSHA")
        with pytest.raises(grpc.RpcError) as failed:
            getattr(calls.search, rpc)(request, timeout=SECONDS)
        refusal = refusal_of(failed.value)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
        assert refusal.retry_seconds
        after = wait_for_change(redis, before)  # Redis may come to the call after the connection is cut
        answer = getattr(calls.search, rpc)(request, timeout=SECONDS)
        assert getattr(calls.search, rpc)(request, timeout=SECONDS) == answer
        assert differences(after, snapshot(redis)) == []


def test_a_connection_cut_after_the_call_was_handled(calls: Calls, service: Service, redis: Redis) -> None:
    experiment = halving(calls)
    for rpc, request in requests(calls, experiment):
        before = snapshot(redis)
        with proxy_to(port_of(service.address)) as proxy:
            with grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
                proxy.lose_replies(request.request_id.encode(), cut=False)
                call = getattr(Calls(channel).search, rpc).future(request, timeout=SECONDS)
                after = wait_for_change(redis, before)
                proxy.cut()
                error = call.exception()
            assert isinstance(error, grpc.RpcError)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
        answer = getattr(calls.search, rpc)(request, timeout=SECONDS)
        assert getattr(calls.search, rpc)(request, timeout=SECONDS) == answer
        assert differences(after, snapshot(redis)) == []


def wait_for_change(redis: Redis, before: Snapshot) -> Snapshot:
    """What Redis holds once it holds something else."""
    deadline = time.monotonic() + SECONDS
    while not differences(before, snapshot(redis)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return snapshot(redis)  # again: the change may have come in the middle of the one before


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_client_repeats_by_itself_with_one_effect(transport: str, calls: Calls, service: Service) -> None:
    experiment, target = halving(calls), service.target(transport)
    with proxy_to(port := port_of(target)) as proxy:
        lossy = target.replace(f":{port}", f":{proxy.port}")
        settings = rungway.ClientConfig(target=lossy, experiment=experiment, backoff_max=0.3)
        with rungway.Client(config=settings) as client:
            for number in range(2):
                proxy.lose_replies((ask_id := new_id()).encode())
                (assignment,) = client.ask_once(request_id=ask_id).assignments
                assert proxy.lost.is_set()
                assert assignment.trial == number
                proxy.lose_replies((tell_id := new_id()).encode())
                reply = client.tell(assignment, 0.5 + number, request_id=tell_id)
                assert proxy.lost.is_set()
                assert reply.decision is rungway.Decision.PAUSE
                assert len(client.get_trial(number).curve or ()) == 1
