"""The plain loop: ask, train, tell."""

import gc
import math
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

import rungway
from rungway import Client, Decision, Outcome, Reason, Report, Result
from rungway._core.waiting import MOST_HELD
from rungway.v1 import search_service_pb2, trial_pb2
from rungway.values import to_map
from tests.support.waiting import wait_until
from tests.unit.client.scripted import (
    DONE,
    Abort,
    Ladder,
    ScriptedServer,
    assigned,
    assignment,
    heartbeat,
    lost,
    reply,
    wait,
)


def test_lengths_carry_what_the_wire_says(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, next_decision_length=3, to_length=27)))
    went_on = reply(assignment(0).lease, trial_pb2.DECISION_CONTINUE, trial_pb2.REASON_BETWEEN_RUNGS)
    went_on.next_decision_length, went_on.to_length = 9, 81
    server.on("Tell", search_service_pb2.TellResponse(verdicts=[went_on]))
    given = client.ask()
    assert given is not None
    assert (given.next_decision, given.to_length) == (3, 27)
    told = client.tell(given, 0.5)
    assert (told.next_decision, told.to_length) == (9, 81)
    assert told.next is not None
    assert (told.next.next_decision, told.next.to_length) == (9, 81)


def test_an_assignment_is_all_a_worker_needs(server: ScriptedServer, client: Client) -> None:
    message = assignment(
        17, fencing_token=5, hparams=to_map({"lr": 0.1, "net": {"width": 2**40}}), from_length=1, bracket=2
    )
    message.MergeFrom(trial_pb2.Assignment(checkpoint="path", rung=1, restarts=2))
    server.on("Ask", assigned(message))
    got = client.ask()
    assert got
    assert (got.trial, got.lease.fencing_token, got.hparams) == (17, 5, {"lr": 0.1, "net": {"width": 2**40}})
    assert (got.from_length, got.next_decision, got.to_length, got.checkpoint) == (1, 3, 3, "path")
    assert (got.bracket, got.rung, got.restarts, got.lease_duration) == (2, 1, 2, 60.0)
    assert (got.explanation.reason, got.explanation.rung, got.explanation.cutoff) == (Reason.NEW_TRIAL, -1, None)
    (request,) = server.requests("Ask")
    assert (request.experiment, request.worker, request.count) == ("digits", "w1", 1)


def test_the_loop_goes_on_with_a_promoted_trial_without_asking(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1, fencing_token=2)), DONE)
    seen = []
    while got := client.ask():
        seen.append((got.trial, got.lease.fencing_token, got.from_length, got.next_decision, got.checkpoint, got.rung))
        client.tell(got, metric=0.1 * got.next_decision, checkpoint=f"at-{got.next_decision}")
    assert seen == [
        (0, 1, 0, 3, "", 0), (0, 1, 3, 9, "at-3", 1),
        (1, 2, 0, 3, "", 0), (1, 2, 3, 9, "at-3", 1),
    ]  # fmt: skip
    assert [(trial, length) for trial, length, _ in ladder.told] == [(0, 3), (0, 9), (1, 3), (1, 9)]
    assert len(server.requests("Ask")) == 3


def test_without_a_checkpoint_a_promoted_trial_starts_again_from_the_last_one(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    ranges = []
    while got := client.ask():
        ranges.append((got.from_length, got.next_decision, got.checkpoint))
        for epoch in range(got.from_length, got.next_decision):
            reply = client.tell(got, metric=1.0, length=epoch + 1)
            if not reply:
                break
    assert ranges == [(0, 3, ""), (0, 9, "")]
    # What is trained a second time is not told a second time.
    assert [length for _, length, _ in ladder.told] == list(range(1, 10))


def test_without_a_new_checkpoint_the_old_one_stays(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, from_length=1, checkpoint="old")))
    got = client.ask()
    assert got
    client.tell(got, 1.0)
    following = client.ask()
    assert following
    assert (following.from_length, following.next_decision, following.checkpoint) == (1, 9, "old")


