"""The kinds of messages that JSON is tested with: those of the wire, and one with every type that a field may have."""

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message
from hypothesis import strategies as st

from rungway.v1 import errors_pb2, experiment_pb2, experiment_service_pb2, search_service_pb2, trial_pb2, value_pb2
from tests.fuzz.strange import class_of, messages

_FILES = (value_pb2, trial_pb2, experiment_pb2, search_service_pb2, experiment_service_pb2, errors_pb2)
WIRE: dict[str, type[Message]] = {
    name: class_of(kind)
    for file in _FILES
    for name, kind in file.DESCRIPTOR.message_types_by_name.items()
    if name != "RpcStatus"  # details in an Any: only ever sent as protobuf
}
"""By name. Nested kinds are part of others."""

_TIMES = {"google.protobuf.Timestamp": 253_402_300_800, "google.protobuf.Duration": 315_576_000_001}
_VALUES = ("Value", "MapValue", "ListValue")


def has_values(kind: Any) -> bool:
    """Whether a kind of message holds values of any type, which are natural JSON."""
    inner = (field.message_type for field in kind.fields if field.message_type)
    return kind.name in _VALUES or any(map(has_values, inner))


def made(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Messages of a kind with anything in them that JSON can say: its times are in the range, and all NaNs alike."""
    return messages(kind).map(_tamed)


def _tamed(message: Message) -> Message:
    for part in _parts(message):
        if most := _TIMES.get(part.DESCRIPTOR.full_name):
            part.seconds, part.nanos = part.seconds % most, part.nanos % 10**9 if part.seconds % most else 0
        for field, value in part.ListFields():
            if isinstance(value, float) and math.isnan(value):
                setattr(part, field.name, math.nan)
            elif field.message_type and field.message_type.GetOptions().map_entry:
                for name in [name for name, each in value.items() if isinstance(each, float) and math.isnan(each)]:
                    value[name] = math.nan
    return message


def _parts(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = list(value.values()) if field.message_type.fields_by_name["value"].message_type else []
        else:
            inner = list(value) if field.is_repeated else [value]
        for item in inner:
            yield from _parts(item)


def _every_type() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto(name="every_type.proto", package="test", syntax="proto3")
    file.dependency.append("rungway/v1/value.proto")
    file.dependency.append("google/protobuf/any.proto")
    colour = file.enum_type.add(name="Colour")
    for number, name in enumerate(("COLOUR_UNSPECIFIED", "COLOUR_RED", "COLOUR_GREEN")):
        colour.value.add(name=name, number=number)
    _message(file, "EveryType", {"one_bytes": "bytes", "one_uint32": "uint32", "one_uint64": "uint64", "flag": "bool"})
    every = file.message_type[0]
    every.field.add(name="value", number=20, type=11, type_name=".rungway.v1.Value", label=1)
    every.field.add(name="colours", number=21, type=14, type_name=".test.Colour", label=3)
    every.field.add(name="numbers", number=22, type=1, label=3)
    every.field.add(name="by_name", number=23, type=11, type_name=".test.EveryType.ByNameEntry", label=3)
    entry = every.nested_type.add(name="ByNameEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=9, label=1)
    entry.field.add(name="value", number=2, type=5, label=1)
    every.oneof_decl.add(name="choice")
    every.field.add(name="this", number=24, type=9, label=1, oneof_index=0)
    every.field.add(name="that", number=25, type=3, label=1, oneof_index=0)
    _message(file, "HasFloat", {"x": "float"})
    _message(file, "HasAny", {})
    file.message_type[2].field.add(name="x", number=1, type=11, type_name=".google.protobuf.Any", label=1)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    return class_of(descriptor_pool.Default().FindMessageTypeByName("test.EveryType"))


def _message(file: Any, name: str, fields: dict[str, str]) -> None:
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), 1):
        kind_number = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        message.field.add(name=field, number=number, type=kind_number, label=1)


EVERY_TYPE = _every_type()
HAS_FLOAT, HAS_ANY = (
    class_of(descriptor_pool.Default().FindMessageTypeByName(f"test.{name}")) for name in ("HasFloat", "HasAny")
)
"""Kinds with a field that the wire does not use."""
