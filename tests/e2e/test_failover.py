"""Failovers below a live service: the search goes on by itself, on the same service and with the same workers."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis import Redis

from rungway import Client
from rungway.v1 import experiment_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as pb
from tests.support import redis_topologies
from tests.support.audited import assert_sound
from tests.support.calls import SECONDS, Calls, calls_to, config, refusal_of, unique_name
from tests.support.redis_server import redis_on_socket
from tests.support.redis_topology import Topology
from tests.support.service import Service, services
from tests.support.snapshot import restore, snapshot
from tests.support.waiting import wait_until
from tests.support.worker import Worker, start_worker

TRIALS = 60
KINDS = ("sentinel", "cluster")
BOUND_SECONDS = 45.0
"""A failover takes 2 to 4 s by the settings of these nodes; the rest is for busy machines."""


@pytest.fixture(params=KINDS)
def topology(request: pytest.FixtureRequest) -> Iterator[Topology]:
    with redis_topologies.start(request.param) as topology:
        yield topology


def health(service: Service, name: str = "") -> str:
    with grpc.insecure_channel(service.address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def told(workers: list[Worker]) -> list[float]:
    """When results were acknowledged."""
    return sorted(event["time"] for worker in workers for event in worker.events("told"))


@pytest.mark.slow
def test_a_search_goes_on_after_its_primary_was_killed(
    topology: Topology, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    experiment = unique_name("failover")
    key = f"rungway:{{default/{experiment}}}:meta"
    with ExitStack() as stack:
        (service,) = stack.enter_context(services(topology.url))
        calls = stack.enter_context(calls_to(service.address))
        calls.create(
            experiment,
            config("adaptive_asha", max_trials=TRIALS, max_length={"epochs": 9}, divisor=3, lease_seconds=5.0),
        )
        workers = [start_worker(tmp_path / str(n), service.address, experiment, 0.05) for n in range(3)]
        for worker in workers:
            stack.callback(worker.kill)
        workers[0].wait_for("told", 5)

        killed = time.time()
        old = topology.kill_primary(key)
        topology.wait_for_new_primary(old, key)
        replaced = time.time()
        wait_until(lambda: told(workers)[-1] > replaced, BOUND_SECONDS)
        first = next(moment for moment in told(workers) if moment > replaced - 0.5 and moment > killed + 0.5)
        record_property("replaced_seconds", round(replaced - killed, 2))
        record_property("recovered_seconds", round(first - killed, 2))
        print(f"{topology.name}: new primary after {replaced - killed:.1f} s, next result after {first - killed:.1f} s")

        for worker in workers:
            assert worker.process.wait(SECONDS) == 0
            assert worker.events("done")
        found = calls.experiments.GetExperiment(pb.GetExperimentRequest(experiment=experiment), timeout=SECONDS)
        assert found.experiment.state == experiment_pb2.EXPERIMENT_STATE_DONE
        assert found.experiment.trials.started == TRIALS
        assert service.process.poll() is None
        asyncio.run(assert_sound(topology.admin_url, experiment))


def test_a_service_tells_that_redis_is_away_and_serves_again(topology: Topology) -> None:
    """At start and in the middle: calls are refused within their deadline; health tells; nothing is restarted."""
    for node in topology.nodes:
        node.kill()
    with ExitStack() as stack:
        (service,) = stack.enter_context(services(topology.url, 1, "--redis-timeout", "2"))
        calls = stack.enter_context(calls_to(service.address))
        _is_away(service, calls)
        for node in topology.nodes:
            node.launch()
        wait_until(lambda: health(service) == "SERVING", 90)
        calls.create("after", config())
        assert calls.assignment("after").lease.trial == 0
        for node in topology.nodes:
            node.kill()
        _is_away(service, calls)


def test_a_lease_that_a_failover_has_lost_is_answered_as_superseded() -> None:
    """A replica that lacks the last writes, played by putting Redis back to an earlier state."""
    experiment = unique_name("lost-lease")
    with ExitStack() as stack:
        url = stack.enter_context(redis_on_socket())
        (service,) = stack.enter_context(services(url))
        calls = stack.enter_context(calls_to(service.address))
        redis = stack.enter_context(Redis.from_url(url))
        client = stack.enter_context(Client(service.address, experiment=experiment))
        calls.create(experiment, config(max_trials=4))
        kept = client.ask()
        before = snapshot(redis)
        lost = client.ask()
        assert kept
        assert lost
        restore(redis, before)

        with pytest.raises(grpc.RpcError) as refused:
            calls.tell(experiment, trial_pb2.Lease(trial=lost.trial, fence=lost.lease.fencing_token), (1, 0.5))
        assert refusal_of(refused.value).reason == "TRIAL_NOT_FOUND"
        reply = client.tell(lost, 0.5)
        assert (reply.decision, bool(reply)) == ("superseded", False)
        assert client.tell(kept, 0.5).decision == "stop"
        asyncio.run(assert_sound(url, experiment))


def _is_away(service: Service, calls: Calls) -> None:
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as refused:
        calls.ask("after")
    assert time.monotonic() - began < SECONDS
    assert refusal_of(refused.value).reason == "STORE_UNAVAILABLE"
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    wait_until(lambda: health(service) == "NOT_SERVING", BOUND_SECONDS)
    assert health(service, "liveness") == "SERVING"