def test_a_loop_with_reply_next_is_given_nothing_twice(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    got = client.ask()
    while got:
        got = client.tell(got, metric=1.0, checkpoint="c").next
    assert [length for _, length, _ in ladder.told] == [3, 9]
    assert client.ask() is None


def test_a_reply_reads_well(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    got = client.ask()
    assert got
    for name in ("PAUSE", "STOP", "SUPERSEDED"):
        answer = reply(assignment(0).lease, trial_pb2.Decision.Value(f"DECISION_{name}"), trial_pb2.REASON_COMPLETED)
        answer.explanation.MergeFrom(trial_pb2.Explanation(rank=1, rung_size=8, quota=2, cutoff=0.25))
        server.on("Tell", search_service_pb2.TellResponse(verdicts=[answer]))
        told = client.tell(got, 1.0)
        assert not told
        assert (told.decision, told.reason, told.text, told.next) == (
            Decision[name], Reason.COMPLETED, "REASON_COMPLETED", None
        )  # fmt: skip
        assert (told.explanation.rank, told.explanation.rung_size, told.explanation.cutoff) == (1, 8, 0.25)


def test_a_decision_of_a_newer_service_means_drop_the_work(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    answer = trial_pb2.Verdict(lease=assignment(0).lease)
    answer.MergeFromString(b"\x10\x63")  # decision = 99
    server.on("Tell", search_service_pb2.TellResponse(verdicts=[answer]))
    got = client.ask()
    assert got
    assert client.tell(got, 1.0).decision is Decision.SUPERSEDED


@pytest.mark.parametrize(
    ("metric", "sent"),
    [
        (1, 1.0), (0.1, 0.1), (math.inf, math.inf), (-math.inf, -math.inf), (np.float32(0.5), 0.5), (np.int64(3), 3.0),
        (np.array(0.25), 0.25), (Decimal("0.5"), 0.5), (Fraction(1, 4), 0.25),
    ],
)  # fmt: skip
def test_real_numbers_are_metrics(
    server: ScriptedServer, client: Client, ladder: Ladder, metric: Any, sent: float
) -> None:
    server.on("Ask", assigned(assignment(0)))
    got = client.ask()
    assert got
    client.tell(got, metric)
    assert ladder.told == [(0, 3, sent)]


def test_nan_is_a_metric(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)))
    got = client.ask()
    assert got
    client.tell(got, math.nan)
    assert math.isnan(ladder.told[0][2])


@pytest.mark.parametrize("metric", [None, True, np.bool_(True), "0.5", 1j, [0.5], np.array([0.5]), 10**400])
def test_anything_else_is_not_a_metric(server: ScriptedServer, client: Client, metric: Any) -> None:
    server.on("Ask", assigned(assignment(0)))
    got = client.ask()
    assert got
    with pytest.raises(rungway.InvalidArgument, match="wanted a real number") as caught:
        client.tell(got, metric)
    assert caught.value.violations[0][0] == "metric"
    assert server.requests("Tell") == []


@pytest.mark.parametrize("length", [0, -1, 1.5, True, "3", 2**63])
def test_lengths_are_positive_integers(server: ScriptedServer, client: Client, length: Any) -> None:
    server.on("Ask", assigned(assignment(0)))
    got = client.ask()
    assert got
    with pytest.raises(rungway.InvalidArgument) as caught:
        client.tell(got, 1.0, length=length)
    assert caught.value.violations[0][0] == "length"


def test_checkpoints_are_texts_or_paths(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)))
    got = client.ask()
    assert got
    client.tell(got, 1.0, checkpoint=Path("a") / "b")
    assert ladder.checkpoints == [str(Path("a") / "b")]
    with pytest.raises(rungway.InvalidArgument, match="checkpoint"):
        client.tell(got, 1.0, length=9, checkpoint=7)  # type: ignore[arg-type]


def test_many_results_in_one_call(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0), assignment(1, fencing_token=2)))
    reply = client.ask_once(2)
    assert reply.status == "assigned"
    results = [Result(each, [Report(1, 0.5), Report(3, 0.25)]) for each in reply.assignments]
    replies = client.tell_many(results)
    assert [(each.lease.trial, each.next_decision) for each in replies] == [(0, 9), (1, 9)]
    assert [told[:2] for told in ladder.told] == [(0, 1), (0, 3), (1, 1), (1, 3)]
    assert len(server.requests("Tell")) == 1
    with pytest.raises(rungway.InvalidArgument, match="at least one report"):
        client.tell_many([Result(reply.assignments[0], [])])


