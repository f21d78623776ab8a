"""What goes on beside the training: renewals that nothing ends, and reports of many trials told together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig
from rungway._core.calls import WorkerCalls
from rungway.models.work import LeaseStatus
from rungway.v1 import search_service_pb2, trial_pb2
from tests.support.waiting import happens, wait_until
from tests.unit.client.scripted import Abort, Ladder, ScriptedServer, assigned, assignment, heartbeat, lost

LEASE = 0.3


@contextmanager
def held(client: Client, server: ScriptedServer, count: int = 1, **fields: Any) -> Iterator[list[rungway.TrialRun]]:
    server.on("Ask", *(assigned(assignment(number, fencing_token=number, **fields)) for number in range(count)))
    with ExitStack() as stack:
        yield [stack.enter_context(client.trial()) for _ in range(count)]


@asynccontextmanager
async def held_by_tasks(
    config: ClientConfig, server: ScriptedServer, count: int = 1, **fields: Any
) -> AsyncIterator[list[rungway.AsyncTrialRun]]:
    server.on("Ask", *(assigned(assignment(number, fencing_token=number, **fields)) for number in range(count)))
    async with AsyncClient(config=config) as client, AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client.trial()) for _ in range(count)]


def renewals(server: ScriptedServer) -> int:
    return len(server.requests("Heartbeat"))


def told_by(server: ScriptedServer) -> list[set[int]]:
    """The trials of each Tell."""
    return [{result.lease.trial for result in request.results} for request in server.requests("Tell")]


FAULTS: list[Exception] = [ValueError("no number"), RuntimeError("cannot schedule"), MemoryError(), KeyError("lease")]


@pytest.fixture(params=FAULTS, ids=lambda each: type(each).__name__)
def faults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Reading the answer to a heartbeat raises these, one after the other; no heartbeat is given up meanwhile."""
    coming: list[Exception] = [request.param] * 3
    read = LeaseStatus.from_proto

    def from_proto(message: search_service_pb2.LeaseStatus) -> LeaseStatus:
        if coming:
            raise coming.pop()
        return read(message)

    heartbeat = WorkerCalls.heartbeat
    monkeypatch.setattr(LeaseStatus, "from_proto", from_proto)
    monkeypatch.setattr(WorkerCalls, "heartbeat", lambda calls, leases, limit: heartbeat(calls, leases))
    return coming


def renewals_go_on(server: ScriptedServer, faults: list[Exception]) -> None:
    """Two more after the last fault."""
    wait_until(lambda: faults == [])
    before = renewals(server)
    wait_until(lambda: renewals(server) >= before + 2)


