"""Configurations as they are stored: MessagePack lists of values, without the names, which the space puts back.

The values are in the order of the space's parameters. That of a categorical or ordinal parameter or a constant is the
position of its choice, nil that of a parameter which does not exist in this configuration. A configuration that such a
list cannot represent exactly (a user's may have 1.0 where the space has 1) is stored with its names instead.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import msgpack

from rungway_server.domain.documents.json_values import identity
from rungway_server.domain.space.space import Categorical, Const, Entry, Group, Ordinal, Space

_NUMBERS = frozenset({int, float})
_PLAIN = frozenset({str, int, bool, type(None)})


@dataclass(frozen=True)
class _Choices:
    values: tuple[object, ...]
    positions: Mapping[object, int]
    """By `_identity`: the same in every respect."""

    @cached_property
    def alike(self) -> Mapping[object, int]:
        """By `identity`: as JSON, where 1 and 1.0 are the same."""
        return {identity(value): position for position, value in enumerate(self.values)}


_Shape: TypeAlias = "list[tuple[str, _Choices | None, _Shape | None]]"
"""Names in the order of the space, each with the choices of its parameter (None for numbers) or the names below."""


class Configurations:
    """Packs and unpacks the configurations of one space. Unpacked ones may share values with the space: do not change
    them."""

    def __init__(self, space: Space) -> None:
        self._shape = _shape(space.entries)
        self.count = len(space.leaves)
        """Values of a configuration."""

    def pack(self, hparams: Mapping[str, object]) -> bytes:
        """The stored form of any configuration: `unpack` gives an equal one, types and signs of zeros included."""
        try:
            return bytes(msgpack.packb([*_listed(self._shape, hparams)]))
        except _Unlike:
            return bytes(msgpack.packb(hparams))

    def unpack(self, packed: bytes) -> dict[str, object]:
        """The configuration. Raises ValueError, TypeError or IndexError for what `pack` of this space did not make."""
        found: Any = msgpack.unpackb(packed)
        if isinstance(found, dict):
            return found
        if not isinstance(found, list) or len(found) != self.count:
            raise ValueError(f"wanted a map or a list of {self.count} values")
        return _named(self._shape, iter(found))

    def values(self, packed: bytes) -> list[Any]:
        """The values in the order of the space's parameters: a number, or the position of a choice; None for a
        parameter that does not exist in this configuration. Raises as `unpack`, and KeyError."""
        found: Any = msgpack.unpackb(packed)
        return [*_placed(self._shape, found)] if isinstance(found, dict) else found


class _Unlike(Exception):
    """The configuration is not one that the space can suggest."""


def _shape(entries: tuple[Entry, ...]) -> _Shape:
    return [
        (each.name, None, _shape(each.node.entries))
        if isinstance(each.node, Group)
        else (each.name, _choices(each), None)
        for each in entries
    ]


def _choices(entry: Entry) -> _Choices | None:
    match entry.node:
        case Const(val):
            values: tuple[object, ...] = (val,)
        case Categorical(vals) | Ordinal(vals):
            values = vals
        case _:
            return None
    return _Choices(values, {_identity(value): position for position, value in enumerate(values)})


def _identity(value: object) -> object:
    """Equal for values that are the same in every respect: 1, 1.0 and true are not."""
    kind = type(value)
    return (kind, value) if kind in _PLAIN else json.dumps(value)


def _listed(shape: _Shape, hparams: object) -> Iterator[object]:
    if not isinstance(hparams, Mapping):
        raise _Unlike
    named = 0
    for name, choices, below in shape:
        if name not in hparams:
            if below is not None:
                raise _Unlike
            yield None
            continue
        named += 1
        value = hparams[name]
        if below is not None:
            yield from _listed(below, value)
        elif choices is not None:
            yield _position(choices, value)
        elif type(value) in _NUMBERS:
            yield value
        else:
            raise _Unlike
    if named != len(hparams):
        raise _Unlike


def _position(choices: _Choices, value: object) -> int:
    position = choices.positions.get(_identity(value))
    if position is None:
        raise _Unlike
    return position


def _placed(shape: _Shape, hparams: Mapping[str, Any]) -> Iterator[Any]:
    """Like `_listed`, of a configuration that is stored with its names."""
    for name, choices, below in shape:
        if below is not None:
            yield from _placed(below, hparams.get(name, {}))
        elif name not in hparams:
            yield None
        elif choices is None:
            yield hparams[name]
        else:
            yield choices.alike[identity(hparams[name])]


def _named(shape: _Shape, values: Iterator[Any]) -> dict[str, object]:
    named: dict[str, object] = {}
    for name, choices, below in shape:
        if below is not None:
            named[name] = _named(below, values)
        elif (value := next(values)) is not None:
            named[name] = value if choices is None else choices.values[value]
    return named
