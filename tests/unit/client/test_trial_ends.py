"""How a trial's block ends, and what becomes of the trial."""

from collections.abc import Callable

import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig
from rungway.v1 import search_service_pb2, trial_pb2
from tests.unit.client.scripted import DONE, Ladder, ScriptedServer, assigned, assignment, reply


def finishes(request: search_service_pb2.TellRequest) -> search_service_pb2.TellResponse:
    assert all(result.finished for result in request.results)
    stop, why = trial_pb2.DECISION_STOP, trial_pb2.REASON_FINISHED
    return search_service_pb2.TellResponse(verdicts=[reply(each.lease, stop, why) for each in request.results])


def two_trials(server: ScriptedServer) -> None:
    server.on("Ask", assigned(assignment(0)), assigned(assignment(1, fencing_token=2)), DONE)


def test_a_block_left_normally_with_something_told_has_finished(server: ScriptedServer, client: Client) -> None:
    two_trials(server)
    server.on("Tell", finishes)
    for trial in client.trials():
        with trial:
            for epoch in trial.lengths():
                if epoch > 2:
                    break
                trial.report(epoch, 0.5)
    assert [request.results[0].reports[-1].length for request in server.requests("Tell")] == [2, 2]
    assert server.requests("Release") == server.requests("Fail") == []


@pytest.mark.parametrize("length", [2, 3.0])
def test_a_trial_is_finished_by_a_call(server: ScriptedServer, client: Client, length: int) -> None:
    server.on("Ask", assigned(assignment(0)))
    server.on("Tell", finishes)
    given = client.ask()
    assert given is not None
    told = client.tell(given, 0.5, length=length, finished=True)
    assert (told.decision, told.reason) == (rungway.Decision.STOP, rungway.Reason.FINISHED)
    with client.trial() as trial:
        trial.report(1.0, 0.5)  # type: ignore[arg-type]
        trial.finish("saved")
        assert trial.should_stop
    assert server.requests("Tell")[1].results[0].checkpoint == "saved"


def test_a_trial_is_released_by_a_call(server: ScriptedServer, client: Client, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        trial.report(2, 0.5)
        trial.release("saved")
    (release,) = server.requests("Release")[0].releases
    assert (release.checkpoint, release.checkpoint_length) == ("saved", 2)
    assert not server.requests("Tell")[0].results[0].finished


def test_a_decision_without_a_report_takes_the_last_one(
    server: ScriptedServer, client: Client, ladder: Ladder, caplog: pytest.LogCaptureFixture
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    for trial in client.trials():
        with trial:
            for epoch in trial.lengths():
                if epoch % 2 == 0:
                    trial.report(epoch, 1 / epoch)
    assert ladder.told == [(0, 2, 1 / 2), (0, 3, 1 / 2), (0, 4, 1 / 4), (0, 6, 1 / 6), (0, 8, 1 / 8), (0, 9, 1 / 8)]
    assert sum("trial.next_decision" in record.message for record in caplog.records) == 1


async def test_a_decision_without_a_report_takes_the_last_one_in_a_task(
    server: ScriptedServer, config: ClientConfig, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    async with AsyncClient(config=config) as client:
        async for trial in client.trials():
            async with trial:
                async for epoch in trial.lengths():
                    if epoch % 2 == 0:
                        await trial.report(epoch, 0.5)
    assert [length for _, length, _ in ladder.told] == [2, 3, 4, 6, 8, 9]


def test_a_decision_with_nothing_reported_is_a_failure(server: ScriptedServer, client: Client) -> None:
    two_trials(server)
    for trial in client.trials():
        with trial:
            list(trial.lengths())
    failures = server.requests("Fail")
    assert [request.outcome for request in failures] == [trial_pb2.OUTCOME_TRANSIENT] * 2
    assert "without any report" in failures[0].message


BAD: list[Callable[[rungway.TrialRun], object]] = [
    lambda trial: trial.report(1, None),
    lambda trial: trial.report(1, "0.5"),
    lambda trial: trial.report(1, 0.5, metrics={"loss": "0.5"}),
    lambda trial: trial.report(0, 0.5),
    lambda trial: (trial.report(1, 0.5), trial.report(1, 0.5)),
    lambda trial: trial.report(1, 0.5, checkpoint="\udc80"),
    lambda trial: trial.report(1, 0.5, checkpoint=b"saved"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("report", BAD)
def test_a_refused_report_fails_its_trial_and_the_worker_goes_on(
    server: ScriptedServer, client: Client, ladder: Ladder, report: Callable[[rungway.TrialRun], object]
) -> None:
    two_trials(server)
    for trial in client.trials():
        with trial:
            report(trial)
    failures = server.requests("Fail")
    assert [request.lease.trial for request in failures] == [0, 1]
    assert failures[0].message.startswith("InvalidArgument: ")


@pytest.mark.parametrize("metric", [None, "0.5", [0.5], True])
async def test_a_refused_report_fails_its_trial_in_a_task(
    server: ScriptedServer, config: ClientConfig, ladder: Ladder, metric: object
) -> None:
    two_trials(server)
    async with AsyncClient(config=config) as client:
        async for trial in client.trials():
            async with trial:
                await trial.report(1, metric)
    assert [request.lease.trial for request in server.requests("Fail")] == [0, 1]
    assert ladder.told == []


def test_a_run_whose_loop_is_gone_says_so_and_is_not_charged(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    run = next(client.trials())
    with pytest.raises(rungway.FailedPrecondition, match="loop"), run:
        pytest.fail("it is gone")
    with pytest.raises(rungway.FailedPrecondition, match="with trial"):
        list(client.trials())
    with client.trial() as kept:
        kept.release()
    for use in (kept.lengths, kept.finish, lambda: kept.report(1, 0.5)):
        with pytest.raises(rungway.FailedPrecondition, match="block"):
            use()
    assert server.requests("Fail") == []
    assert len(server.requests("Release")) == 3


def test_a_search_that_paused_itself_is_raised(server: ScriptedServer, client: Client) -> None:
    waits, why = search_service_pb2.ASK_STATUS_WAIT, trial_pb2.REASON_FAILING
    server.on("Ask", search_service_pb2.AskResponse(status=waits, reason=why, message="KeyError: 'lr'"))
    with pytest.raises(rungway.FailedPrecondition, match="KeyError: 'lr'") as caught:
        list(client.trials())
    assert caught.value.reason == "FAILING"