def test_no_fault_ends_the_renewals(
    server: ScriptedServer, client: Client, faults: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with held(client, server, lease_seconds=LEASE):
        renewals_go_on(server, faults)
    assert [record.message for record in caplog.records if record.exc_info] == [
        "an error in rungway-leases, which goes on"
    ]


async def test_no_fault_ends_the_renewals_of_tasks(
    server: ScriptedServer, config: ClientConfig, faults: list[Exception]
) -> None:
    async with held_by_tasks(config, server, lease_seconds=LEASE):
        await asyncio.to_thread(renewals_go_on, server, faults)


def test_no_answer_of_a_service_ends_the_renewals(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    """A heartbeat and a tell that are answered with too little, and leases that were not asked about."""
    strange = search_service_pb2.LeaseStatus(lease=trial_pb2.Lease(trial=77), decision=trial_pb2.DECISION_STOP)
    server.on("Heartbeat", search_service_pb2.HeartbeatResponse(leases=[strange]))
    server.on("Tell", search_service_pb2.TellResponse())
    with held(connect(report_interval=0.05), server, 2, lease_seconds=LEASE) as trials:
        for trial in trials:
            trial.report(1, 0.5)
        wait_until(lambda: renewals(server) >= 3 and len(server.requests("Tell")) >= 3)
        server.on("Tell", Ladder().tell)
        assert trials[0].report(3, 0.5)


def test_a_thread_that_is_gone_is_replaced(
    server: ScriptedServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a process that has no threads left, or after a fork."""

    start = threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name.startswith("rungway-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        server.on("Ask", assigned(assignment(9, lease_seconds=LEASE)))
        with pytest.raises(RuntimeError):
            client.ask()
    with held(client, server, lease_seconds=LEASE):
        wait_until(lambda: renewals(server) >= 2)


def test_overdue_reports_of_many_trials_go_in_one_call(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    with held(connect(report_interval=0.5), server, 300) as trials:
        for trial in trials:
            trial.report(1, 0.5)
            trial.report(2, 0.5)
        wait_until(lambda: len(ladder.told) == 600)
        calls = told_by(server)
    assert max(map(len, calls)) == 64
    assert len(calls) < 60
    assert sorted((number, length) for number, length, _ in ladder.told) == [
        (number, length) for number in range(300) for length in (1, 2)
    ]


async def test_overdue_reports_of_many_tasks_go_in_one_call(
    server: ScriptedServer, config: ClientConfig, ladder: Ladder
) -> None:
    async with held_by_tasks(replace(config, report_interval=0.5), server, 100) as trials:
        for trial in trials:
            await trial.report(1, 0.5)
        await happens(lambda: len(ladder.told) == 100)
        calls = told_by(server)
    assert max(map(len, calls)) > 30
    assert sorted(number for number, _, _ in ladder.told) == list(range(100))


REFUSED = [
    (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", rungway.InvalidArgument),
    (grpc.StatusCode.NOT_FOUND, "SOMETHING_NOT_FOUND", rungway.NotFound),
    (grpc.StatusCode.OUT_OF_RANGE, "", rungway.InvalidArgument),
]


@pytest.mark.parametrize(("status", "reason", "raised"), REFUSED)
def test_of_reports_told_together_only_the_wrong_one_is_refused(
    server: ScriptedServer,
    connect: Callable[..., Client],
    ladder: Ladder,
    status: grpc.StatusCode,
    reason: str,
    raised: type[Exception],
) -> None:
    guilty = {3, 6}

    def tell(request: search_service_pb2.TellRequest) -> Any:
        refused = guilty & {result.lease.trial for result in request.results}
        return Abort(status, reason=reason) if refused else ladder.tell(request)

    server.on("Tell", tell)
    with held(connect(report_interval=0.2), server, 10) as trials:
        for trial in trials:
            trial.report(1, 0.5)
        wait_until(lambda: len(ladder.told) == 8)
        wait_until(lambda: guilty <= {min(call) for call in told_by(server) if len(call) == 1})
        for trial in trials:
            if trial.number in guilty:
                wait_until(lambda trial=trial: trial._refusal is not None)  # type: ignore[misc]
                with pytest.raises(raised):
                    trial.report(2, 0.5)
            else:
                assert trial.report(2, 0.5)
        guilty.clear()
    assert [(number, length) for number, length, _ in sorted(ladder.told) if length == 1 and number not in (3, 6)] == [
        (number, 1) for number in range(10) if number not in (3, 6)
    ]


def test_a_trial_that_the_service_has_forgotten_costs_the_others_nothing(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    def tell(request: search_service_pb2.TellRequest) -> Any:
        if any(result.lease.trial == 2 for result in request.results):
            return Abort(grpc.StatusCode.NOT_FOUND, reason="TRIAL_NOT_FOUND")
        return ladder.tell(request)

    server.on("Tell", tell)
    with held(connect(report_interval=0.2), server, 5) as trials:
        for trial in trials:
            trial.report(1, 0.5)
        wait_until(lambda: trials[2].should_stop and len(ladder.told) == 4)
        assert [trial.should_stop for trial in trials] == [False, False, True, False, False]
        assert trials[2].last_reply is not None
        assert trials[2].last_reply.decision is rungway.Decision.SUPERSEDED


def test_what_was_told_together_and_lost_may_be_repeated_alone(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    """The reply to a call for many is lost; one of them then comes to its decision by itself, the others do not."""
    server.on("Tell", lost(ladder.tell))
    with held(connect(report_interval=0.2, attempt_timeout=0.2), server, 5) as trials:
        for trial in trials:
            trial.report(1, 0.5)
        wait_until(lambda: len(ladder.told) == 5)
        server.on("Tell", ladder.tell)
        assert trials[4].report(3, 0.25)
        for trial in trials:
            trial.report(2 if trial is not trials[4] else 4, 0.5)
        wait_until(lambda: len(ladder.told) == 11)
    assert sorted(told for told in ladder.told if told[1] == 1) == [(number, 1, 0.5) for number in range(5)]


def test_an_outage_may_be_long(server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder) -> None:
    """More reports are waiting then than one call should have."""
    ladder.rungs = (10_000,)
    reach = {"to_length": 10_000, "next_decision_length": 10_000}
    with held(connect(), server, **reach) as (trial,):
        for length in range(1, 10_001):
            trial.report(length, 0.5, checkpoint="c" if length == 9_000 else None)
    assert [length for _, length, _ in ladder.told] == list(range(1, 10_001))
    sizes = [len(request.results[0].reports) for request in server.requests("Tell")]
    assert sizes == [1024] * 8 + [808, 1000]
    assert ladder.checkpoints == [""] * 8 + ["c", ""]


def test_a_call_for_many_is_bounded(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a decision of another experiment never waits for long: after an outage there is much to tell."""
    ladder.rungs = (10_000,)
    monkeypatch.setattr("rungway._core.run.Run._is_overdue", lambda run, seconds: False)
    reach = {"to_length": 10_000, "next_decision_length": 10_000}
    with held(connect(report_interval=0.05), server, 6, **reach) as trials:
        for trial in trials:
            for length in range(1, 1_501):
                trial.report(length, 0.5)
        monkeypatch.undo()
        wait_until(lambda: len(ladder.told) == 9_000)
        calls = {request.request_id: request for request in server.requests("Tell")}  # a late answer is asked for again
    sizes = [sum(len(each.reports) for each in request.results) for request in calls.values()]
    assert max(sizes) == 1024
    assert sum(sizes) == 9_000


def test_a_slow_tell_does_not_delay_renewals(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    answered = threading.Event()

    def tell(request: search_service_pb2.TellRequest) -> Any:
        answered.wait(40)
        return Ladder().tell(request)

    server.on("Tell", tell)
    server.on("Heartbeat", heartbeat(trial_pb2.DECISION_CONTINUE))
    with held(connect(report_interval=0.05, attempt_timeout=60.0), server, lease_seconds=LEASE) as (trial,):
        trial.report(1, 0.5)
        wait_until(lambda: server.requests("Tell"))
        before = renewals(server)
        try:
            wait_until(lambda: renewals(server) >= before + 3)
        finally:
            answered.set()


def test_a_trial_that_came_back_to_its_client_does_not_end_the_renewals(server: ScriptedServer, client: Client) -> None:
    """Its first lease expired unnoticed, and the same client was given it again, beside another trial."""
    server.on("Heartbeat", heartbeat(trial_pb2.DECISION_CONTINUE))
    again = [
        assigned(assignment(number, fencing_token=token, lease_seconds=LEASE))
        for number, token in ((3, 10), (4, 11), (3, 12))
    ]
    server.on("Ask", *again)
    with ExitStack() as stack:
        first, other, second = (stack.enter_context(client.trial()) for _ in range(3))
        wait_until(lambda: renewals(server) >= 2)
        assert [trial.should_stop for trial in (first, other, second)] == [True, False, False]
        for request in server.requests("Heartbeat"):
            assert len({lease.trial for lease in request.leases}) == len(request.leases)
        assert {lease.fence for lease in server.requests("Heartbeat")[-1].leases} == {11, 12}
