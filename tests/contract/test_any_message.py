"""No request, however odd, is answered UNKNOWN or INTERNAL, and none hangs."""

from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rungway.v1 import experiment_service_pb2, search_service_pb2
from tests.support.calls import Calls, Refusal, config, refusal_of
from tests.support.service import Service

METHODS: list[MethodDescriptor] = [
    method
    for file, service in ((search_service_pb2, "SearchService"), (experiment_service_pb2, "ExperimentService"))
    for method in file.DESCRIPTOR.services_by_name[service].methods
]
ALLOWED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
}
KNOWN = "any-1"
WORDS = [KNOWN, "any-2", "", "searcher", "name", "random", "metric", "max_trials", "1", "{x}"]
TEXTS = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DEEPEST = 5

FD = FieldDescriptor
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FD.CPPTYPE_INT32: st.integers(-1, 5) | st.integers(-(2**31), 2**31 - 1),
    FD.CPPTYPE_INT64: st.integers(-1, 5) | st.integers(-(2**63), 2**63 - 1),
    FD.CPPTYPE_DOUBLE: st.floats(),
    FD.CPPTYPE_BOOL: st.booleans(),
    FD.CPPTYPE_ENUM: st.integers(-1, 9),
    FD.CPPTYPE_STRING: TEXTS,
}


@st.composite
def messages(draw: st.DrawFn, kind: type[Message], depth: int = 0) -> Message:
    """A message of a kind with any of its fields set to anything."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if draw(st.integers(0, 3)) == 0 and field.name != "experiment":
            continue
        fill(draw, message, cast("FieldDescriptor", field), depth)
    return message


def fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    """Give a field a value; beyond DEEPEST nested messages stay empty."""
    kind = field.message_type
    if kind is None:
        scalar = SCALARS[field.cpp_type]
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(scalar, max_size=3)))
        else:
            setattr(message, field.name, draw(scalar))
    elif depth == DEEPEST:
        return
    elif kind.GetOptions().map_entry:  # the maps of this contract hold messages
        entries = messages(class_of(kind.fields_by_name["value"].message_type), depth + 1)
        for key, entry in draw(st.dictionaries(TEXTS, entries, max_size=3)).items():
            getattr(message, field.name)[key].CopyFrom(entry)
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(messages(class_of(kind), depth + 1), max_size=3)))
    else:
        getattr(message, field.name).CopyFrom(draw(messages(class_of(kind), depth + 1)))


def class_of(descriptor: Any) -> type[Message]:
    """The class of a message; the types of descriptors are wide, hence Any."""
    return GetMessageClass(descriptor)


@pytest.fixture(scope="module")
def channel(service: Service, calls: Calls) -> Any:
    """A channel to the service, on which an experiment named KNOWN has leases."""
    calls.create(
        KNOWN, config(max_length={"epochs": 5}, max_trials=10_000), request_id=KNOWN
    )  # maybe not the first time
    calls.ask(KNOWN, 4)
    with grpc.insecure_channel(service.address) as channel:
        yield channel


def answer(channel: grpc.Channel, method: MethodDescriptor, data: bytes) -> Refusal | None:
    """How the service refused these bytes; None when it did not."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}"
    )
    try:
        call(data, timeout=10)
    except grpc.RpcError as error:
        return refusal_of(error)
    return None


def typed(refusal: Refusal | None) -> bool:
    """Whether an answer is one that a caller may get."""
    return refusal is None or (refusal.code in ALLOWED and bool(refusal.reason))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_any_message(method: MethodDescriptor, channel: grpc.Channel) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(request=messages(GetMessageClass(method.input_type)))
    def run(request: Message) -> None:
        assert typed(answer(channel, method, request.SerializeToString()))

    run()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_any_bytes(method: MethodDescriptor, channel: grpc.Channel) -> None:
    bad_utf8, cut_off, deep = b"\x0a\x02\xff\xfe", b"\x0a\x05ab", b"\x1a\x80\x08" * 300
    for data in (b"", b"\xff\xff\xff", bad_utf8, cut_off, deep, b"\x00" * 100, bytes(range(256))):
        assert typed(answer(channel, method, data))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_bytes_that_are_no_message_are_refused_as_such(method: MethodDescriptor, channel: grpc.Channel) -> None:
    refusal = answer(channel, method, b"\xff\xff\xff")
    assert refusal
    if refusal.code is not grpc.StatusCode.UNIMPLEMENTED:
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNREADABLE_REQUEST")
        assert refusal.fields == ("request",)
