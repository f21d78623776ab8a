"""The types of a search space, and the `hyperparameters` section that a space is written to.

A space is a tree: names with parameters or nested groups, in the byte order of the names. A mapping with the key
`type` is a parameter, one without it a group (of any depth, possibly empty); any other value but a list is a constant.

The key `when` makes a parameter conditional: `when: {optimizer: sgd}` or `when: {optimizer: [sgd, rmsprop]}` lets it
exist only when that other parameter exists and has such a value (several names: all conditions must hold). Names are
paths (see `documents/paths.py`). A parameter that does not exist is absent from the configuration.
"""

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from rungway_server.domain.documents.json_values import identity
from rungway_server.domain.documents.paths import Path, read_path, spelled


class Source(StrEnum):
    """Where the configurations of a space come from."""

    RANDOM = "random"
    """Independent draws; where all parameters are discrete and few, a seeded shuffle of all points."""
    SOBOL = "sobol"
    """The points of a scrambled Sobol sequence, spread more evenly than random ones."""
    GRID = "grid"
    """The points of the grid, from the last to the first."""


@dataclass(frozen=True, slots=True)
class Const:
    """A constant: any JSON value."""

    val: object


@dataclass(frozen=True, slots=True)
class Int:
    """An integer, uniform from minval to maxval, both included; with `step`, uniform over minval + k * step up to
    maxval. `count` is its number of points in a grid."""

    minval: int
    maxval: int
    count: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Double:
    """A number, uniform from minval to below maxval; with `step`, uniform over minval + k * step up to maxval
    (included when a step falls on it). `count` is its number of points in a grid."""

    minval: float
    maxval: float
    count: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """`base` to an exponent that is uniform from minval to below maxval; with `step`, uniform over the exponents
    minval + k * step up to maxval. `count` is its number of points in a grid."""

    base: float
    minval: float
    maxval: float
    count: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class LogUniform:
    """A positive number from minval to maxval whose logarithm is uniform: `log` with plain bounds. `count` is its
    number of points in a grid."""

    minval: float
    maxval: float
    count: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class LogInt:
    """An integer from minval (at least 1) to maxval, both included, whose logarithm is uniform: each doubling is as
    likely. With `step`, one of minval + k * step. `count` is its number of points in a grid."""

    minval: int
    maxval: int
    count: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class ReverseLogUniform:
    """A number from minval, at least 0, to maxval, below 1, whose distance from 1 is log-uniform: 0.9, 0.99, 0.999.
    With `step`, one of minval + k * step. `count` is its number of points in a grid."""

    minval: float
    maxval: float
    count: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Normal:
    """A number with a normal distribution, within minval and maxval where they are given. With `step`, the nearest of
    minval + k * step, or of k * step without minval. `count` is its number of points in a grid."""

    mu: float
    sigma: float
    minval: float | None = None
    maxval: float | None = None
    count: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A positive number whose natural logarithm is normal with mu and sigma; bounds, step and count as in Normal, in
    terms of the number itself."""

    mu: float
    sigma: float
    minval: float | None = None
    maxval: float | None = None
    count: int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of some JSON values, each equally likely, or as likely as its positive weight says."""

    vals: tuple[object, ...]
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordinal:
    """One of some different JSON values in an order that means something: small, medium, large. Clones of a population
    move to a neighbour. Weights as in Categorical."""

    vals: tuple[object, ...]
    weights: tuple[float, ...] = ()


Listed: TypeAlias = Categorical | Ordinal
"""Parameters that list their values."""
Bell: TypeAlias = Normal | LogNormal
"""Parameters with a bell curve, on a plain or on a logarithmic scale."""
Ranged: TypeAlias = Int | LogInt | Double | Log | LogUniform | ReverseLogUniform | Normal | LogNormal
"""Parameters whose values are numbers of a range."""
Parameter: TypeAlias = Const | Listed | Ranged


