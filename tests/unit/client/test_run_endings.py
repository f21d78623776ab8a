"""Rare ends of runs: no report of its own, a bad checkpoint on the way out, a loop or client that is gone."""

import gc
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig, Preempted
from rungway.v1 import experiment_service_pb2, trial_pb2
from tests.support.waiting import happens, wait_until
from tests.unit.client.scripted import DONE, Abort, Ladder, ScriptedServer, assigned, assignment
from tests.unit.client.test_trial_ends import finishes, two_trials


def resumed(server: ScriptedServer, metric: float | None) -> None:
    """A trial that told 0.7 at length 2, where its checkpoint is, and is handed out again up to 3."""
    why = trial_pb2.Explanation(reason=trial_pb2.REASON_PROMOTED)
    given = assignment(0, from_length=2, checkpoint="saved", explanation=why)
    server.on("Ask", assigned(given), DONE)
    trial = trial_pb2.Trial(trial=0, length=2)
    if metric is not None:
        trial.metric = metric
    server.on("GetTrial", experiment_service_pb2.GetTrialResponse(trial=trial))


# Finished, or released.


async def test_a_task_finishes_its_trial(server: ScriptedServer, async_client: AsyncClient) -> None:
    two_trials(server)
    server.on("Tell", finishes)
    async for trial in async_client.trials():
        async with trial:
            await trial.report(2, 0.5)
            if trial.number == 0:
                await trial.finish("saved")
                assert trial.should_stop
    told = [request.results[0] for request in server.requests("Tell")]
    assert [(result.reports[-1].length, result.checkpoint) for result in told] == [(2, "saved"), (2, "")]
    assert server.requests("Release") == server.requests("Fail") == []


@pytest.mark.parametrize("length", [2, 3.0])
async def test_a_task_finishes_a_trial_with_a_tell(
    server: ScriptedServer, async_client: AsyncClient, length: int
) -> None:
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", finishes)
    given = await async_client.ask()
    assert given is not None
    told = await async_client.tell(given, 0.5, length=length, finished=True)
    assert told.reason == rungway.Reason.FINISHED


async def test_a_task_releases_its_trial(server: ScriptedServer, async_client: AsyncClient, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)))
    async with async_client.trial() as trial:
        await trial.report(2, 0.5)
        await trial.release(Path("saved"))
    (release,) = server.requests("Release")[0].releases
    assert (release.checkpoint, release.checkpoint_length) == ("saved", 2)
    assert ladder.told == [(0, 2, 0.5)]


# A decision with no report of this lease.


def test_a_decision_of_a_resumed_trial_takes_its_last_result(
    server: ScriptedServer, client: Client, ladder: Ladder, caplog: pytest.LogCaptureFixture
) -> None:
    resumed(server, 0.7)
    for trial in client.trials():
        with trial:
            assert list(trial.lengths()) == list(range(3, 10))
    assert ladder.told == [(0, 3, 0.7), (0, 9, 0.7)]
    assert sum("its result of length 2 counts" in record.message for record in caplog.records) == 1
    assert server.requests("Fail") == []


