"""Workers and servers that die, or stop for a while, in mid-search: it finishes, and nothing told is lost."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from rungway import Client
from rungway.v1 import experiment_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as experiments_pb
from rungway.v1 import search_service_pb2 as pb
from tests.support.calls import SECONDS, Calls, calls_to, config, new_id, unique_name
from tests.support.proxy import proxy_to
from tests.support.redis_server import port_of
from tests.support.service import TRANSPORTS, Service, services
from tests.support.snapshot import differences, snapshot
from tests.support.worker import Worker, start_worker

LEASE_SECONDS = 1.5
BOUND_SECONDS = 4.0
"""How long after its lease expired a trial may wait for another worker: they ask at least once a second."""
FOREVER = 3600.0


@contextmanager
def workers(stack: ExitStack, count: int, folder: Path, target: str, experiment: str) -> Iterator[list[Worker]]:
    """Some workers, killed at the end."""
    running = [start_worker(folder / f"worker {number}", target, experiment, 0.02) for number in range(count)]
    for worker in running:
        stack.callback(worker.kill)
    yield running


def told(*workers: Worker) -> Counter[tuple[int, int, float]]:
    """Every result that was acknowledged to a worker, by trial, length and metric."""
    return Counter(
        (event["trial"], event["length"], event["metric"])
        for worker in workers
        for event in worker.events("told")
        if event["decision"] != "superseded"
    )


def stored(calls: Calls, experiment: str, trials: int) -> Counter[tuple[int, int, float]]:
    """Every result in the curves."""
    return Counter(
        (number, report.length, report.metric)
        for number in range(trials)
        for report in calls.trial(experiment, number).curve
    )


def target_of(stack: ExitStack, transport: str, servers: list[Service]) -> str:
    """Where workers reach the first of these servers that lives."""
    if transport == "grpc":
        return f"ipv4:{','.join(server.address for server in servers)}"
    balancer = stack.enter_context(proxy_to(*(port_of(server.http) for server in servers)))
    return f"http://127.0.0.1:{balancer.port}"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_worker_and_a_server_killed_in_mid_search(transport: str, redis_url: str, tmp_path: Path) -> None:
    experiment, trials = unique_name("kill"), 40
    with ExitStack() as stack:
        doomed, survivor = stack.enter_context(services(redis_url, 2))
        calls = stack.enter_context(calls_to(survivor.address))
        calls.create(
            experiment,
            config(
                "adaptive_asha", max_trials=trials, max_length={"epochs": 9}, divisor=3, lease_seconds=LEASE_SECONDS
            ),
        )
        target = target_of(stack, transport, [doomed, survivor])
        victim = start_worker(tmp_path / "victim", target, experiment, 0.01, 1, FOREVER)
        stack.callback(victim.kill)
        hanging = victim.wait_for("hanging")
        others = stack.enter_context(workers(stack, 3, tmp_path, target, experiment))
        time.sleep(LEASE_SECONDS * 1.5)  # its lease is renewed in the background as long as it lives
        assert calls.trial(experiment, hanging["trial"]).state == trial_pb2.TRIAL_STATE_RUNNING

        victim.process.kill()
        killed = time.time()
        others[0].wait_for("told", 3)
        doomed.kill()

        for worker in others:
            assert worker.process.wait(SECONDS) == 0
            assert worker.events("done")

        found = calls.experiments.GetExperiment(
            experiments_pb.GetExperimentRequest(experiment=experiment), timeout=SECONDS
        )
        assert found.experiment.state == experiment_pb2.EXPERIMENT_STATE_DONE
        assert found.experiment.trials.started == trials
        assert stored(calls, experiment, trials) == told(victim, *others)

        trial = calls.trial(experiment, hanging["trial"])
        assert trial.restarts == 0  # it has made progress since
        assert trial.state != trial_pb2.TRIAL_STATE_FAILED
        again = min(
            event["time"]
            for worker in others
            for event in worker.events("asked")
            if event["trial"] == trial.trial and event["restarts"] == 1
        )
        assert again - killed <= LEASE_SECONDS + BOUND_SECONDS


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_servers_killed_one_after_the_other_lose_nothing(transport: str, redis_url: str, tmp_path: Path) -> None:
    experiment, trials = unique_name("chain"), 60
    with ExitStack() as stack:
        servers = stack.enter_context(services(redis_url, 3))
        calls = stack.enter_context(calls_to(servers[-1].address))
        calls.create(experiment, config("adaptive_asha", max_trials=trials, max_length={"epochs": 9}, divisor=3))
        target = target_of(stack, transport, servers)
        running = stack.enter_context(workers(stack, 3, tmp_path, target, experiment))
        for count, server in ((5, servers[0]), (20, servers[1])):
            running[0].wait_for("told", count)
            server.kill()
        for worker in running:
            assert worker.process.wait(SECONDS) == 0
        assert stored(calls, experiment, trials) == told(*running)
        assert not any(trial.restarts for trial in (calls.trial(experiment, number) for number in range(trials)))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_wakes(
    transport: str, redis_url: str, tmp_path: Path
) -> None:
    experiment = unique_name("stopped")
    with ExitStack() as stack:
        (service,) = stack.enter_context(services(redis_url))
        calls = stack.enter_context(calls_to(service.address))
        redis = stack.enter_context(Redis.from_url(redis_url))
        calls.create(experiment, config("single", max_length={"epochs": 3}, lease_seconds=1.0))
        sleeper = start_worker(tmp_path / "sleeper", service.target(transport), experiment, 0.0, 1, 2.0)
        stack.callback(sleeper.kill)
        sleeper.wait_for("hanging")
        sleeper.process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)
        assignment = calls.assignment(experiment)
        assert (assignment.restarts, assignment.from_length, assignment.checkpoint) == (1, 1, "at 1")
        assert assignment.explanation.reason == trial_pb2.REASON_REQUEUED
        assert calls.tell(experiment, assignment.lease, (3, 0.5)).decision == trial_pb2.DECISION_STOP

        before = snapshot(redis)
        sleeper.process.send_signal(signal.SIGCONT)
        late = sleeper.wait_for("told", 2)
        assert (late["length"], late["decision"]) == (2, "superseded")
        assert sleeper.process.wait(SECONDS) == 0
        assert differences(before, snapshot(redis)) == []
        assert [report.length for report in calls.trial(experiment, 0).curve] == [1, 3]


def test_a_late_tell_while_another_holds_the_trial_changes_nothing(redis_url: str) -> None:
    experiment = unique_name("late")
    with services(redis_url) as (service,), calls_to(service.address) as calls, Redis.from_url(redis_url) as redis:
        calls.create(experiment, config("single", max_length={"epochs": 3}, lease_seconds=0.2))
        old = calls.assignment(experiment)
        time.sleep(0.3)
        new = calls.assignment(experiment)
        assert new.lease.trial == old.lease.trial
        assert new.lease.fence > old.lease.fence
        before = snapshot(redis)
        reply = calls.tell(experiment, old.lease, (3, -1.0), request_id=new_id(), checkpoint="stolen")
        assert reply.decision == trial_pb2.DECISION_SUPERSEDED
        assert reply.explanation.reason == trial_pb2.REASON_LEASE_LOST
        assert differences(before, snapshot(redis)) == []


def test_a_trial_whose_workers_all_die_ends_after_its_restarts(redis_url: str) -> None:
    experiment, lease = unique_name("poison"), 0.3
    with services(redis_url) as (service,), calls_to(service.address) as calls:
        calls.create(experiment, config("single", lease_seconds=lease, max_restarts=2))
        for restarts in range(3):
            asked = time.monotonic()
            while (answer := calls.ask(experiment)).status == pb.ASK_STATUS_WAIT:
                time.sleep(answer.retry_after.ToMilliseconds() / 1000)
            (assignment,) = answer.assignments
            assert assignment.restarts == restarts
            assert time.monotonic() - asked <= lease + 1.0  # as soon as the lease has expired: the hint says how long
        time.sleep(lease)
        assert calls.ask(experiment).status == pb.ASK_STATUS_DONE
        trial = calls.trial(experiment, 0)
        assert (trial.state, trial.outcome) == (trial_pb2.TRIAL_STATE_FAILED, trial_pb2.OUTCOME_TRANSIENT)


def test_a_server_killed_between_ask_and_tell(redis_url: str) -> None:
    experiment, ask_id, tell_id = unique_name("between"), new_id(), new_id()
    with services(redis_url) as (first,), calls_to(first.address) as calls:
        calls.create(experiment, config(max_trials=2))
        asked = calls.ask(experiment, request_id=ask_id)
        first.kill()
        with services(redis_url) as (second,), calls_to(second.address) as calls_again:
            assert calls_again.ask(experiment, request_id=ask_id) == asked
            lease = asked.assignments[0].lease
            reply = calls_again.tell(experiment, lease, (1, 0.5), request_id=tell_id)
            assert reply.decision == trial_pb2.DECISION_STOP
            second.kill()
            with services(redis_url) as (third,), calls_to(third.address) as calls_at_last:
                assert calls_at_last.tell(experiment, lease, (1, 0.5), request_id=tell_id) == reply
                assert calls_at_last.ask(experiment, request_id=ask_id) == asked
                assert [report.metric for report in calls_at_last.trial(experiment, 0).curve] == [0.5]


def test_a_loop_that_releases_every_trial_comes_to_an_end(redis_url: str) -> None:
    experiment, rounds = unique_name("breaks"), 0
    with services(redis_url) as (service,), calls_to(service.address) as calls:
        calls.create(experiment, config("single", max_restarts=2))
        with Client(service.address, experiment=experiment) as client:
            for trial in client.trials():
                with trial:
                    rounds += 1
        assert rounds == 5  # two that cost nothing, then max_restarts, and the one that is too many
        trial_at_last = calls.trial(experiment, 0)
        assert trial_at_last.state == trial_pb2.TRIAL_STATE_FAILED
        assert "given back without progress" in trial_at_last.message