def test_wait_is_slept_and_asked_again_as_a_new_call(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", wait(0.1), wait(0.1), assigned(assignment(0)))
    begin = time.monotonic()
    assert client.ask()
    assert 0.2 <= time.monotonic() - begin < 5
    ids = [request.request_id for request in server.requests("Ask")]
    assert len(set(ids)) == 3


def test_ask_waits_no_longer_than_told(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", wait(30.0))
    begin = time.monotonic()
    with pytest.raises(rungway.DeadlineExceeded, match="concurrency_limit"):
        client.ask(timeout=0)
    assert time.monotonic() - begin < 5
    reply = client.ask_once()
    assert (reply.status, reply.reason, reply.retry_after, reply.assignments) == ("wait", "concurrency_limit", 30.0, ())


def test_an_ask_may_be_held_as_long_as_the_caller_waits(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", wait(0.0), wait(30.0))
    with pytest.raises(rungway.DeadlineExceeded):
        client.ask(timeout=0.5)
    client.ask_once()
    client.ask_once(wait=99)
    with pytest.raises(rungway.InvalidArgument, match="wait"):
        client.ask_once(wait=-1)
    first, second, plain, long = server.requests("Ask")
    assert 0.4 < first.wait.ToNanoseconds() / 1e9 <= 0.5
    assert second.wait.ToNanoseconds() < first.wait.ToNanoseconds()
    assert second.waited.ToNanoseconds() > first.waited.ToNanoseconds()
    assert (plain.HasField("wait"), long.wait.seconds) == (False, 30)


def test_an_ask_that_was_cut_is_repeated_without_being_held(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", Abort(grpc.StatusCode.UNAVAILABLE), assigned(assignment(0)))
    assert client.ask_once(wait=5).assignments
    held, again = server.requests("Ask")
    assert (held.wait.seconds, again.HasField("wait")) == (5, False)
    assert held.request_id == again.request_id


def test_few_asks_of_a_client_are_held_at_once(server: ScriptedServer, client: Client) -> None:
    taken = [client._work._holds.acquire(blocking=False) for _ in range(MOST_HELD)]
    assert all(taken)
    server.on("Ask", assigned(assignment(0)))
    client.ask_once(wait=5)
    client._work._holds.release()
    client.ask_once(wait=5)
    assert [each.HasField("wait") for each in server.requests("Ask")] == [False, True]


def test_done_names_the_best(server: ScriptedServer, client: Client) -> None:
    done = search_service_pb2.AskResponse(best_trial=trial_pb2.Trial(trial=3, best_metric=0.1))
    done.MergeFrom(DONE)
    server.on("Ask", done)
    best = client.ask_once().best
    assert best is not None
    assert (best.trial, best.best_metric) == (3, 0.1)
    assert client.ask() is None


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED"])
def test_a_lost_reply_is_requested_again_with_the_same_id(
    server: ScriptedServer, client: Client, ladder: Ladder, code: str
) -> None:
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", Abort(grpc.StatusCode[code], after=ladder.tell), lost(ladder.tell), ladder.tell)
    got = client.ask()
    assert got
    assert client.tell(got, 0.5)
    ids = [request.request_id for request in server.requests("Tell")]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ladder.told == [(0, 3, 0.5)]


def test_an_attempt_without_an_answer_is_made_again(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    def slow(request: Any) -> search_service_pb2.TellResponse:
        time.sleep(0.5)
        return ladder.tell(request)

    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", slow, ladder.tell)
    client = connect(attempt_timeout=0.2)
    got = client.ask()
    assert got
    assert client.tell(got, 0.5)
    assert len({request.request_id for request in server.requests("Tell")}) == 1
    assert len(server.requests("Tell")) == 2
    assert ladder.told == [(0, 3, 0.5)]


def test_a_tell_of_unknown_outcome_can_be_repeated(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    client = connect(worker_timeout=0.2)
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", lost(ladder.tell))
    got = client.ask()
    assert got
    with pytest.raises(rungway.OutcomeUnknown) as caught:
        client.tell(got, 0.5)
    server.on("Tell", ladder.tell)
    assert connect().tell(got, 0.5, request_id=caught.value.request_id)  # which has more time, on a busy machine
    assert ladder.told == [(0, 3, 0.5)]


def test_the_service_may_come_up_after_its_workers(server: ScriptedServer, client: Client) -> None:
    server.stop()
    server.on("Ask", assigned(assignment(0)))
    threading.Timer(0.4, server.start).start()
    assert client.ask()


def test_workers_wait_for_a_connection_and_people_do_not(
    server: ScriptedServer, connect: Callable[..., Client]
) -> None:
    server.stop()
    client = connect(worker_timeout=0.3, total_timeout=0.3)
    with pytest.raises(rungway.OutcomeUnknown) as worker:
        client.ask()
    with pytest.raises(rungway.Unavailable) as person:
        client.get_experiment()
    # gRPC waits for a connection within an attempt; over HTTP each attempt tries to open one.
    assert (worker.value.attempts == 1) is not client.config.over_http
    assert person.value.attempts > 1


def test_leases_are_renewed_released_and_failed(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(*(assignment(number, fencing_token=number) for number in range(64))))
    held = client.ask_once(64).assignments
    assert {status.decision for status in client.heartbeat(held)} == {Decision.CONTINUE}
    assert len(client.heartbeat([each.lease for each in held] * 5)) == 320
    assert [len(request.leases) for request in server.requests("Heartbeat")] == [64, 256, 64]
    assert client.release(held[0]).reason is Reason.PREEMPTED
    client.release(held[1], "path", 2)
    with pytest.raises(rungway.InvalidArgument, match="length"):
        client.release(held[2], "path")
    sent = [request.releases[0] for request in server.requests("Release")]
    assert [(each.checkpoint, each.checkpoint_length) for each in sent] == [("", 0), ("path", 2)]
    client.fail(held[3], Outcome.ERROR, "é" * 4096)
    (request,) = server.requests("Fail")
    assert (request.outcome, request.message) == (trial_pb2.OUTCOME_ERROR, "é" * 2048)
    with pytest.raises(rungway.InvalidArgument, match="transient"):
        client.fail(held[4], "broken")  # type: ignore[arg-type]


def test_threads_share_a_client_and_keep_their_own_trials(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    numbers = iter(range(20))
    lock = threading.Lock()

    def hand_out(_: Any) -> search_service_pb2.AskResponse:
        with lock:
            number = next(numbers, None)
        return DONE if number is None else assigned(assignment(number, fencing_token=number))

    server.on("Ask", hand_out)
    ran: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}

    def work(name: str) -> None:
        while got := client.ask():
            ran[name].append((got.trial, got.from_length))
            client.tell(got, 1.0, checkpoint="c")

    threads = [threading.Thread(target=work, args=(name,)) for name in ran]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(ran["a"] + ran["b"]) == [(number, begin) for number in range(20) for begin in (0, 3)]
    for steps in ran.values():  # each thread went on with what it had told itself
        assert steps[1::2] == [(number, 3) for number, _ in steps[0::2]]


def test_the_lease_of_a_held_assignment_is_renewed(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.15)))
    got = client.ask()
    wait_until(lambda: len(server.requests("Heartbeat")) >= 3)
    assert [lease.trial for lease in server.requests("Heartbeat")[0].leases] == [0]
    del got
    gc.collect()
    time.sleep(0.1)
    renewed = len(server.requests("Heartbeat"))
    time.sleep(0.3)
    assert len(server.requests("Heartbeat")) == renewed


def renewals_in(server: ScriptedServer, seconds: float) -> int:
    gc.collect()
    time.sleep(0.1)  # one that was under way
    before = len(server.requests("Heartbeat"))
    time.sleep(seconds)
    return len(server.requests("Heartbeat")) - before


def test_an_assignment_that_goes_on_keeps_the_lease(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=1.5)))
    got = client.ask()
    assert got
    told = client.tell(got, 1.0)
    following = told.next
    del got, told
    renewals = 0
    for _ in range(20):
        renewals += renewals_in(server, 0.5)
        if renewals >= 2:
            break
    assert renewals >= 2
    assert following


def test_a_loop_that_never_comes_back_lets_the_lease_expire(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.15)))
    got = client.ask()
    assert got
    assert client.tell(got, 1.0)
    del got
    assert renewals_in(server, 0.3) == 0


