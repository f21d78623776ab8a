"""The event log: what a line says, and how it is followed across lost connections."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import rungway
from rungway import AsyncClient, Client, ClientConfig, Event, Reason
from rungway.v1 import experiment_pb2, experiment_service_pb2, trial_pb2
from tests.support.waiting import wait_until
from tests.unit.client.scripted import Abort, ScriptedServer, Stream

AWAY = Abort(grpc.StatusCode.UNAVAILABLE)


def event(number: int) -> experiment_pb2.Event:
    return experiment_pb2.Event(event_id=f"{number}-0", kind="assign", trial=number)


def line(number: int) -> experiment_service_pb2.WatchEventsResponse:
    return experiment_service_pb2.WatchEventsResponse(event=event(number))


@pytest.fixture
def server(server: ScriptedServer) -> ScriptedServer:
    server.on("GetExperiment", experiment_service_pb2.GetExperimentResponse())
    return server


def test_the_events_of_a_trial_are_read_with_their_missing_parts(server: ScriptedServer, client: Client) -> None:
    why = trial_pb2.Explanation(reason=trial_pb2.REASON_NOT_PROMOTED, rung=1, rank=4, rung_size=12, quota=3, cutoff=0.5)
    full = experiment_pb2.Event(
        event_id="7-1",
        time=Timestamp(seconds=1_700_000_000),
        kind="pause",
        trial=0,
        explanation=why,
        length=9,
        metric=0.0,
        worker="w1",
    )
    bare = experiment_pb2.Event(event_id="8-0", kind="done", trial=-1)
    server.on("ExplainTrial", experiment_service_pb2.ExplainTrialResponse(events=[full, bare]))
    first, second = client.explain_trial(0)
    assert (first.event_id, first.kind, first.trial, first.length, first.metric, first.worker) == (
        "7-1",
        "pause",
        0,
        9,
        0.0,
        "w1",
    )
    assert first.time.isoformat() == "2023-11-14T22:13:20+00:00"
    assert first.explanation is not None
    assert (first.explanation.rank, first.explanation.quota, first.explanation.cutoff) == (4, 3, 0.5)
    assert (second.trial, second.explanation, second.metric) == (None, None, None)
    assert server.requests("ExplainTrial")[0].trial == 0
    with pytest.raises(rungway.InvalidArgument, match="trial"):
        client.explain_trial(-1)


LONG_LIFE = (
    experiment_service_pb2.ExplainTrialResponse(events=[event(1), event(2)], next_page_token="2"),
    experiment_service_pb2.ExplainTrialResponse(next_page_token="9"),
    experiment_service_pb2.ExplainTrialResponse(
        events=[experiment_pb2.Event(kind="dropped", trial=3, dropped=7866), event(3)]
    ),
)
"""In pages, one of which is empty."""


def is_long_life(events: list[Event], server: ScriptedServer) -> bool:
    asked = [(request.trial, request.page_token) for request in server.requests("ExplainTrial")]
    told = [(each.event_id, each.kind, each.dropped) for each in events]
    return (told, asked) == (
        [("1-0", "assign", 0), ("2-0", "assign", 0), ("", "dropped", 7866), ("3-0", "assign", 0)],
        [(3, ""), (3, "2"), (3, "9")],
    )


def test_many_events_are_read_page_by_page(server: ScriptedServer, client: Client) -> None:
    server.on("ExplainTrial", *LONG_LIFE)
    assert is_long_life(client.explain_trial(3), server)


async def test_a_task_reads_many_events_page_by_page(server: ScriptedServer, async_client: AsyncClient) -> None:
    server.on("ExplainTrial", *LONG_LIFE)
    assert is_long_life(await async_client.explain_trial(3), server)


def test_every_reason_has_a_member() -> None:
    known = {name.removeprefix("REASON_").lower() for name in trial_pb2.Reason.DESCRIPTOR.values_by_name} - {
        "unspecified"
    }
    assert {reason.value for reason in Reason} - {"unknown"} == known


def test_a_log_goes_on_after_a_lost_connection(server: ScriptedServer, client: Client) -> None:
    server.on("WatchEvents", Stream((line(1), line(2), AWAY)), AWAY, Stream((line(3), line(4))))
    assert [each.event_id for each in client.watch_events("0-5")] == ["1-0", "2-0", "3-0", "4-0"]
    asked = [request.after_event_id for request in server.requests("WatchEvents")]
    assert asked == ["0-5", "2-0", "2-0"]
    assert {request.experiment for request in server.requests("WatchEvents")} == {"digits"}


def test_a_service_that_goes_and_comes_back_is_followed(server: ScriptedServer, client: Client) -> None:
    held = threading.Event()

    def hold(_: Any) -> experiment_service_pb2.WatchEventsResponse:
        held.wait(10)
        return line(99)

    server.on("WatchEvents", Stream((line(1), hold)), Stream((line(2),)))

    def restart() -> None:
        server.stop()
        time.sleep(0.1)
        server.start()

    events = client.watch_events()
    assert next(events).trial == 1
    thread = threading.Thread(target=restart)
    thread.start()
    try:
        assert [each.trial for each in events] == [2]
    finally:
        held.set()
        thread.join(10)


def test_a_long_outage_is_raised(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    server.stop()
    with pytest.raises(rungway.Unavailable):
        next(connect(total_timeout=0.3).watch_events())


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT])
def test_an_error_that_is_not_transient_is_raised_at_once(
    server: ScriptedServer, client: Client, code: grpc.StatusCode
) -> None:
    server.on("WatchEvents", Abort(code, reason="WHY"))
    with pytest.raises(rungway.RungwayError) as caught:
        next(client.watch_events())
    assert (caught.value.code, caught.value.reason) == (code, "WHY")
    assert len(server.calls) == 1


def test_an_experiment_deleted_meanwhile_is_reported(server: ScriptedServer, client: Client) -> None:
    server.on("WatchEvents", Stream((line(1), AWAY)))
    server.on("GetExperiment", Abort(grpc.StatusCode.NOT_FOUND))
    events = client.watch_events()
    assert next(events).trial == 1
    with pytest.raises(rungway.NotFound):
        next(events)


def test_the_experiment_is_checked_when_the_call_is_made(config: ClientConfig) -> None:
    with Client(config.target) as client, pytest.raises(rungway.InvalidArgument, match="RUNGWAY_EXPERIMENT"):
        client.watch_events()


def test_closing_ends_a_wait_for_events(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    held = threading.Event()

    def hold(_: Any) -> experiment_service_pb2.WatchEventsResponse:
        held.wait(10)
        return line(2)

    server.on("WatchEvents", Stream((line(1), hold)))
    client, raised = connect(), []
    seen: list[Event] = []

    def follow() -> None:
        try:
            seen.extend(client.watch_events())
        except rungway.RungwayError as error:
            raised.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    wait_until(lambda: server.requests("WatchEvents"))
    client.close()
    thread.join(5)
    held.set()
    assert [error.reason for error in raised] == ["CLIENT_CLOSED"]
    with pytest.raises(rungway.FailedPrecondition, match="closed"):
        next(client.watch_events())


async def test_a_log_goes_on_after_a_lost_connection_in_a_task(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    server.on("WatchEvents", Stream((line(1), line(2), AWAY)), AWAY, Stream((line(3),)))
    assert [each.trial async for each in async_client.watch_events()] == [1, 2, 3]
    assert [request.after_event_id for request in server.requests("WatchEvents")] == ["", "2-0", "2-0"]
    server.on("WatchEvents", Abort(grpc.StatusCode.NOT_FOUND))
    with pytest.raises(rungway.NotFound):
        await anext(async_client.watch_events())
    await async_client.close()
    with pytest.raises(rungway.FailedPrecondition, match="closed"):
        await anext(async_client.watch_events())


async def test_closing_the_async_client_ends_a_wait_for_events(
    server: ScriptedServer, async_client: AsyncClient
) -> None:
    held = threading.Event()

    def hold(_: Any) -> experiment_service_pb2.WatchEventsResponse:
        held.wait(10)
        return line(2)

    server.on("WatchEvents", Stream((line(1), hold)))
    events = async_client.watch_events()
    assert (await anext(events)).trial == 1
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.05)
    try:
        await async_client.close()
        with pytest.raises(rungway.FailedPrecondition, match="closed"):
            await asyncio.wait_for(waiting, 5)
    finally:
        held.set()


async def test_a_task_sends_the_same_requests(server: ScriptedServer, async_client: AsyncClient) -> None:
    server.on("ExplainTrial", experiment_service_pb2.ExplainTrialResponse(events=[event(1)]))
    server.on("EnqueueTrial", experiment_service_pb2.EnqueueTrialResponse(position=4))
    server.on("UpdateExperiment", experiment_service_pb2.UpdateExperimentResponse())
    server.on("CreateExperiment", experiment_service_pb2.CreateExperimentResponse())
    server.on("ListTrials", experiment_service_pb2.ListTrialsResponse())
    assert [each.event_id for each in await async_client.explain_trial(1)] == ["1-0"]
    assert await async_client.enqueue_trial({"lr": 0.1}) == 4
    await async_client.update_experiment(max_trials=3, max_concurrent_trials=2)
    await async_client.create_experiment("new", {}, warm_start_from="old", warm_start_count=2)
    await async_client.list_trials(after=7)
    update, create = server.requests("UpdateExperiment")[0], server.requests("CreateExperiment")[0]
    assert (update.max_trials, update.max_concurrent_trials) == (3, 2)
    assert (create.warm_start_from, create.warm_start_count) == ("old", 2)
    assert server.requests("ListTrials")[0].page_token == "7"
