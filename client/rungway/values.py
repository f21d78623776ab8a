"""Python values to and from `rungway.v1.Value`: exact for 64-bit integers, floats, strings, booleans and None.

Tuples become lists. Scalars of numpy, torch and the like (anything with `.item()` and no dimensions) become Python
numbers. Everything else is refused with an `InvalidValue` that says where it is.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rungway.v1 import value_pb2

MAX_DEPTH = 20
"""Deepest nesting of maps and lists; protobuf parsers accept more."""
_KINDS: dict[type, str] = {
    bool: "bool_value",
    int: "int_value",
    float: "double_value",
    str: "string_value",
}
_SCALARS = frozenset(_KINDS.values())


class InvalidValue(ValueError):
    """A value that cannot be sent: `path` says where it is ("space.lr[2]", "" = at the top), `problem` why."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the value'}: {problem}")
        self.path = path
        self.problem = problem


def to_map(mapping: Mapping[str, object], path: str = "") -> value_pb2.MapValue:
    """A mapping with string keys as a message. Raises InvalidValue; `path` is the path of the mapping itself."""
    message = value_pb2.MapValue()
    fill_map(message, mapping, path)
    return message


def fill_map(message: value_pb2.MapValue, mapping: Mapping[str, object], path: str = "") -> None:
    """Like `to_map`, into an empty message that is part of another one. This saves a copy."""
    if not isinstance(mapping, Mapping):
        raise InvalidValue(path, f"got {type(mapping).__name__}, wanted a mapping with string keys")
    _fill_map(message, mapping, path, 1)


def from_map(message: value_pb2.MapValue, path: str = "") -> dict[str, Any]:
    """The mapping in a message. Raises InvalidValue when it is nested deeper than MAX_DEPTH."""
    return _dict(message, path, 1)


def plain(value: object) -> object:
    """A scalar of numpy, torch and the like as a Python number; any other value unchanged."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", 0) == 0 else value


def text_of(value: object) -> str:
    """A value of a hyperparameter as a text: a text as it is, anything else as in JSON (`true`, `0.1`, `null`)."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fill_map(message: value_pb2.MapValue, mapping: Mapping[str, object], path: str, depth: int) -> None:
    _check_depth(path, depth)
    message.SetInParent()  # also when it stays empty
    entries = message.entries
    for key, value in mapping.items():
        if not isinstance(key, str):
            raise InvalidValue(path, f"got the key {key!r}, wanted a string")
        try:
            # The fast way for most values: configurations are on the hot path.
            setattr(entries[key], _KINDS[type(value)], value)
        except (KeyError, ValueError):
            _fill(entries[_check_text(key, path)], value, _member(path, key), depth)


def _fill(message: value_pb2.Value, value: object, path: str, depth: int) -> None:
    """Give an empty message its value."""
    match plain(value):
        case float() as number:
            message.double_value = number
        case str() as text:
            message.string_value = _check_text(text, path)
        case bool() as flag:
            message.bool_value = flag
        case int() as number:
            message.int_value = _check_int(number, path)
        case None:
            pass
        case Mapping() as mapping:
            _fill_map(message.map_value, mapping, path, depth + 1)
        case list() | tuple() as items:
            _fill_list(message.list_value, items, path, depth + 1)
        case _:
            wanted = "None, a boolean, an integer, a float, a string, a list or a mapping"
            raise InvalidValue(path, f"got {type(value).__name__}, wanted {wanted}")


def _fill_list(message: value_pb2.ListValue, items: Sequence[object], path: str, depth: int) -> None:
    _check_depth(path, depth)
    message.SetInParent()
    for index, item in enumerate(items):
        _fill(message.items.add(), item, f"{path}[{index}]", depth)


def _dict(message: value_pb2.MapValue, path: str, depth: int) -> dict[str, Any]:
    _check_depth(path, depth)
    return {
        key: getattr(value, kind)
        if (kind := value.WhichOneof("kind")) in _SCALARS  # the fast way for most values: no path is built
        else _python(value, _member(path, key), depth)
        for key, value in message.entries.items()
    }


def _python(message: value_pb2.Value, path: str, depth: int) -> Any:
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    if kind == "map_value":
        return _dict(message.map_value, path, depth + 1)
    if kind == "list_value":
        _check_depth(path, depth + 1)
        items = message.list_value.items
        return [_python(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(items)]
    return getattr(message, kind)


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _check_depth(path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidValue(path, f"nested deeper than {MAX_DEPTH} levels")


def _check_int(number: int, path: str) -> int:
    if not -(2**63) <= number < 2**63:
        raise InvalidValue(path, f"got {number}, wanted an integer of 64 bits")
    return number


def _check_text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValue(path, f"got {text!r}, wanted a string that UTF-8 can encode") from None
    return text
