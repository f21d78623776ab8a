"""Trials run by a worker: reports, leases, outages and the ways to leave."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import grpc
import pytest

import rungway
from rungway import Client, Decision
from rungway.v1 import search_service_pb2, trial_pb2
from tests.support.waiting import SECONDS, wait_until
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
)


def wait_for_stop(trial: rungway.TrialRun) -> None:
    wait_until(lambda: trial.should_stop)


def lengths_told(ladder: Ladder) -> list[int]:
    return [length for _, length, _ in ladder.told]


def test_a_trial_runs_on_as_it_is_promoted(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(7)), DONE)
    saved: list[int] = []

    def save(epoch: int) -> str:
        saved.append(epoch)
        return f"c{epoch}"

    for trial in client.trials():
        with trial:
            assert (trial.number, trial.hparams, trial.checkpoint, trial.from_length, trial.to_length) == (
                7, {}, "", 0, 3
            )  # fmt: skip
            for epoch in trial.lengths():
                goes_on = trial.report(epoch, 1 / epoch, checkpoint=partial(save, epoch))
                assert goes_on == (epoch < 9)
            assert trial.should_stop
            assert trial.last_reply is not None
            assert trial.last_reply.reason == "completed"
            assert not trial.report(epoch + 1, 0.0)  # useless now, and harmless
    assert ladder.told == [(7, length, 1 / length) for length in range(1, 10)]
    # Two decisions, so two calls and two checkpoints; there was nothing to release.
    assert [len(request.results[0].reports) for request in server.requests("Tell")] == [3, 6]
    assert saved == [3, 9]
    assert ladder.checkpoints == ["c3", "c9"]
    assert server.requests("Release") == server.requests("Fail") == []


def test_a_trial_resumes_after_its_checkpoint(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0, from_length=1, checkpoint="path")), DONE)
    with client.trial() as trial:
        assert (trial.checkpoint, list(trial.lengths())) == ("path", [2, 3])
    assert ladder.told == []


@pytest.mark.parametrize(("length", "metric"), [(0, 1.0), (4, 1.0), (1.5, 1.0), (1, None), (1, "x"), (1, True)])
def test_a_wrong_report_is_refused_before_it_is_sent(
    server: ScriptedServer, client: Client, length: Any, metric: Any
) -> None:
    server.on("Ask", assigned(assignment(0)))
    with pytest.raises(rungway.InvalidArgument), client.trial() as trial:
        trial.report(length, metric)
    assert server.requests("Tell") == []
    assert [request.outcome for request in server.requests("Fail")] == [trial_pb2.OUTCOME_TRANSIENT]


def test_lengths_must_grow(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        trial.report(2, 1.0)
        with pytest.raises(rungway.InvalidArgument, match="more than 2 and at most 3"):
            trial.report(2, 1.0)


def test_a_checkpoint_between_decisions_is_told_for_its_own_length(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        trial.report(1, 1.0, "c1")
        trial.report(2, 1.0)
        trial.report(3, 1.0)
        trial.report(4, 1.0, "c4")
        trial.report(5, 1.0, "c5")
        trial.report(9, 1.0)
    results = [request.results[0] for request in server.requests("Tell")]
    sent = [(result.reports[-1].length, result.checkpoint) for result in results]
    assert sent == [(1, "c1"), (3, ""), (4, "c4"), (5, "c5"), (9, "")]


def test_a_report_between_decisions_never_waits(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", Abort(grpc.StatusCode.UNAVAILABLE))
    with connect(worker_timeout=SECONDS).trial() as trial:
        server.stop()
        begin = time.monotonic()
        assert trial.report(1, 1.0)
        assert trial.report(2, 1.0)
        assert time.monotonic() - begin < SECONDS / 4
        server.on("Tell", ladder.tell)
        server.start()
    assert lengths_told(ladder) == [1, 2]


def test_reports_held_back_for_long_are_told(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)))
    with connect(report_interval=0.05).trial() as trial:
        trial.report(1, 1.0)
        wait_until(lambda: lengths_told(ladder) == [1])
        trial.report(2, 1.0)
        wait_until(lambda: lengths_told(ladder) == [1, 2])
        trial.report(3, 1.0)
        trial.report(9, 1.0)
    assert lengths_told(ladder) == [1, 2, 3, 9]


def test_an_outage_holds_results_back_and_loses_none(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    client = connect(report_interval=0.02, attempt_timeout=0.2)
    server.on(
        "Ask", *(assigned(assignment(number, fencing_token=number, lease_seconds=0.3)) for number in range(4)), DONE
    )
    server.on("Tell", lost(ladder.tell), ladder.tell, lost(ladder.tell), ladder.tell)
    outages = 0

    def break_down() -> None:
        server.stop()
        time.sleep(0.15)
        server.start()

    for trial in client.trials():
        with trial:
            for epoch in trial.lengths():
                if epoch in (2, 3):
                    breakdown = threading.Thread(target=break_down)
                    breakdown.start()
                    outages += 1
                    time.sleep(0.02)
                    assert trial.report(epoch, 1.0)
                    breakdown.join()
                else:
                    trial.report(epoch, 1.0)
    assert outages == 8
    assert [told[:2] for told in ladder.told] == [(number, length) for number in range(4) for length in range(1, 10)]


def test_results_are_sent_again_as_they_were_first_sent(
    server: ScriptedServer, connect: Callable[..., Client], ladder: Ladder
) -> None:
    client = connect(worker_timeout=0.1)
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", lost(ladder.tell))
    with client.trial() as trial:
        trial.report(1, 1.0)
        trial.report(2, 1.0)
        with pytest.raises(rungway.OutcomeUnknown):
            trial.report(3, 1.0)
        server.on("Tell", ladder.tell)
        assert trial.to_length == 3  # the client does not know yet that it was promoted
        trial.leave()
    assert lengths_told(ladder) == [1, 2, 3]
    assert len({request.request_id for request in server.requests("Tell")}) == 1
    assert len({request.SerializeToString(deterministic=True) for request in server.requests("Tell")}) == 1


def test_leases_are_renewed_together_at_a_third_of_their_time(server: ScriptedServer, client: Client) -> None:
    messages = [assignment(number, fencing_token=number, lease_seconds=0.3) for number in range(2)]
    server.on("Ask", *(assigned(each) for each in messages))
    with client.trial(), client.trial():
        begin = time.monotonic()
        wait_until(lambda: len(server.requests("Heartbeat")) >= 4)
        taken = time.monotonic() - begin
    assert 0.25 < taken < 5
    assert {len(request.leases) for request in server.requests("Heartbeat")} == {2}


@pytest.mark.parametrize("decision", ["STOP", "SUPERSEDED"])
def test_a_lost_lease_stops_the_loop(server: ScriptedServer, client: Client, decision: str) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.1, next_decision_length=3, to_length=10**6)), DONE)
    server.on("Heartbeat", heartbeat(trial_pb2.Decision.Value(f"DECISION_{decision}")))
    stop = reply(assignment(0).lease, trial_pb2.DECISION_STOP, trial_pb2.REASON_EXPERIMENT_STOPPED)
    server.on("Tell", search_service_pb2.TellResponse(verdicts=[stop]))
    for trial in client.trials():
        with trial:
            assert not trial.should_stop
            wait_for_stop(trial)
            assert list(trial.lengths()) == []
            assert not trial.report(1, 1.0)
    # A stopped experiment still stores the result; under a lost lease it is useless.
    assert len(server.requests("Tell")) == (1 if decision == "STOP" else 0)
    assert len(server.requests("Heartbeat")) == 1


def test_an_outage_longer_than_the_lease_does_not_stop_training(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.1)))
    with client.trial() as trial:
        server.stop()
        time.sleep(0.3)
        assert not trial.should_stop
        assert trial.report(1, 1.0)
        server.start()
        assert trial.report(3, 1.0)
        trial.report(9, 1.0)
    assert lengths_told(ladder) == [1, 3, 9]


OUTCOMES = [
    (rungway.InvalidConfiguration("depth 0"), "INVALID"),
    (rungway.Diverged("loss is nan"), "DIVERGED"),
    (FloatingPointError("overflow"), "DIVERGED"),
    (OverflowError("too large"), "DIVERGED"),
    (MemoryError("out of memory"), "TRANSIENT"),
    (ValueError("x" * 10_000), "TRANSIENT"),
    (ZeroDivisionError("by zero"), "TRANSIENT"),
]


@pytest.mark.parametrize(("raised", "outcome"), OUTCOMES, ids=lambda each: type(each).__name__)
def test_an_error_of_the_trial_ends_it_and_the_worker_goes_on(
    server: ScriptedServer, client: Client, ladder: Ladder, raised: Exception, outcome: str
) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1, fencing_token=2)), DONE)
    ran = []
    for trial in client.trials():
        with trial:
            ran.append(trial.number)
            trial.report(1, 0.5)
            raise raised
    assert ran == [0, 1]
    failures = server.requests("Fail")
    assert [(request.lease.trial, request.outcome) for request in failures] == [
        (number, trial_pb2.Outcome.Value(f"OUTCOME_{outcome}")) for number in (0, 1)
    ]
    assert failures[0].message.startswith(f"{type(raised).__name__}: {raised}"[:100])
    assert len(failures[0].message.encode()) <= 4096
    # Results of an invalid configuration are worth nothing; of all others they are told first.
    assert ladder.told == ([] if outcome == "INVALID" else [(0, 1, 0.5), (1, 1, 0.5)])
    assert server.requests("Release") == []


@pytest.mark.parametrize(("raised", "outcome"), OUTCOMES, ids=lambda each: type(each).__name__)
def test_a_single_trial_tells_its_outcome_and_raises(
    server: ScriptedServer, client: Client, raised: Exception, outcome: str
) -> None:
    server.on("Ask", assigned(assignment(0)))
    with pytest.raises(type(raised)), client.trial():
        raise raised
    (request,) = server.requests("Fail")
    assert request.outcome == trial_pb2.Outcome.Value(f"OUTCOME_{outcome}")


@pytest.mark.parametrize(
    "raised", [KeyboardInterrupt(), SystemExit(1), GeneratorExit(), rungway.Preempted("spot"), rungway.Unavailable("x")]
)
def test_what_ends_the_worker_releases_the_trial(
    server: ScriptedServer, client: Client, ladder: Ladder, raised: BaseException
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)

    def work() -> None:
        for trial in client.trials():
            with trial:
                trial.report(2, 0.5)
                raise raised

    with pytest.raises(type(raised)):
        work()
    assert len(server.requests("Release")) == 1
    assert server.requests("Fail") == []
    assert ladder.told == [(0, 2, 0.5)]


def test_a_preempted_worker_may_leave_a_checkpoint(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))

    def work() -> None:
        with client.trial() as trial:
            trial.report(2, 0.5)
            raise rungway.Preempted(checkpoint="saved")

    with pytest.raises(rungway.Preempted):
        work()
    (release,) = server.requests("Release")[0].releases
    assert (release.checkpoint, release.checkpoint_length) == ("saved", 2)


def test_leaving_early_releases_the_trial_and_says_so(
    server: ScriptedServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1, fencing_token=2)), DONE)
    for trial in client.trials():
        with trial:
            trial.report(1, 0.5)
    assert [request.releases[0].lease.trial for request in server.requests("Release")] == [0, 1]
    assert "trial 0 was left at length 1 before its next decision at 3" in caplog.text


def test_a_loop_without_with_releases_what_it_leaves(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1, fencing_token=2)), DONE)
    for trial in client.trials():
        trial.report(1, 0.5)
        continue
    assert [request.releases[0].lease.trial for request in server.requests("Release")] == [0, 1]


def test_a_loop_without_with_that_is_left_counts_as_a_failure(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))

    def work() -> None:
        for trial in client.trials():
            trial.report(1, 0.5)
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        work()
    wait_until(lambda: server.requests("Fail"))
    assert server.requests("Fail")[0].outcome == trial_pb2.OUTCOME_TRANSIENT


def test_no_trial_left_is_a_typed_error(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", DONE)
    with pytest.raises(rungway.FailedPrecondition) as caught, client.trial():
        pytest.fail("there is nothing to run")
    assert caught.value.reason == "SEARCH_DONE"
    assert list(client.trials()) == []


def test_leaving_during_an_outage_takes_little_time(
    server: ScriptedServer, connect: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    server.on("Ask", assigned(assignment(0)))
    client = connect(shutdown_timeout=0.3)

    def work() -> None:
        with client.trial() as trial:
            trial.report(1, 0.5)
            server.stop()
            raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    assert time.monotonic() - begin < 10  # not total_timeout, 20 s
    assert "its lease will expire" in caplog.text


def test_a_refused_report_is_raised_and_counts_as_a_failure(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", Abort(grpc.StatusCode.INVALID_ARGUMENT, violations=(("results[0].checkpoint", "too long"),)))
    with pytest.raises(rungway.InvalidArgument), client.trial() as trial:
        trial.report(3, 0.5, "c" * 5000)
    assert len(server.requests("Tell")) == 1
    assert [request.outcome for request in server.requests("Fail")] == [trial_pb2.OUTCOME_TRANSIENT]


def test_what_was_refused_in_the_background_is_raised_by_the_next_report(
    server: ScriptedServer, connect: Callable[..., Client]
) -> None:
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", Abort(grpc.StatusCode.NOT_FOUND, "there is no experiment 'digits'"))
    with connect(report_interval=0.02).trial() as trial:
        trial.report(1, 0.5)
        wait_until(lambda: server.requests("Tell"))
        time.sleep(0.05)
        with pytest.raises(rungway.NotFound, match="digits"):
            trial.report(2, 0.5)


def test_nothing_is_renewed_after_the_last_trial(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.1)), DONE)
    for trial in client.trials():
        with trial:
            trial.report(3, 0.5)
            trial.report(9, 0.5)
    wait_until(lambda: not any(thread.name == "rungway-leases" for thread in threading.enumerate()))
    assert len(server.requests("Heartbeat")) <= 1


def test_a_heartbeat_that_crosses_the_last_report_changes_nothing(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0, lease_seconds=0.1)))
    with client.trial() as trial:
        assert trial.report(3, 0.5)
        assert not trial.report(9, 0.5)
        trial.notice(Decision.SUPERSEDED)
        assert trial.last_reply is not None
        assert trial.last_reply.decision is Decision.STOP


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "rungway"):
        yield


def test_a_service_that_lost_its_latest_changes_ends_the_trial_and_the_loop_goes_on(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1)), DONE)
    seen = []
    for trial in client.trials():
        with trial:
            for epoch in trial.lengths():
                if trial.number == 0 and epoch == 4:  # it was promoted, and the service has lost that
                    server.on("Tell", Abort(grpc.StatusCode.INVALID_ARGUMENT, reason="LENGTH_BEYOND_ASSIGNMENT"))
                if not trial.report(epoch, 1 / epoch, checkpoint="c"):
                    break
            assert trial.last_reply is not None
            seen.append((trial.number, trial.last_reply.reason))
            server.on("Tell", ladder.tell)
    assert seen == [(0, "lease_lost"), (1, "completed")]
    assert len(server.requests("Release")) == 1


def test_many_calls_in_one_outage_log_it_once(
    server: ScriptedServer,
    connect: Callable[..., Client],
    ladder: Ladder,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rungway._core.retry._LOG_AFTER", 0.1)
    client = connect()
    server.on("Ask", assigned(assignment(0, lease_seconds=0.3)))
    with client.trial() as trial:
        server.on("Heartbeat", *[Abort(grpc.StatusCode.UNAVAILABLE)] * 20, heartbeat(trial_pb2.DECISION_CONTINUE))
        server.on("Tell", *[Abort(grpc.StatusCode.UNAVAILABLE)] * 20, ladder.tell)
        trial.report(3, 0.5)
        wait_until(lambda: len(server.requests("Heartbeat")) > 20)
    logged = [record.message.partition(" ")[2] for record in caplog.records if record.levelno >= logging.WARNING]
    assert logged[0].startswith("has not answered ")
    assert logged[1].startswith("answers again ")
    assert sum("has not answered" in text for text in logged) <= 2  # heartbeats and reports fail at once, not in turn


def test_a_promoted_trial_without_a_checkpoint_is_logged_once(
    server: ScriptedServer, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    promoted = trial_pb2.Explanation(reason=trial_pb2.REASON_PROMOTED)
    requeued = trial_pb2.Explanation(reason=trial_pb2.REASON_REQUEUED)
    server.on(
        "Ask",
        assigned(assignment(0)),
        assigned(assignment(1, explanation=requeued)),
        assigned(assignment(2, explanation=promoted, checkpoint="c", from_length=1)),
        assigned(assignment(3, explanation=promoted)),
        assigned(assignment(4, explanation=promoted)),
        DONE,
    )
    for trial in client.trials():
        with trial:
            trial.release()
    said = [record.getMessage() for record in caplog.records if "starts from 0 again" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith("trial 3 was promoted")
