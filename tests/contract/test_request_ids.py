"""A request id has one effect and one response; a different request with the same id is refused."""

import grpc
import pytest
from redis import Redis

from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from tests.contract.refused import refused
from tests.support.calls import SECONDS, Calls, config, new_id, tell_request, unique_name
from tests.support.snapshot import differences, snapshot


@pytest.fixture
def experiment(calls: Calls) -> str:
    """Promotion form, rungs at 1, 3 and 9, sixteen trials."""
    name = unique_name("ids")
    calls.create(name, config("async_halving", num_rungs=3, divisor=3, max_length={"epochs": 9}, max_trials=16))
    return name


def reused(store: Redis, request_id: str, *calls: object) -> None:
    """Each call must be refused because its id was used for another request."""
    for call in calls:
        refusal = refused(store, call)  # type: ignore[arg-type]  # lambdas
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        assert refusal.metadata == {"request_id": request_id}


def test_ask(calls: Calls, store: Redis, experiment: str) -> None:
    request_id = new_id()
    first = calls.ask(experiment, 2, request_id)
    before = snapshot(store)
    assert calls.ask(experiment, 2, request_id) == first
    assert differences(before, snapshot(store)) == []
    reused(
        store,
        request_id,
        lambda: calls.ask(experiment, 3, request_id),
        lambda: calls.ask(experiment, 2, request_id, worker="another"),
    )
    assert calls.ask(experiment, 2, new_id()).assignments[0].lease.trial == 2


def test_an_ask_without_an_id_is_a_new_one_each_time(calls: Calls, experiment: str) -> None:
    assert [calls.assignment(experiment).lease.trial for _ in range(3)] == [0, 1, 2]


def test_a_reply_to_wait_is_not_remembered(calls: Calls) -> None:
    experiment, request_id = unique_name(), new_id()
    calls.create(experiment, config(max_concurrent_trials=1))
    lease = calls.assignment(experiment).lease
    waiting = calls.ask(experiment, request_id=request_id)
    assert (waiting.status, waiting.reason) == (pb.ASK_STATUS_WAIT, trial_pb2.REASON_CONCURRENCY_LIMIT)
    assert waiting.retry_after.ToMilliseconds() > 0
    calls.tell(experiment, lease, (1, 0.5))
    assert calls.ask(experiment, request_id=request_id).assignments[0].lease.trial == 1


def told_twice(calls: Calls, store: Redis, request: pb.TellRequest, decision: int) -> None:
    first = calls.search.Tell(request, timeout=SECONDS)
    assert first.verdicts[0].decision == decision
    before = snapshot(store)
    again = calls.search.Tell(request, timeout=SECONDS)
    assert again.verdicts == first.verdicts
    assert differences(before, snapshot(store)) == []
    other = pb.TellRequest()
    other.CopyFrom(request)
    other.results[0].reports[0].metric = 77.0
    reused(store, request.request_id, lambda: calls.search.Tell(other, timeout=SECONDS))


def test_tell_that_pauses(calls: Calls, store: Redis, experiment: str) -> None:
    lease = calls.assignment(experiment).lease
    told_twice(calls, store, tell_request(experiment, lease, (1, 0.5), request_id=new_id()), trial_pb2.DECISION_PAUSE)


def test_tell_that_promotes(calls: Calls, store: Redis, experiment: str) -> None:
    for metric in (0.9, 0.8):
        calls.tell(experiment, calls.assignment(experiment).lease, (1, metric))
    lease = calls.assignment(experiment).lease
    request = tell_request(experiment, lease, (1, 0.1), request_id=new_id(), checkpoint="c")
    told_twice(calls, store, request, trial_pb2.DECISION_CONTINUE)


def test_tell_between_rungs(calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config(max_length={"epochs": 5}))
    lease = calls.assignment(experiment).lease
    told_twice(
        calls, store, tell_request(experiment, lease, (1, 0.5), request_id=new_id()), trial_pb2.DECISION_CONTINUE
    )
    told_twice(calls, store, tell_request(experiment, lease, (5, 0.5), request_id=new_id()), trial_pb2.DECISION_STOP)


def test_a_tell_of_several_results(calls: Calls, store: Redis, experiment: str) -> None:
    leases = [assignment.lease for assignment in calls.ask(experiment, 6).assignments]
    results = [
        trial_pb2.Result(lease=lease, reports=[trial_pb2.Report(length=1, metric=i / 10)])
        for i, lease in enumerate(leases)
    ]
    request = pb.TellRequest(experiment=experiment, request_id=new_id(), results=results)
    first = calls.search.Tell(request, timeout=SECONDS)
    assert [reply.lease for reply in first.verdicts] == leases
    before = snapshot(store)
    assert calls.search.Tell(request, timeout=SECONDS).verdicts == first.verdicts
    assert differences(before, snapshot(store)) == []


