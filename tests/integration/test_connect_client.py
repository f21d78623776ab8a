"""The official client of the Connect protocol for Python makes every rpc."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest
from connectrpc.client import ConnectClientSync
from connectrpc.codec import Codec
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.compression.gzip import GzipCompression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2

from rungway_server.service.access import ROLES
from rungway_server.service.tokens import Role
from tests.contract.every_rpc import RPCS, STREAMS, Transport, request_for
from tests.support.calls import SECONDS, Calls, config, unique_name
from tests.support.service import Service, services
from tests.unit.http.every_kind import has_values

PLAIN, GZIP = None, GzipCompression()


@pytest.fixture(scope="module")
def service(redis_url: str) -> Iterator[Service]:
    with services(redis_url) as (running,):
        yield running


@pytest.fixture(scope="module")
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.address) as channel:
        yield channel


def method(rpc: str) -> MethodInfo[Message, Message]:
    """An rpc from its descriptor, as generated code for the client has it."""
    service, _, name = rpc.partition("/")
    found = Default().FindServiceByName(service).methods_by_name[name]
    return MethodInfo(
        name=name,
        service_name=service,
        input=GetMessageClass(found.input_type),
        output=GetMessageClass(found.output_type),
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS if readable(rpc) else IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.SERVER_STREAM if rpc.endswith(STREAMS) else StreamType.UNARY,
    )


def kinds(rpc: str) -> tuple[Any, Any]:
    return method(rpc).input.DESCRIPTOR, method(rpc).output.DESCRIPTOR


def readable(rpc: str) -> bool:
    return ROLES[rpc] is Role.READ and not rpc.endswith(STREAMS)


def first(client: ConnectClientSync, rpc: str, request: Message, **options: Any) -> Message:
    """The answer of an rpc; of a stream, the first."""
    if rpc.endswith(STREAMS):
        with closing(client.execute_server_stream(request=request, method=method(rpc), **options)) as messages:  # type: ignore[type-var]  # a generator
            return next(iter(messages))
    return client.execute_unary(request=request, method=method(rpc), **options)


def started(channel: grpc.Channel, **searcher: Any) -> str:
    """A new search with a trial that runs."""
    calls, name = Calls(channel), unique_name("connect")
    calls.create(name, config(max_trials=4, **searcher))
    calls.assignment(name)
    return name


def client(service: Service, codec: Codec[Any, Any], compression: GzipCompression | None) -> ConnectClientSync:
    accepted = [compression] if compression else []
    return ConnectClientSync(
        f"http://{service.http}", codec=codec, send_compression=compression, accept_compression=accepted
    )


@pytest.mark.parametrize("compression", [PLAIN, GZIP], ids=["plain", "gzip"])
@pytest.mark.parametrize("rpc", RPCS)
def test_every_rpc(rpc: str, compression: GzipCompression | None, service: Service, channel: grpc.Channel) -> None:
    external: dict[str, Any] = {"proposals": "external"} if rpc.endswith("/AddProposals") else {}
    experiment = unique_name("made") if rpc.endswith("/CreateExperiment") else started(channel, **external)
    request = request_for(rpc, experiment)
    with client(service, google_protobuf_binary_codec(), compression) as caller:
        answer = first(caller, rpc, request, timeout_ms=int(SECONDS * 1000))
        assert isinstance(answer, method(rpc).output)
        if readable(rpc):
            assert timeless(first(caller, rpc, request, use_get=True)) == timeless(answer)
        if "experiment" in request.DESCRIPTOR.fields_by_name and not rpc.endswith("/CreateExperiment"):
            check_refusal(caller, rpc, channel)


def timeless(answer: Any) -> bytes:
    """An answer, byte by byte for the sake of NaN, without the time at which it was read."""
    copy = type(answer)()
    copy.CopyFrom(answer)
    if "view" in copy.DESCRIPTOR.fields_by_name:
        copy.view.ClearField("time")
    if "time" in copy.DESCRIPTOR.fields_by_name:
        copy.ClearField("time")
    data: bytes = copy.SerializeToString(deterministic=True)
    return data


def check_refusal(caller: ConnectClientSync, rpc: str, channel: grpc.Channel) -> None:
    """What is refused over gRPC is refused alike, with all details."""
    request = request_for(rpc, unique_name("nobody"))
    refusal = Transport(channel).call(rpc, request, {})
    with pytest.raises(ConnectError) as failed:
        first(caller, rpc, request)
    assert refusal
    assert failed.value.code.name == refusal.code.name == "NOT_FOUND"
    assert failed.value.message == refusal.message
    (info,) = (each for each in failed.value.details if each.type_name == "google.rpc.ErrorInfo")
    assert error_details_pb2.ErrorInfo.FromString(info.message_bytes) == error_details_pb2.ErrorInfo(
        reason=refusal.reason, domain="rungway", metadata=refusal.metadata
    )


@pytest.mark.parametrize("rpc", [rpc for rpc in RPCS if not any(map(has_values, kinds(rpc)))])
def test_json_where_it_is_that_of_other_clients(rpc: str, service: Service, channel: grpc.Channel) -> None:
    """That is, without values of any type. Integers are texts in their requests, and numbers in the answers."""
    request = request_for(rpc, started(channel))
    with client(service, google_protobuf_json_codec(ignore_unknown_fields=False), PLAIN) as caller:
        assert isinstance(first(caller, rpc, request), method(rpc).output)


def test_a_stream_to_its_end(service: Service, channel: grpc.Channel) -> None:
    calls, name = Calls(channel), unique_name("connect")
    calls.create(name, config(max_trials=2))
    for lease in [calls.assignment(name).lease for _ in range(2)]:
        calls.tell(name, lease, (1, 0.5))
    rpc = "rungway.v1.ExperimentService/WatchEvents"
    with client(service, google_protobuf_binary_codec(), GZIP) as caller:
        over_http = list(caller.execute_server_stream(request=request_for(rpc, name), method=method(rpc)))
    stub: Any = channel.unary_stream(f"/{rpc}")
    over_grpc = [
        method(rpc).output.FromString(data)
        for data in stub(request_for(rpc, name).SerializeToString(), timeout=SECONDS)
    ]
    assert over_http == over_grpc
    assert over_http[-1].event.kind == "done"  # type: ignore[attr-defined]  # an event
