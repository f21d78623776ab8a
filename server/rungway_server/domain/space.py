"""Search spaces: what may be searched, read from a `hyperparameters` section and written back to one.

A space is a group: names with parameters or nested groups, in the byte order of the names. A mapping with the key
`type` is a parameter, without it a group (of any depth, possibly empty); anything else is a constant, lists included.
"""

import hashlib
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Const:
    """Always the same value, any JSON value."""

    val: object


@dataclass(frozen=True, slots=True)
class Int:
    """An integer, uniform from minval to maxval, both included. `count` is its number of points in a grid."""

    minval: int
    maxval: int
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Double:
    """A number, uniform from minval to below maxval. `count` is its number of points in a grid."""

    minval: float
    maxval: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """`base` to an exponent that is uniform from minval to below maxval. `count` is its number of points in a grid."""

    base: float
    minval: float
    maxval: float
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of the values, any JSON values, each as likely."""

    vals: tuple[object, ...]


Parameter: TypeAlias = Const | Int | Double | Log | Categorical


@dataclass(frozen=True, slots=True)
class Entry:
    """A named parameter or group; `stream` are 128 bits made from its path alone, for drawing its values."""

    name: str
    node: "Parameter | Space"
    stream: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Space:
    """A group of parameters and nested groups, in the byte order of their names."""

    entries: tuple[Entry, ...] = ()


def make_entry(path: tuple[str, ...], node: Parameter | Space) -> Entry:
    """The entry at a path, with its stream: no other path has the same one (up to collisions of a 128-bit hash)."""
    digest = hashlib.blake2b(digest_size=16)
    for name in path:
        text = name.encode()
        digest.update(len(text).to_bytes(4, "big") + text)  # the lengths keep ("a", "b") apart from ("ab",)
    bits = digest.digest()
    return Entry(path[-1], node, (int.from_bytes(bits[:8], "big"), int.from_bytes(bits[8:], "big")))


def space_document(space: Space) -> dict[str, object]:
    """The `hyperparameters` section that reads back as this space."""
    return {entry.name: _node_document(entry.node) for entry in space.entries}


def _node_document(node: Parameter | Space) -> dict[str, object]:
    match node:
        case Space():
            return space_document(node)
        case Const(val):
            return {"type": "const", "val": val}
        case Categorical(vals):
            return {"type": "categorical", "vals": list(vals)}
        case Int(minval, maxval, count):
            document: dict[str, object] = {"type": "int", "minval": minval, "maxval": maxval}
        case Double(minval, maxval, count):
            document = {"type": "double", "minval": minval, "maxval": maxval}
        case Log(base, minval, maxval, count):
            document = {"type": "log", "base": base, "minval": minval, "maxval": maxval}
    return document if count is None else {**document, "count": count}
