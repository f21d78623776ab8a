"""Bad input to the calls of workers, one row each: status, reason and field are named, and nothing changes."""

import itertools
import math

import pytest
from redis import Redis

from rungway.v1 import search_service_pb2 as pb
from rungway.v1 import trial_pb2
from rungway.v1.trial_pb2 import Lease, Result
from tests.contract.refused import INVALID, INVALID_NAMES, NOT_FOUND, refused
from tests.contract.work_rows import TABLES, Held, Request, Row, fail, release, reports, tell
from tests.support.calls import SECONDS, Calls, config, new_id, tell_request, unique_name
from tests.support.snapshot import differences, snapshot


@pytest.fixture(scope="session")
def calls(agreeing: Calls) -> Calls:
    """What is refused is refused alike over every transport."""
    return agreeing


@pytest.fixture(scope="module")
def held(calls: Calls) -> Held:
    experiment = unique_name("held")
    document = config("async_halving", num_rungs=3, divisor=3, max_length={"epochs": 9}, stop_once=True)
    calls.create(experiment, document)
    lease = calls.assignment(experiment).lease
    request_id = new_id()
    calls.tell(experiment, lease, (1, 0.5), (2, 0.25), request_id=request_id)
    return Held(experiment, lease, request_id)


ROWS = [pytest.param(rpc, row, id=f"{rpc}: {row[0]}") for rpc, rows in TABLES.items() for row in rows]


@pytest.mark.parametrize(("rpc", "row"), ROWS)
def test_a_wrong_field_is_named(rpc: str, row: Row, calls: Calls, store: Redis, held: Held) -> None:
    _, build, reason, fields = row
    refusal = refused(store, lambda: getattr(calls.search, rpc)(build(held), timeout=SECONDS))
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, reason, fields)
    assert all(refusal.violations.values())


@pytest.mark.parametrize("name", INVALID_NAMES, ids=lambda name: repr(name[:20]))
@pytest.mark.parametrize("rpc", list(TABLES))
def test_an_invalid_name(rpc: str, name: str, calls: Calls, store: Redis, held: Held) -> None:
    refusal = refused(store, lambda: getattr(calls.search, rpc)(good(rpc, held, name), timeout=SECONDS))
    assert (refusal.code, refusal.reason, refusal.fields) == (INVALID, "INVALID_FIELD", ("experiment",))


@pytest.mark.parametrize("rpc", list(TABLES))
def test_an_unknown_experiment(rpc: str, calls: Calls, store: Redis, held: Held) -> None:
    refusal = refused(store, lambda: getattr(calls.search, rpc)(good(rpc, held, "nobody"), timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "EXPERIMENT_NOT_FOUND")
    assert refusal.metadata == {"experiment": "nobody"}


def good(rpc: str, held: Held, experiment: str) -> Request:
    """A valid request, except that the experiment's name may be wrong."""
    if rpc == "Ask":
        return pb.AskRequest(experiment=experiment)
    if rpc == "Tell":
        return tell_request(experiment, held.lease, (3, 0.1))
    if rpc == "Heartbeat":
        return pb.HeartbeatRequest(experiment=experiment, leases=[held.lease])
    if rpc == "Release":
        return pb.ReleaseRequest(experiment=experiment, releases=[pb.Release(lease=held.lease)])
    return pb.FailRequest(experiment=experiment, lease=held.lease, outcome=trial_pb2.OUTCOME_TRANSIENT)


@pytest.mark.parametrize("number", [99, 2**31, 2**53 + 1, 2**63 - 1])
@pytest.mark.parametrize("rpc", ["Tell", "Release", "Fail"])
def test_an_unknown_trial(rpc: str, number: int, calls: Calls, store: Redis, held: Held) -> None:
    nobody = Held(held.experiment, Lease(trial=number, fence=held.lease.fence), "")
    refusal = refused(store, lambda: getattr(calls.search, rpc)(good(rpc, nobody, held.experiment), timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (NOT_FOUND, "TRIAL_NOT_FOUND")
    assert refusal.metadata == {"experiment": held.experiment, "trial": str(number)}


def test_an_unknown_trial_refuses_the_whole_tell(calls: Calls, store: Redis, held: Held) -> None:
    request = tell(
        held,
        Result(lease=held.lease, reports=reports((3, 0.1))),
        Result(lease=Lease(trial=99, fence=1), reports=reports((3, 0.1))),
    )
    assert refused(store, lambda: calls.search.Tell(request, timeout=SECONDS)).reason == "TRIAL_NOT_FOUND"


def test_a_length_beyond_the_second_result_refuses_the_first_too(calls: Calls, store: Redis) -> None:
    experiment = unique_name()
    calls.create(experiment, config(max_length={"epochs": 5}))
    first, second = (assignment.lease for assignment in calls.ask(experiment, 2).assignments)
    request = pb.TellRequest(
        experiment=experiment,
        results=[Result(lease=first, reports=reports((5, 0.1))), Result(lease=second, reports=reports((6, 0.1)))],
    )
    refusal = refused(store, lambda: calls.search.Tell(request, timeout=SECONDS))
    assert (refusal.reason, refusal.fields) == ("LENGTH_BEYOND_ASSIGNMENT", ("results[1].reports[0].length",))


@pytest.mark.parametrize("fencing_token", [1, 2**62, 2**63 - 1])
def test_the_lease_of_another_worker_is_superseded_and_changes_nothing(
    fencing_token: int, calls: Calls, store: Redis, held: Held
) -> None:
    lease = Lease(trial=held.lease.trial, fence=fencing_token)
    stolen = Held(held.experiment, lease, "")
    before = snapshot(store)
    reply = calls.tell(held.experiment, lease, (3, -math.inf), request_id=new_id(), checkpoint="stolen")
    released = calls.search.Release(release(stolen, pb.Release(lease=lease)), timeout=SECONDS).verdicts[0]
    failed = calls.search.Fail(fail(stolen), timeout=SECONDS).verdict
    beat = calls.search.Heartbeat(pb.HeartbeatRequest(experiment=held.experiment, leases=[lease]), timeout=SECONDS)
    for given in (reply, released, failed):
        assert given.decision == trial_pb2.DECISION_SUPERSEDED
        assert given.explanation.reason == trial_pb2.REASON_LEASE_LOST
        assert given.lease == lease
        assert given.explanation.text
    assert beat.leases[0].decision == trial_pb2.DECISION_SUPERSEDED
    assert differences(before, snapshot(store)) == []


def test_many_wrong_fields_still_fit_into_an_answer(calls: Calls, store: Redis, held: Held) -> None:
    backwards = reports(*itertools.chain.from_iterable(((2, 0.1), (1, 0.1)) for _ in range(8)))
    request = tell(held, *(Result(lease=Lease(trial=i, fence=1), reports=backwards) for i in range(256)))
    refusal = refused(store, lambda: calls.search.Tell(request, timeout=SECONDS))
    assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FIELD")
    assert refusal.fields[0] == "results[0].reports[1].length"
    assert "more" in refusal.violations[refusal.fields[-1]] or "not listed" in refusal.message
