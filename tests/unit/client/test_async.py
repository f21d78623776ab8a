"""The asyncio client does the same as the client for threads."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

import rungway
from rungway import AsyncClient, ClientConfig
from rungway.v1 import experiment_pb2, experiment_service_pb2, trial_pb2
from tests.support.waiting import happens
from tests.unit.client.scripted import DONE, Abort, Ladder, ScriptedServer, assigned, assignment, lost, wait


@pytest.fixture
async def client(config: ClientConfig) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(config=config) as client:
        yield client


async def test_the_plain_loop(server: ScriptedServer, client: AsyncClient, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)), wait(0.05), lost(DONE), DONE)
    server.on("Tell", lost(ladder.tell), ladder.tell)
    seen = []
    while got := await client.ask():
        seen.append((got.from_length, got.next_decision, got.checkpoint))
        await client.tell(got, metric=0.5, checkpoint=f"at-{got.next_decision}")
    assert seen == [(0, 3, ""), (3, 9, "at-3")]
    assert ladder.told == [(0, 3, 0.5), (0, 9, 0.5)]
    first, second = server.requests("Ask")[-2:]
    assert first.request_id == second.request_id


async def test_tasks_keep_their_own_trials(server: ScriptedServer, client: AsyncClient, ladder: Ladder) -> None:
    server.on("Ask", *(assigned(assignment(number, fencing_token=number)) for number in range(10)), DONE)
    ran: dict[int, list[tuple[int, int]]] = {}

    async def work(name: int) -> None:
        while got := await client.ask():
            ran.setdefault(name, []).append((got.trial, got.from_length))
            await client.tell(got, 1.0, checkpoint="c")

    await asyncio.gather(*(work(name) for name in range(3)))
    assert sorted(step for steps in ran.values() for step in steps) == [
        (number, begin) for number in range(10) for begin in (0, 3)
    ]
    for steps in ran.values():
        assert steps[1::2] == [(number, 3) for number, _ in steps[0::2]]


async def test_a_trial_runs_on_as_it_is_promoted(server: ScriptedServer, client: AsyncClient, ladder: Ladder) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)

    async def save() -> str:
        await asyncio.sleep(0)
        return "saved"

    async for trial in client.trials():
        async with trial:
            for epoch in trial.lengths():
                assert await trial.report(epoch, 1.0, checkpoint=save) == (epoch < 9)
    assert [length for _, length, _ in ladder.told] == list(range(1, 10))
    assert ladder.checkpoints == ["saved", "saved"]


async def test_errors_map_to_outcomes(server: ScriptedServer, client: AsyncClient) -> None:
    server.on("Ask", *(assigned(assignment(number, fencing_token=number)) for number in range(3)), DONE)
    raised = iter([rungway.InvalidConfiguration("x"), rungway.Diverged("y"), ValueError("z")])
    async for trial in client.trials():
        async with trial:
            raise next(raised)
    outcomes = [request.outcome for request in server.requests("Fail")]
    assert outcomes == [trial_pb2.OUTCOME_INVALID, trial_pb2.OUTCOME_DIVERGED, trial_pb2.OUTCOME_TRANSIENT]


async def test_a_cancelled_task_releases_its_trial(server: ScriptedServer, client: AsyncClient) -> None:
    server.on("Ask", assigned(assignment(0)))
    training = asyncio.Event()

    async def work() -> None:
        async with client.trial() as trial:
            await trial.report(1, 1.0)
            training.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await training.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(server.requests("Release")) == 1
    assert [report.length for report in server.requests("Tell")[0].results[0].reports] == [1]


async def test_leases_are_renewed_and_overdue_reports_told(
    server: ScriptedServer, config: ClientConfig, ladder: Ladder
) -> None:
    settings = ClientConfig(target=config.target, experiment="digits", report_interval=0.05)
    server.on("Ask", assigned(assignment(0, lease_seconds=0.3)))
    async with AsyncClient(config=settings) as client, client.trial() as trial:
        await trial.report(1, 1.0)
        await happens(lambda: ladder.told == [(0, 1, 1.0)])
        await happens(lambda: len(server.requests("Heartbeat")) >= 2)
        await trial.report(3, 1.0)
        await trial.report(9, 1.0)
    assert [length for _, length, _ in ladder.told] == [1, 3, 9]


async def test_an_outage_holds_results_back_and_loses_none(
    server: ScriptedServer, client: AsyncClient, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)

    async def break_down() -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(0.15)
        await asyncio.to_thread(server.start)

    async for trial in client.trials():
        async with trial:
            for epoch in trial.lengths():
                breakdown = asyncio.create_task(break_down()) if epoch in (3, 9) else None
                await asyncio.sleep(0.02)
                await trial.report(epoch, 1.0)
                if breakdown is not None:
                    await breakdown
    assert [length for _, length, _ in ladder.told] == list(range(1, 10))


async def test_failures_are_typed(server: ScriptedServer, client: AsyncClient) -> None:
    server.on("GetExperiment", Abort(grpc.StatusCode.NOT_FOUND, reason="EXPERIMENT_NOT_FOUND"))
    with pytest.raises(rungway.NotFound) as caught:
        await client.get_experiment()
    assert caught.value.reason == "EXPERIMENT_NOT_FOUND"
    with pytest.raises(rungway.InvalidArgument):
        await client.get_trial(-1)


async def test_best_is_one_or_many(server: ScriptedServer, client: AsyncClient) -> None:
    two = experiment_service_pb2.BestTrialsResponse(trials=[trial_pb2.Trial(trial=4), trial_pb2.Trial(trial=2)])
    server.on("BestTrials", two)
    best = await client.best()
    assert best is not None
    assert best.trial == 4
    assert [trial.trial for trial in await client.best(2)] == [4, 2]


async def test_no_trial_left_is_a_typed_error(server: ScriptedServer, client: AsyncClient) -> None:
    server.on("Ask", DONE)
    with pytest.raises(rungway.FailedPrecondition) as caught:
        async with client.trial():
            pytest.fail("there is nothing to run")
    assert caught.value.reason == "SEARCH_DONE"


async def test_a_closed_client_says_so(config: ClientConfig) -> None:
    client = AsyncClient(config=config)
    await client.close()
    with pytest.raises(rungway.FailedPrecondition, match="closed"):
        await client.ask()


async def test_a_repeated_delete_names_the_experiment_that_was_there(
    server: ScriptedServer, client: AsyncClient
) -> None:
    found = [
        experiment_service_pb2.GetExperimentResponse(experiment=experiment_pb2.Experiment(uid=uid))
        for uid in ("one", "another")
    ]
    server.on("GetExperiment", *found)
    gone = Abort(grpc.StatusCode.NOT_FOUND)
    server.on("DeleteExperiment", lost(experiment_service_pb2.DeleteExperimentResponse()), gone)
    await client.delete_experiment()
    assert [request.uid for request in server.requests("DeleteExperiment")] == ["one", "one"]