def test_release(calls: Calls, store: Redis, experiment: str) -> None:
    lease = calls.assignment(experiment).lease
    request = pb.ReleaseRequest(experiment=experiment, request_id=new_id(), releases=[pb.Release(lease=lease)])
    first = calls.search.Release(request, timeout=SECONDS)
    assert first.verdicts[0].decision == trial_pb2.DECISION_PAUSE
    calls.assignment(experiment)  # another worker holds the trial now
    before = snapshot(store)
    assert calls.search.Release(request, timeout=SECONDS).verdicts == first.verdicts
    assert differences(before, snapshot(store)) == []
    other = pb.ReleaseRequest()
    other.CopyFrom(request)
    other.releases[0].lease.fence += 1_000_000
    reused(store, request.request_id, lambda: calls.search.Release(other, timeout=SECONDS))


@pytest.mark.parametrize(
    ("outcome", "decision"),
    [
        ("PREEMPTED", trial_pb2.DECISION_PAUSE),
        ("TRANSIENT", trial_pb2.DECISION_PAUSE),
        ("INVALID", trial_pb2.DECISION_STOP),
        ("DIVERGED", trial_pb2.DECISION_STOP),
        ("ERROR", trial_pb2.DECISION_STOP),
        ("STOPPED", trial_pb2.DECISION_STOP),
    ],
)
def test_fail(outcome: str, decision: int, calls: Calls, store: Redis, experiment: str) -> None:
    lease = calls.assignment(experiment).lease
    request = pb.FailRequest(
        experiment=experiment,
        request_id=new_id(),
        lease=lease,
        outcome=trial_pb2.Outcome.Value(f"OUTCOME_{outcome}"),
        message="it broke",
    )
    first = calls.search.Fail(request, timeout=SECONDS)
    assert first.verdict.decision == decision
    before = snapshot(store)
    assert calls.search.Fail(request, timeout=SECONDS).verdict == first.verdict
    assert differences(before, snapshot(store)) == []
    other = pb.FailRequest()
    other.CopyFrom(request)
    other.outcome = trial_pb2.OUTCOME_ERROR if outcome != "ERROR" else trial_pb2.OUTCOME_DIVERGED
    reused(store, request.request_id, lambda: calls.search.Fail(other, timeout=SECONDS))


def test_an_ended_lease_is_superseded_under_a_new_id(calls: Calls, store: Redis, experiment: str) -> None:
    lease = calls.assignment(experiment).lease
    calls.tell(experiment, lease, (1, 0.5), request_id=new_id())
    before = snapshot(store)
    assert calls.tell(experiment, lease, (1, 0.5), request_id=new_id()).decision == trial_pb2.DECISION_SUPERSEDED
    assert differences(before, snapshot(store)) == []


def altered(request: pb.TellRequest, **changes: object) -> pb.TellRequest:
    """The same tell with another checkpoint, or another metric in its first report."""
    other = pb.TellRequest()
    other.CopyFrom(request)
    if "checkpoint" in changes:
        other.results[0].checkpoint = str(changes["checkpoint"])
    else:
        other.results[0].reports[0].metric = 77.0
    return other


@pytest.mark.parametrize("length", [2, 5], ids=["while the lease lives", "after it has ended"])
def test_a_tell_that_differs_anywhere_is_another_request(length: int, calls: Calls, store: Redis) -> None:
    experiment, request_id = unique_name(), new_id()
    calls.create(experiment, config(max_length={"epochs": 5}))
    lease = calls.assignment(experiment).lease
    request = tell_request(experiment, lease, (1, 0.5), (length, 0.25), request_id=request_id, checkpoint="c")
    calls.search.Tell(request, timeout=SECONDS)
    reused(
        store,
        request_id,
        lambda: calls.search.Tell(altered(request, checkpoint="d"), timeout=SECONDS),
        lambda: calls.search.Tell(altered(request), timeout=SECONDS),
    )


def test_a_release_or_failure_that_differs_anywhere_is_another_request(
    calls: Calls, store: Redis, experiment: str
) -> None:
    first, second = (assignment.lease for assignment in calls.ask(experiment, 2).assignments)
    release_id, fail_id = new_id(), new_id()

    def release(checkpoint: str) -> pb.ReleaseResponse:
        item = pb.Release(lease=first, checkpoint=checkpoint)
        request = pb.ReleaseRequest(experiment=experiment, request_id=release_id, releases=[item])
        return calls.search.Release(request, timeout=SECONDS)

    def fail(message: str) -> pb.FailResponse:
        request = pb.FailRequest(
            experiment=experiment, request_id=fail_id, lease=second, outcome=trial_pb2.OUTCOME_ERROR, message=message
        )
        return calls.search.Fail(request, timeout=SECONDS)

    release("c")
    fail("it broke")
    reused(store, release_id, lambda: release("d"))
    reused(store, fail_id, lambda: fail("it broke again"))