def test_a_decision_without_a_report_takes_the_further_metrics_of_the_last(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    """Of this lease or, with the curve of the trial, of an earlier one. What it cost is told once."""
    server.on("Ask", assigned(assignment(0)), DONE)
    with client.trial() as trial:
        trial.report(2, 0.5, metrics={"latency": 12.5}, cost=3.0)
        assert list(trial.lengths()) == [3, *range(4, 10)]
    resumed(server, 0.7)
    read = trial_pb2.Trial(trial=0, length=2, metric=0.7)
    read.curve.add(length=1, metric=0.9, metrics={"latency": 20.0})
    read.curve.add(length=2, metric=0.7, metrics={"latency": 7.5})
    server.on("GetTrial", experiment_service_pb2.GetTrialResponse(trial=read))
    with client.trial() as trial:
        assert list(trial.lengths()) == list(range(3, 10))
    told = [report for request in server.requests("Tell") for report in request.results[0].reports]
    assert [(report.length, dict(report.metrics), report.cost) for report in told] == [
        (2, {"latency": 12.5}, 3.0),
        *((length, {"latency": 12.5}, 0.0) for length in (3, 9)),
        *((length, {"latency": 7.5}, 0.0) for length in (3, 9)),
    ]


# A report that was refused may come again.


def lacking(server: ScriptedServer, ladder: Ladder, at: str) -> None:
    """The first tell is refused by a report's field, and has no effect."""
    missing = Abort(
        grpc.StatusCode.INVALID_ARGUMENT,
        reason="OBJECTIVE_MISSING",
        violations=((f'results[0].{at}.metrics["latency"]', "missing"),),
    )
    server.on("Ask", assigned(assignment(0)), DONE)
    server.on("Tell", missing, ladder.tell)


def test_a_refused_report_is_repeated_as_it_should_be(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    lacking(server, ladder, "reports[2]")
    with client.trial() as trial:
        trial.report(1, 1.0)
        trial.report(2, 0.5)
        with pytest.raises(rungway.InvalidArgument) as refusal:
            trial.report(3, 0.25)
        assert refusal.value.reason == "OBJECTIVE_MISSING"
        assert trial.report(3, 0.25, metrics={"latency": 12.5})
        assert trial.next_decision == 9
        with pytest.raises(rungway.InvalidArgument, match="more than 3"):
            trial.report(3, 0.25)
        trial.report(9, 0.125, metrics={"latency": 12.5})
    assert ladder.told == [(0, 1, 1.0), (0, 2, 0.5), (0, 3, 0.25), (0, 9, 0.125)]


async def test_a_refused_report_is_repeated_in_a_task(
    server: ScriptedServer, async_client: AsyncClient, ladder: Ladder
) -> None:
    lacking(server, ladder, "reports[0]")
    async with async_client.trial() as trial:
        with pytest.raises(rungway.InvalidArgument):
            await trial.report(3, 0.25)
        assert await trial.report(3, 0.25, metrics={"latency": 12.5})
    assert ladder.told[:1] == [(0, 3, 0.25)]


def test_what_stands_before_a_refused_report_is_told(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    """Nobody repeats it: the trial fails, and its curve is as far as it was right."""
    lacking(server, ladder, "reports[1]")
    for trial in client.trials():
        with trial:
            trial.report(2, 0.5)
            trial.report(3, 0.25)
    assert ladder.told == [(0, 2, 0.5)]
    assert [request.outcome for request in server.requests("Fail")] == [trial_pb2.OUTCOME_TRANSIENT]


def test_the_last_result_does_not_count_where_it_lacks_an_objective(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    """A training that is over with a result that cannot rank has failed, and says why; it is not given back."""
    server.on("Ask", assigned(assignment(0)), DONE)
    lacks = (("results[0].finished", "got true, but the last report lacks what results rank by"),)
    server.on("Tell", Abort(grpc.StatusCode.INVALID_ARGUMENT, reason="OBJECTIVE_MISSING", violations=lacks))
    with client.trial() as trial:
        trial.report(2, 0.5)
    [failure] = server.requests("Fail")
    assert failure.outcome == trial_pb2.OUTCOME_TRANSIENT
    assert failure.message.startswith("InvalidArgument: ")
    assert server.requests("Release") == []


@pytest.mark.parametrize("plain", [False, True])
async def test_a_decision_of_a_task_takes_its_last_result(
    server: ScriptedServer, async_client: AsyncClient, ladder: Ladder, plain: bool
) -> None:
    """A plain `for` ends at the decision, so the end of the block tells it."""
    resumed(server, 0.7)
    async for trial in async_client.trials():
        async with trial:
            lengths = list(trial.lengths()) if plain else [length async for length in trial.lengths()]
            assert lengths == ([3] if plain else list(range(3, 10)))
    assert [told[1:] for told in ladder.told] == ([(3, 0.7)] if plain else [(3, 0.7), (9, 0.7)])


GONE = Abort(grpc.StatusCode.NOT_FOUND, reason="TRIAL_NOT_FOUND")


def test_a_decision_with_no_result_at_all_is_a_failure(server: ScriptedServer, client: Client) -> None:
    resumed(server, None)
    for trial in client.trials():
        with trial:
            assert list(trial.lengths()) == [3]
    assert [request.outcome for request in server.requests("Fail")] == [trial_pb2.OUTCOME_TRANSIENT]


async def test_a_decision_with_no_result_at_all_is_a_failure_in_a_task(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    resumed(server, None)
    async for trial in async_client.trials():
        async with trial:
            assert [length async for length in trial.lengths()] == [3]
    assert [request.outcome for request in server.requests("Fail")] == [trial_pb2.OUTCOME_TRANSIENT]


def test_a_decision_of_a_trial_that_is_lost_ends_it(server: ScriptedServer, client: Client) -> None:
    resumed(server, 0.7)
    server.on("GetTrial", GONE)
    server.on("Fail", GONE)
    for trial in client.trials():
        with trial:
            assert list(trial.lengths()) == [3]
    assert trial.last_reply is not None
    assert trial.last_reply.decision is rungway.Decision.SUPERSEDED


# A bad checkpoint on the way out.

BAD: list[Any] = [b"saved", "\udc80", lambda: "saved", 7]


@pytest.mark.parametrize("checkpoint", BAD)
def test_a_worker_that_leaves_with_a_bad_checkpoint_fails_its_trial(
    server: ScriptedServer, client: Client, ladder: Ladder, checkpoint: Any
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)

    def work() -> None:
        for trial in client.trials():
            with trial:
                trial.report(2, 0.5)
                raise Preempted("spot", checkpoint=checkpoint)

    with pytest.raises(Preempted):
        work()
    (failure,) = server.requests("Fail")
    assert failure.outcome == trial_pb2.OUTCOME_TRANSIENT
    assert "checkpoint: " in failure.message
    assert ladder.told == [(0, 2, 0.5)]
    assert server.requests("Release") == []


def leave(trial: rungway.TrialRun) -> None:
    raise Preempted(checkpoint="c" * 5000)


@pytest.mark.parametrize("way", [leave, lambda trial: trial.release("c" * 5000)])
def test_a_checkpoint_that_the_service_refuses_fails_the_trial_too(
    server: ScriptedServer, client: Client, way: Callable[[rungway.TrialRun], None]
) -> None:
    field = "releases[0].checkpoint"
    server.on("Release", Abort(grpc.StatusCode.INVALID_ARGUMENT, f"{field}: too long", violations=((field, "long"),)))
    server.on("Ask", assigned(assignment(0)))
    try:
        with client.trial() as trial:
            trial.report(2, 0.5)
            way(trial)
    except Preempted:
        pass
    (failure,) = server.requests("Fail")
    assert failure.outcome == trial_pb2.OUTCOME_TRANSIENT
    assert "too long" in failure.message


async def test_a_task_that_leaves_with_a_bad_checkpoint_fails_its_trial(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.on("Ask", assigned(assignment(0)))

    async def work() -> None:
        async with async_client.trial() as trial:
            await trial.report(2, 0.5)
            raise Preempted(checkpoint=b"saved")  # type: ignore[arg-type]

    with pytest.raises(Preempted):
        await work()
    assert [request.outcome for request in server.requests("Fail")] == [trial_pb2.OUTCOME_TRANSIENT]


def test_a_checkpoint_before_the_first_report_is_left_out(server: ScriptedServer, client: Client) -> None:
    """The worker must leave before its first report: that costs nothing, with or without a checkpoint."""
    server.on("Ask", assigned(assignment(0)))
    with pytest.raises(Preempted), client.trial():
        raise Preempted(checkpoint=Path("saved"))
    (release,) = server.requests("Release")[0].releases
    assert (release.checkpoint, release.checkpoint_length) == ("", 0)
    assert server.requests("Fail") == []


def test_a_refused_release_leaves_the_lease_alive(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Release", Abort(grpc.StatusCode.INVALID_ARGUMENT, violations=(("releases[0].checkpoint", "long"),)))
    server.on("Ask", assigned(assignment(0, lease_seconds=0.3)))
    given = client.ask()
    assert given is not None
    with pytest.raises(rungway.InvalidArgument):
        client.release(given, "c" * 5000, 1)
    before = len(server.requests("Heartbeat"))
    wait_until(lambda: len(server.requests("Heartbeat")) >= before + 2)
    assert client.tell(given, 0.5)


# A loop, block or client that is gone.


async def is_over(*uses: Callable[[], Coroutine[Any, Any, Any]], match: str = "loop") -> None:
    for use in uses:
        with pytest.raises(rungway.FailedPrecondition, match=match):
            await use()


async def test_a_run_of_a_task_whose_loop_is_gone_says_so_and_is_not_charged(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.on("Ask", assigned(assignment(0)))
    run = await anext(async_client.trials())
    await is_over(lambda: run.report(3, 0.5), run.finish, run.release, run.__aenter__)
    await happens(lambda: server.requests("Release"))
    assert server.requests("Fail") == server.requests("Tell") == []
    with pytest.raises(rungway.FailedPrecondition, match="loop"):
        run.lengths()


async def test_a_task_that_collects_its_trials_is_told_how_to_run_them(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.on("Ask", assigned(assignment(0)))
    with pytest.raises(rungway.FailedPrecondition, match="with trial"):
        [trial async for trial in async_client.trials()]
    assert server.requests("Fail") == []


def test_a_run_cannot_be_used_after_a_break(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    for trial in client.trials():  # noqa: B007
        break
    for use in (trial.lengths, trial.finish, trial.release, lambda: trial.report(3, 0.5), trial.__enter__):
        with pytest.raises(rungway.FailedPrecondition, match="loop"):
            use()
    assert server.requests("Fail") == []
    assert len(server.requests("Release")) == 1


async def test_a_run_of_a_task_cannot_be_used_after_a_break(server: ScriptedServer, config: ClientConfig) -> None:
    """The client is closed at once: the trial is released all the same."""
    server.on("Ask", assigned(assignment(0)))
    async with AsyncClient(config=config) as client:
        async for trial in client.trials():  # noqa: B007
            break
        await is_over(lambda: trial.report(3, 0.5), trial.finish)
    assert server.requests("Fail") == []
    assert len(server.requests("Release")) == 1


def test_a_block_that_is_under_way_outlives_its_loop(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)))
    trials = client.trials()
    with next(trials) as trial:
        del trials
        gc.collect()
        assert trial.report(3, 0.5)
    assert ladder.told == [(0, 3, 0.5)]


def test_a_run_in_a_cycle_is_released(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    kept: dict[str, Any] = {"trials": client.trials()}
    kept["trial"], kept["self"] = next(kept["trials"]), kept
    del kept
    gc.collect()
    wait_until(lambda: server.requests("Release"))
    assert server.requests("Fail") == []


def test_a_run_cannot_be_used_when_its_client_is_closed(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    trials = client.trials()
    with next(trials) as trial:
        lengths = trial.lengths()
        assert next(lengths) == 1
        client.close()
        assert trial.should_stop
        assert list(lengths) == []
        for use in (trial.lengths, trial.finish, trial.release, lambda: trial.report(1, 0.5)):
            with pytest.raises(rungway.FailedPrecondition, match="closed"):
                use()
    with pytest.raises(rungway.FailedPrecondition, match="closed"):
        next(trials)


async def test_a_run_of_a_task_cannot_be_used_when_its_client_is_closed(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.on("Ask", assigned(assignment(0)))
    async with async_client.trial() as trial:
        await async_client.close()
        await is_over(lambda: trial.report(1, 0.5), trial.finish, trial.release, match="closed")
