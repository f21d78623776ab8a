"""Messages into JSON: for each kind of message a function that makes what `json` writes, made from its descriptor."""

import base64
import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from rungway_server.transport.http.codec import natural, scalars

Write = Callable[[Any], object]
"""A message, or the value of a field, in what `json` writes."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False, allow_nan=False)


def encode(message: Message) -> bytes:
    """A message as JSON in UTF-8 without blanks. Raises ValueError for a Timestamp or Duration out of range, and
    TypeError if this kind of message has fields that the wire does not use."""
    return _ENCODER.encode(_writer(message.DESCRIPTOR)(message)).encode()


@functools.cache
def _writer(kind: Descriptor) -> Write:
    if kind.full_name in _SPECIAL:
        return _SPECIAL[kind.full_name]
    if kind.full_name.startswith("google.protobuf."):
        raise TypeError(f"{kind.full_name} is not in the JSON of this port")
    fields = {field.number: (field.json_name, _field(field)) for field in kind.fields}
    # Zeros are written, so that a reader in shell or JavaScript finds trial 0, and lists to iterate over.
    zeros = {field.json_name: _zero(field) for field in kind.fields if not field.has_presence}

    def write(message: Message) -> dict[str, object]:
        written = zeros.copy()
        for field, value in message.ListFields():
            name, write_field = fields[field.number]
            written[name] = write_field(value) if write_field else value
        return written

    return write


def _field(field: FieldDescriptor) -> Write | None:
    """How the value of a field is written; None if as it is."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        write_item = _one(inner.fields_by_name["value"]) or _as_it_is
        return lambda value: {key: write_item(value[key]) for key in sorted(value)}
    write_one = _one(field)
    if not field.is_repeated:
        return write_one
    return (lambda value: [write_one(item) for item in value]) if write_one else list


def _zero(field: FieldDescriptor) -> object:
    """What is written for a field that is not set, and cannot tell that from its zero."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {}
    if field.is_repeated:
        return []
    write_one = _one(field)
    return write_one(field.default_value) if write_one else field.default_value


def _one(field: FieldDescriptor) -> Write | None:
    if field.message_type is not None:
        return _writer(field.message_type)
    if field.enum_type is not None:
        return _names(field.enum_type)
    scalars.reader(field)  # what cannot be read is not written either
    return _NOT_AS_IT_IS.get(field.type)


def _as_it_is(value: object) -> object:
    return value


def _names(kind: EnumDescriptor) -> Write:
    names = {value.number: value.name for value in reversed(kind.values)}  # of two names the first

    return lambda number: names.get(number, number)


def _double(number: float) -> object:
    return number if math.isfinite(number) else scalars.not_finite(number)


def _bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    """A time without its fraction: a server writes many of the same second."""
    return Timestamp(seconds=seconds).ToJsonString().removesuffix("Z")


def _time(message: Timestamp) -> str:
    millis, rest = divmod(message.nanos, 10**6)
    if rest or not 0 <= millis < 1000:
        return message.ToJsonString()
    return f"{_second(message.seconds)}.{millis:03}Z" if millis else f"{_second(message.seconds)}Z"


_NOT_AS_IT_IS: Mapping[int, Write] = {FieldDescriptor.TYPE_DOUBLE: _double, FieldDescriptor.TYPE_BYTES: _bytes}
_SPECIAL: Mapping[str, Write] = {
    "rungway.v1.Value": natural.value_json,
    "rungway.v1.MapValue": natural.map_json,
    "rungway.v1.ListValue": natural.list_json,
    "google.protobuf.Timestamp": _time,
    "google.protobuf.Duration": lambda message: message.ToJsonString(),
}