def test_a_lease_that_was_lost_is_not_renewed_again(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=1.5)))
    server.on("Heartbeat", heartbeat(trial_pb2.DECISION_SUPERSEDED))
    got = client.ask()
    time.sleep(2.0)
    assert len(server.requests("Heartbeat")) == 1
    assert got


def test_a_told_and_ended_lease_is_not_renewed(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.15)))
    got = client.ask()
    assert got
    assert not client.tell(got, 1.0, length=9)
    assert renewals_in(server, 0.3) == 0
    assert got.trial == 0


BEYOND = Abort(grpc.StatusCode.INVALID_ARGUMENT, reason="LENGTH_BEYOND_ASSIGNMENT")
UNKNOWN = Abort(grpc.StatusCode.NOT_FOUND, reason="TRIAL_NOT_FOUND")


@pytest.mark.parametrize("refusal", [BEYOND, UNKNOWN])
def test_a_service_that_lost_its_latest_changes_costs_the_trial_and_no_more(
    server: ScriptedServer, client: Client, refusal: Abort
) -> None:
    server.on("Ask", assigned(assignment(0)))
    given = client.ask()
    assert given
    going_on = client.tell(given, 0.5).next
    assert going_on
    server.on("Tell", refusal)
    server.on("Release", UNKNOWN)
    reply = client.tell(going_on, 0.4)
    assert (reply.decision, reply.reason) == (Decision.SUPERSEDED, "lease_lost")
    assert [request.releases[0].lease.trial for request in server.requests("Release")] == [0]
    server.on("Fail", UNKNOWN)
    assert client.fail(given, Outcome.ERROR).decision is Decision.SUPERSEDED
    assert client.release(given).decision is Decision.SUPERSEDED


def test_a_length_beyond_what_was_allowed_is_the_callers_fault(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    given = client.ask()
    assert given
    server.on("Tell", BEYOND)
    with pytest.raises(rungway.InvalidArgument):
        client.tell(given, 0.5, length=given.to_length + 1)
    assert server.requests("Release") == []