@dataclass(frozen=True, slots=True)
class Entry:
    """A parameter or group at a path. `stream`: 128 bits hashed from the path, the random stream of its values."""

    path: Path
    node: "Parameter | Group"
    stream: tuple[int, int]

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.path[-1]

    @property
    def parameter(self) -> Parameter:
        """The node of an entry that is not a group."""
        assert not isinstance(self.node, Group)
        return self.node


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters and nested groups, in the byte order of their names."""

    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Condition:
    """Holds when the parameter at a path exists and has one of these values."""

    path: Path
    values: tuple[object, ...]

    def admits(self, value: object) -> bool:
        """Whether the value is one of them."""
        return identity(value) in self._identities

    @cached_property
    def _identities(self) -> frozenset[Hashable]:
        return frozenset(map(identity, self.values))


@dataclass(frozen=True)
class Space:
    """What a search draws configurations from: the tree of parameters, what must hold between them, and the source.

    `conditions` are those of each conditional parameter; `constraints` are expressions (see
    `constraints/expressions.py`) that every configuration meets; a grid visits all its points `num_samples` times.
    """

    entries: tuple[Entry, ...] = ()
    conditions: Mapping[Path, tuple[Condition, ...]] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    source: Source = Source.RANDOM
    num_samples: int = 1

    def __hash__(self) -> int:
        """By the names alone, because values may be lists: good enough for the caches that are keyed by a space."""
        return hash((self.source, self.constraints, *(entry.stream for entry in self.entries)))

    @cached_property
    def leaves(self) -> Mapping[Path, Entry]:
        """The parameters by their paths, in byte order level by level."""
        return {entry.path: entry for entry in _leaves(self.entries)}

    @cached_property
    def _without_backquotes(self) -> Mapping[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self.leaves:
            found.setdefault(".".join(path), []).append(path)
        return found

    def paths_named(self, text: str) -> list[Path]:
        """The parameter at this path; if there is none, those whose path is the same without backquotes."""
        try:
            path, _ = read_path(text)
        except ValueError:
            return []
        return [path] if path in self.leaves else self._without_backquotes.get(".".join(path), [])

    def decided_by(self, paths: Iterable[Path]) -> set[Path]:
        """These parameters and, transitively, the parameters that their conditions depend on."""
        found: set[Path] = set()
        left = list(paths)
        while left:
            path = left.pop()
            if path not in found:
                found.add(path)
                left += [condition.path for condition in self.conditions.get(path, ())]
        return found


def make_entry(path: Path, node: Parameter | Group) -> Entry:
    """The entry at a path. Its stream is a 128-bit hash of the path, so distinct paths have distinct streams."""
    digest = hashlib.blake2b(digest_size=16)
    for name in path:
        text = name.encode()
        digest.update(len(text).to_bytes(4, "big") + text)  # the lengths keep ("a", "b") apart from ("ab",)
    bits = digest.digest()
    return Entry(path, node, (int.from_bytes(bits[:8], "big"), int.from_bytes(bits[8:], "big")))


def space_document(space: Space) -> dict[str, object]:
    """The `hyperparameters` section that reads back as this tree with its conditions."""
    return _group_document(space.entries, space.conditions)


def _leaves(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    for entry in entries:
        if isinstance(entry.node, Group):
            yield from _leaves(entry.node.entries)
        else:
            yield entry


def _group_document(entries: tuple[Entry, ...], conditions: Mapping[Path, tuple[Condition, ...]]) -> dict[str, object]:
    document: dict[str, object] = {}
    for entry in entries:
        if isinstance(entry.node, Group):
            document[entry.name] = _group_document(entry.node.entries, conditions)
            continue
        written = _parameter_document(entry.node)
        if entry.path in conditions:
            written["when"] = {spelled(*c.path): list(c.values) for c in conditions[entry.path]}
        document[entry.name] = written
    return document


TYPES: dict[type, str] = {
    **{Const: "const", Int: "int", LogInt: "log_int", Double: "double", Log: "log", LogUniform: "log_uniform"},
    **{ReverseLogUniform: "reverse_log_uniform", Normal: "normal", LogNormal: "lognormal"},
    **{Categorical: "categorical", Ordinal: "ordinal"},
}
"""The word of each kind of parameter."""


def _parameter_document(node: Parameter) -> dict[str, object]:
    match node:
        case Const(val):
            return {"type": "const", "val": val}
        case Categorical(vals, weights) | Ordinal(vals, weights):
            weighted: dict[str, object] = {"weights": list(weights)} if weights else {}
            return {"type": TYPES[type(node)], "vals": list(vals), **weighted}
        case _:
            keys = ("base", "mu", "sigma", "minval", "maxval", "count", "step")
            values = {key: getattr(node, key, None) for key in keys}
            return {"type": TYPES[type(node)], **{key: value for key, value in values.items() if value is not None}}
