"""`Value`, `MapValue` and `ListValue` as natural JSON, in both directions. The rules are those of the package."""

import math
import re
from typing import Any

from rungway.v1.value_pb2 import ListValue, MapValue, Value
from rungway.values import MAX_DEPTH
from rungway_server.transport.http.codec import scalars
from rungway_server.transport.http.codec.text import Refused, refused

_MOST_LEVELS = 30
"""Levels of maps and lists that are read: as many as protobuf's parsers take in every message of the wire. A request
with more than MAX_DEPTH, and no more than these, is refused as the same one in protobuf is."""
_SAFE = 2**53 - 1
"""Up to here, integers and doubles of JavaScript are the same."""
_MARKED = re.compile(r"\$+(?:double|int)")
_NUMBERS = {"$double": ("double_value", scalars.double), "$int": ("int_value", scalars.int64)}
_WANTED = 'null, true, false, a text, a number ({"$double": "NaN"} for none), an array or an object'


def fill_value(value: object, message: Value, depth: int = 0) -> None:
    """Give an empty message the value."""
    if isinstance(value, float):
        message.double_value = value
    elif isinstance(value, str):
        message.string_value = scalars.text(value)
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        message.int_value = scalars.int64(value)
    elif isinstance(value, dict):
        _fill_object(message, value, depth)
    elif isinstance(value, list):
        fill_list(value, message.list_value, depth + 1)
    elif value is not None:
        raise refused(value, _WANTED)


def fill_map(value: object, message: MapValue, depth: int = 1) -> None:
    """Fill an empty map."""
    if not isinstance(value, dict):
        raise refused(value, "an object")
    _check_depth(depth)
    message.SetInParent()  # also when it stays empty
    entries = message.entries
    for key, item in value.items() if len(value) != 1 else _unmarked(value):
        try:
            fill_value(item, entries[scalars.text(key)], depth)
        except Refused as refusal:
            refusal.where.append(key)
            raise


def fill_list(value: object, message: ListValue, depth: int = 1) -> None:
    """Fill an empty list."""
    if not isinstance(value, list):
        raise refused(value, "an array")
    _check_depth(depth)
    message.SetInParent()
    items = message.items
    for index, item in enumerate(value):
        try:
            fill_value(item, items.add(), depth)
        except Refused as refusal:
            refusal.where.append(index)
            raise


def _fill_object(message: Value, value: dict[str, object], depth: int) -> None:
    key = next(iter(value), "") if len(value) == 1 else ""
    if key not in _NUMBERS:
        fill_map(value, message.map_value, depth + 1)
        return
    field, read = _NUMBERS[key]
    try:
        setattr(message, field, read(value[key]))
    except Refused as refusal:
        refusal.where.append(key)
        raise


def _unmarked(value: dict[str, object]) -> list[tuple[str, object]]:
    """The only entry of a map, as it was before the map was written."""
    ((key, item),) = value.items()
    if key in _NUMBERS:
        raise Refused(f"got a number ({key}), wanted an object")
    return [(key[1:] if _MARKED.fullmatch(key) else key, item)]


def _check_depth(depth: int) -> None:
    if depth > _MOST_LEVELS:
        raise Refused(f"nested deeper than {MAX_DEPTH} levels")


def value_json(message: Value) -> object:
    """A value in what `json` writes."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    value = getattr(message, kind)
    if kind == "double_value":
        return value if math.isfinite(value) else {"$double": scalars.not_finite(value)}
    if kind == "int_value":
        return value if -_SAFE <= value <= _SAFE else {"$int": str(value)}
    if kind == "map_value":
        return map_json(value)
    return list_json(value) if kind == "list_value" else value


def map_json(message: MapValue) -> dict[str, object]:
    """A map in what `json` writes, by name, so that equal maps are written equally."""
    entries: Any = message.entries
    written = {key: value_json(entries[key]) for key in sorted(entries)}
    if len(written) == 1 and _MARKED.fullmatch(key := next(iter(written))):
        return {f"${key}": written[key]}
    return written


def list_json(message: ListValue) -> list[object]:
    """A list in what `json` writes."""
    return [value_json(item) for item in message.items]
