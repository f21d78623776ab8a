"""JSON into messages: for each kind of message a function that fills it, made once from its descriptor."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from rungway_server.transport.http.codec import natural, scalars
from rungway_server.transport.http.codec.text import Refused, parse, refused

M = TypeVar("M", bound=Message)
Fill = Callable[[Any, Any], None]
"""Puts a value of JSON into a message."""

_VALUE = "rungway.v1.Value"
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[-+](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_DURATION = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?s", re.ASCII)
_ALIKE = 0.6
"""From here on a name is taken for a misspelt one (0 to 1)."""


def decode(data: bytes, kind: type[M]) -> M:
    """The message in a JSON text. Raises InvalidJson, whatever the bytes are; TypeError if this kind of message has
    fields that the wire does not use (`google.protobuf.Any`, float, …)."""
    message = kind()
    try:
        _filler(kind.DESCRIPTOR)(parse(data), message)
    except Refused as refusal:
        raise refusal.invalid() from None
    return message


@functools.cache
def _filler(kind: Descriptor) -> Fill:
    if special := _SPECIAL.get(kind.full_name):
        return special
    if kind.full_name.startswith("google.protobuf."):
        raise TypeError(f"{kind.full_name} is not in the JSON of this port")
    fields = {name: _field(field) for field in kind.fields for name in (field.name, field.json_name)}
    other = {field.name: field.json_name for field in kind.fields if field.name != field.json_name}
    nullable = {name for field in kind.fields if _is_value(field) for name in (field.name, field.json_name)}

    def fill(value: object, message: Any) -> None:
        if not isinstance(value, dict):
            raise refused(value, "an object")
        if not other.keys().isdisjoint(value):
            _refuse_two_names(value, other)
        for key, item in value.items():
            if (field := fields.get(key)) is None:
                raise _unknown(key, kind)
            if item is None and key not in nullable:
                continue
            try:
                field(item, message)
            except Refused as refusal:
                refusal.where.append(key)
                raise

    return fill


def _is_value(field: FieldDescriptor) -> bool:
    """Whether null is a value of the field, and not its absence."""
    return not field.is_repeated and field.message_type is not None and field.message_type.full_name == _VALUE


def _refuse_two_names(value: dict[str, object], other: dict[str, str]) -> None:
    for key in value:
        if (twin := other.get(key)) in value:
            raise Refused(f"is given together with {twin}, wanted one of them: they are two names of one field", key)


def _unknown(key: str, kind: Descriptor) -> Refused:
    names = [field.json_name for field in kind.fields]
    near = scalars.nearest(key, [*names, *(field.name for field in kind.fields)], _ALIKE)
    wanted = f"wanted one of {', '.join(names)}" if names else "wanted none"
    return Refused(f"unknown field, {wanted}" + (f"; probably meant: {near}" if near else ""), key)


def _field(field: FieldDescriptor) -> Fill:
    """Puts the value of a field into the message that has it."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return _map(field.name, inner)
    if field.is_repeated:
        return _repeated(field)
    name = field.name
    if inner is not None:
        fill_inner = _filler(inner)

        def fill(value: object, message: Any) -> None:
            part = getattr(message, name)
            part.SetInParent()  # also when it stays empty
            fill_inner(value, part)

    else:
        read = scalars.reader(field)

        def fill(value: object, message: Any) -> None:
            setattr(message, name, read(value))

    choice = field.containing_oneof
    # A field that is `optional` is a choice of its own.
    return fill if choice is None or len(choice.fields) == 1 else _one_of(choice.name, fill)


def _one_of(choice: str, fill: Fill) -> Fill:
    def fill_one(value: object, message: Any) -> None:
        if given := message.WhichOneof(choice):
            raise Refused(f"is given together with {given}, wanted one of them")
        fill(value, message)

    return fill_one


def _repeated(field: FieldDescriptor) -> Fill:
    name, inner = field.name, field.message_type
    fill_item = _filler(inner) if inner is not None else None
    read = scalars.reader(field) if inner is None else None

    def fill(value: object, message: Any) -> None:
        if not isinstance(value, list):
            raise refused(value, "an array")
        items = getattr(message, name)
        for index, item in enumerate(value):
            try:
                if fill_item:
                    fill_item(item, items.add())
                elif read:
                    items.append(read(item))
            except Refused as refusal:
                refusal.where.append(index)
                raise

    return fill


def _map(name: str, entry: Descriptor) -> Fill:
    keys, values = entry.fields_by_name["key"], entry.fields_by_name["value"]
    if keys.type != FieldDescriptor.TYPE_STRING:
        raise TypeError(f"{entry.full_name} is not in the JSON of this port: its keys are not texts")
    fill_item = _filler(values.message_type) if values.message_type is not None else None
    read = scalars.reader(values) if fill_item is None else None

    def fill(value: object, message: Any) -> None:
        if not isinstance(value, dict):
            raise refused(value, "an object")
        entries = getattr(message, name)
        for key, item in value.items():
            try:
                if fill_item:
                    fill_item(item, entries[scalars.text(key)])
                elif read:
                    entries[scalars.text(key)] = read(item)
            except Refused as refusal:
                refusal.where.append(key)
                raise

    return fill


def _written(form: re.Pattern[str], wanted: str) -> Fill:
    """For messages that are texts of this form and read themselves."""

    def fill(value: object, message: Any) -> None:
        try:
            if not isinstance(value, str) or not form.fullmatch(value):
                raise ValueError
            message.FromJsonString(value)
        except ValueError:
            raise refused(value, wanted) from None

    return fill


_SPECIAL: Mapping[str, Fill] = {
    _VALUE: natural.fill_value,
    "rungway.v1.MapValue": natural.fill_map,
    "rungway.v1.ListValue": natural.fill_list,
    "google.protobuf.Timestamp": _written(_TIMESTAMP, 'a time such as "2026-01-31T12:00:00.5Z"'),
    "google.protobuf.Duration": _written(_DURATION, 'a number of seconds such as "1.5s"'),
}
