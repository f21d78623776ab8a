"""Clients of another version: unknown fields are ignored, and unknown values are refused by name."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from rungway.v1 import search_service_pb2
from tests.contract.every_rpc import RPCS, STREAMS, request_for
from tests.contract.transports import TRANSPORTS
from tests.support.calls import Calls, config, refusal_of, unique_name
from tests.support.service import Service
from tests.support.waiting import SECONDS

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / "proto" / "baseline.binpb"
LATER = b"\xfa\xff\x07\x05later"
"""Field 16383, a string, which no message has."""
ANSWERED = {"Ask", "GetExperiment", "ListExperiments", "PreviewSearch", "ListTrials", "GetTrial", "BestTrials"}


@pytest.fixture(scope="module", params=["grpc", "http+proto"])
def channel(request: pytest.FixtureRequest, service: Service) -> Iterator[grpc.Channel]:
    """JSON is refused with fields that are not known: who writes it by hand has misspelt one."""
    with TRANSPORTS[request.param](service) as channel:
        yield channel


def with_a_later_field(message: Message) -> bytes:
    """The message as a later version may send it: with one more field in it and in each message inside it."""
    for field, value in message.ListFields():
        if field.message_type and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                each.MergeFromString(LATER)
    return message.SerializeToString() + LATER


def outcome(channel: grpc.Channel, rpc: str, data: bytes) -> tuple[object, str]:
    """How a call ended: its status, and the reason when it was refused."""
    path, read = f"/{rpc}", bytes
    try:
        if rpc.endswith(STREAMS):
            stream: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(path)
            events = stream(data, timeout=SECONDS)
            next(iter(events))
            events.cancel()
        else:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            assert isinstance(call(data, timeout=SECONDS), read)
    except grpc.RpcError as error:
        refusal = refusal_of(error)
        return refusal.code, refusal.reason
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize("rpc", sorted(RPCS))
def test_fields_of_a_newer_client_are_read_past(rpc: str, channel: grpc.Channel, calls: Calls) -> None:
    outcomes = []
    for encode in (lambda message: message.SerializeToString(), with_a_later_field):
        experiment = unique_name("later")
        if not rpc.endswith("/CreateExperiment"):
            calls.create(experiment, config(max_trials=4))
            calls.assignment(experiment)
        outcomes.append(outcome(channel, rpc, encode(request_for(rpc, experiment))))
    assert outcomes[0] == outcomes[1]
    if rpc.rpartition("/")[2] in ANSWERED:
        assert outcomes[0] == (grpc.StatusCode.OK, "")


def test_an_outcome_of_a_newer_client_is_refused_by_name(calls: Calls) -> None:
    """An outcome must not be mistaken for another one, since this version does not know what it means."""
    experiment = unique_name("later")
    calls.create(experiment, config())
    lease = calls.assignment(experiment).lease
    request = search_service_pb2.FailRequest(experiment=experiment, lease=lease)
    request.outcome = 99  # type: ignore[assignment]  # a number that this version has no name for
    with pytest.raises(grpc.RpcError) as failed:
        calls.search.Fail(request, timeout=SECONDS)
    refusal = refusal_of(failed.value)
    assert (refusal.reason, refusal.fields) == ("INVALID_FIELD", ("outcome",))
    assert calls.trial(experiment, 0).restarts == 0


def test_an_unknown_rpc_is_unimplemented(channel: grpc.Channel) -> None:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/rungway.v1.SearchService/Later")
    with pytest.raises(grpc.RpcError) as failed:
        call(b"", timeout=SECONDS)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


def breaking(proto: Path) -> "subprocess.CompletedProcess[str]":
    buf = Path(sys.executable).parent / "buf"
    command = [str(buf), "breaking", str(proto), "--against", str(BASELINE)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)


def test_the_contract_still_has_all_that_older_clients_use(tmp_path: Path) -> None:
    """The baseline is the contract of the last release (CONTRIBUTING.md says how it is made)."""
    found = breaking(ROOT / "proto")
    assert found.returncode == 0, found.stdout + found.stderr

    trial = (ROOT / "proto/rungway/v1/trial.proto").read_text()
    for file in (ROOT / "proto").rglob("*.proto"):
        copy = tmp_path / file.relative_to(ROOT / "proto")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    (tmp_path / "rungway/v1/trial.proto").write_text(trial.replace("int64 fence = 2;", "int64 fence = 12;"))
    found = breaking(tmp_path)
    assert "fence" in found.stdout, "a changed number is not noticed"
