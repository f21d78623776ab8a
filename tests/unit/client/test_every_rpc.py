"""Every rpc of the contract has a method in both clients, and both do the same; a newer service does not upset them."""

import asyncio
import dataclasses
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import rungway
from rungway import AsyncClient, Client, ClientConfig, Lease, Outcome
from tests.unit.client.scripted import SERVICES, Abort, ScriptedServer, Stream, assignment

RPCS = {method.name: method for service in SERVICES for method in service.methods}
GIVEN = rungway.Assignment.from_proto(assignment(0))

METHODS: dict[str, Callable[[Any], Any]] = {
    "Ask": lambda client: client.ask_once(2, request_id="r"),
    "Tell": lambda client: client.tell(GIVEN, 0.5, checkpoint="c", request_id="r"),
    "Heartbeat": lambda client: client.heartbeat([Lease(0, 1)]),
    "Release": lambda client: client.release(GIVEN, "c", 1, request_id="r"),
    "Fail": lambda client: client.fail(GIVEN, Outcome.DIVERGED, "why", request_id="r"),
    "CreateExperiment": lambda client: client.create_experiment("new", {"seed": 1}, request_id="r"),
    "GetExperiment": lambda client: client.get_experiment(),
    "ListExperiments": lambda client: client.list_experiments(1),
    "PauseExperiment": lambda client: client.pause_experiment(),
    "ResumeExperiment": lambda client: client.resume_experiment(),
    "StopExperiment": lambda client: client.stop_experiment(),
    "DeleteExperiment": lambda client: client.delete_experiment(),
    "UpdateExperiment": lambda client: client.update_experiment(max_trials=9),
    "PreviewSearch": lambda client: client.preview({"seed": 1}),
    "ListTrials": lambda client: client.list_trials(1, after=3),
    "ListWorkers": lambda client: client.list_workers(),
    "GetTrial": lambda client: client.get_trial(3),
    "BestTrials": lambda client: client.best(2),
    "ListStaleCheckpoints": lambda client: client.stale_checkpoints(),
    "EnqueueTrial": lambda client: client.enqueue_trial({"lr": 0.5}, request_id="r"),
    "AddProposals": lambda client: client.add_proposals([{"lr": 0.5}], 3, revision=7),
    "ExplainTrial": lambda client: client.explain_trial(3),
    "WatchEvents": lambda client: client.watch_events(),
    "ExportExperiment": lambda client: client.export_experiment(),
}
"""By rpc, the method that calls it."""
WITHOUT_WORDS = (
    *("AddProposals", "DeleteExperiment", "EnqueueTrial", "ExportExperiment", "ListStaleCheckpoints"),
    "ListWorkers",
)
"""Rpcs whose answers have no enum."""


def by_client(config: ClientConfig, call: Callable[[Any], Any]) -> Any:
    with Client(config=config) as client:
        answer = call(client)
        return list(answer) if inspect.isgenerator(answer) else answer


def by_async_client(config: ClientConfig, call: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        async with AsyncClient(config=config) as client:
            answer = call(client)
            return [each async for each in answer] if inspect.isasyncgen(answer) else await answer

    return asyncio.run(run())


CLIENTS = (by_client, by_async_client)


def filled(kind: Any, enum: int, depth: int = 0) -> Any:
    """A message with something in every field, the words of its enums having this number, and a field that nobody
    knows."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        if field.message_type and depth > 6:  # values hold values
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            value_field = field.message_type.fields_by_name["value"]
            if inner := value_field.message_type:
                getattr(message, field.name)["a"].CopyFrom(filled(inner, enum, depth + 1))
            else:
                is_text = value_field.cpp_type == FieldDescriptor.CPPTYPE_STRING
                getattr(message, field.name)["a"] = "7" if is_text else 1
        elif field.message_type:
            value = filled(field.message_type, enum, depth + 1)
            item = getattr(message, field.name)
            if field.is_repeated:
                item.append(value)
            else:
                item.CopyFrom(value)
        else:
            scalar = {
                FieldDescriptor.CPPTYPE_STRING: "7",
                FieldDescriptor.CPPTYPE_ENUM: enum,
                FieldDescriptor.CPPTYPE_BOOL: True,
            }.get(field.cpp_type, 1)
            if field.is_repeated:
                getattr(message, field.name).append(scalar)
            else:
                setattr(message, field.name, scalar)
    if kind.full_name.startswith("rungway."):
        message.MergeFromString(b"\xfa\xff\x07\x05later")  # field 16383, a text
    return message


def script(server: ScriptedServer, rpc: str, enum: int) -> Message:
    answer: Message = filled(RPCS[rpc].output_type, enum)
    if rpc in ("ExplainTrial", "ListStaleCheckpoints"):  # whose pages are all read: this is the last
        answer.ClearField("next_page_token")
    server.on(rpc, Stream((answer,)) if RPCS[rpc].server_streaming else answer)
    return answer


def words(value: Any) -> list[StrEnum]:
    """Every word in what a client returned."""
    if isinstance(value, StrEnum):
        return [value]
    if isinstance(value, list | tuple):
        return [word for each in value for word in words(each)]
    if dataclasses.is_dataclass(value):
        return [word for field in dataclasses.fields(value) for word in words(getattr(value, field.name, None))]
    return []


def whole(value: Any) -> Any:
    """Every field of what a client returned; `repr` leaves some out."""
    if isinstance(value, list | tuple):
        return [whole(each) for each in value]
    if dataclasses.is_dataclass(value):
        return {field.name: whole(getattr(value, field.name, None)) for field in dataclasses.fields(value)}
    return repr(value)


def test_every_rpc_has_a_method() -> None:
    assert METHODS.keys() == RPCS.keys()


@pytest.mark.parametrize("rpc", RPCS)
def test_both_clients_send_and_return_the_same(rpc: str, server: ScriptedServer, config: ClientConfig) -> None:
    script(server, rpc, enum=1)
    answers = [client(config, METHODS[rpc]) for client in CLIENTS]
    of_one = ["GetExperiment", rpc] if rpc == "DeleteExperiment" else [rpc]  # its uid goes along
    assert [name for name, _ in server.calls] == of_one * 2
    first, second = server.requests(rpc)
    assert first == second
    assert whole(answers[0]) == whole(answers[1])
    assert answers[0] is not None or rpc == "DeleteExperiment"


@pytest.mark.parametrize("rpc", RPCS)
def test_both_clients_raise_the_same(rpc: str, server: ScriptedServer, config: ClientConfig) -> None:
    server.on(rpc, Abort(grpc.StatusCode.FAILED_PRECONDITION, "no", reason="WRONG_STATE", metadata={"state": "done"}))
    failures = []
    for client in CLIENTS:
        with pytest.raises(rungway.FailedPrecondition) as failed:
            client(config, METHODS[rpc])
        failures.append((str(failed.value), failed.value.reason, failed.value.details))
    assert failures[0] == failures[1]


@pytest.mark.parametrize("rpc", RPCS)
def test_enum_values_and_fields_of_a_newer_service_are_ignored(
    rpc: str, server: ScriptedServer, config: ClientConfig
) -> None:
    """Unknown words are `unknown`, and an unknown decision means: drop the work, ask again."""
    script(server, rpc, enum=99)
    for client in CLIENTS:
        found = set(words(client(config, METHODS[rpc])))
        assert found <= {"unknown", "superseded"}
        assert bool(found) == (rpc not in WITHOUT_WORDS)
