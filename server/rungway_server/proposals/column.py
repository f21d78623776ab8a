"""One parameter as one coordinate of a vector, and back.

A number's coordinate is the share of the parameter's own distribution below it: 0.5 is the median of the values that a
random search draws. So logarithmic, normal and plain parameters look alike to a model, each on the scale that the user
chose. A value of a list of values (an integer, a step, an ordinal) lies in the middle of its share, so that distances
count steps. A category's coordinate is its place, which is a name and no number: models must not compare it. A
parameter that does not exist, because its conditions do not hold, has the coordinate ABSENT.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from rungway_server.domain.documents.json_values import identity
from rungway_server.domain.documents.paths import Path
from rungway_server.domain.sampling.drawing import drawer
from rungway_server.domain.sampling.uneven import uneven
from rungway_server.domain.space.axes import Axis, values
from rungway_server.domain.space.ranges import bounds, steps_of
from rungway_server.domain.space.space import (
    Bell,
    Categorical,
    Const,
    Double,
    Int,
    Log,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Parameter,
    Ranged,
    ReverseLogUniform,
)
from rungway_server.proposals.draws import Floats

ABSENT = -1.0
"""The coordinate of a parameter that does not exist: below all others."""
_LISTED = 256
"""Most values that have a table. Coordinates of longer lists are worked out, and are as exact as models need."""
_PARTS = 1 << 53
"""Parts of the way from 0 to 1 that values are drawn by."""


@dataclass(frozen=True)
class Column:
    """A parameter that has more than one value. `axis`: all its values; None for a continuous one."""

    path: Path
    node: Parameter
    axis: Axis | None

    @property
    def category(self) -> bool:
        """Whether its coordinates are places that have no order."""
        return isinstance(self.node, Categorical)

    @property
    def listed(self) -> bool:
        """Whether there is a table of its values."""
        return self.axis is not None and (self.axis.size <= _LISTED or bool(self.axis.listed))

    @cached_property
    def edges(self) -> Floats:
        """Where the shares of its listed values begin and end: one more than values, from 0 to 1."""
        assert self.axis is not None
        chosen, size = uneven(self.node), self.axis.size
        odds = np.array([chosen.odds(index) for index in range(size)]) if chosen is not None else np.ones(size)
        return np.concatenate(([0.0], np.cumsum(odds) / odds.sum()))

    @cached_property
    def coordinates(self) -> Floats:
        """Those of its listed values."""
        return np.arange(len(self.edges) - 1.0) if self.category else (self.edges[1:] + self.edges[:-1]) / 2

    def places(self, coordinates: Floats) -> "np.typing.NDArray[np.intp]":
        """The indices of listed values by their coordinates."""
        if self.category:
            return coordinates.astype(np.intp)
        return np.searchsorted(self.edges[1:-1], coordinates, "right")

    def drawn(self, shares: Floats) -> Floats:
        """The coordinates of random values, from numbers from 0 to below 1."""
        return self.coordinates[np.searchsorted(self.edges[1:-1], shares, "right")] if self.listed else shares

    def value(self, coordinate: float) -> object:
        """The value at a coordinate, as the space draws it."""
        if self.listed:
            assert self.axis is not None
            return self.axis.at(int(self.places(np.array([coordinate]))[0]))
        return self._drawer(min(max(round(coordinate * _PARTS), 0), _PARTS - 1) << 75)

    def coordinate(self, value: object) -> float:
        """The coordinate of a value of the parameter."""
        if self.listed:
            found = self._known.get(identity(value))
            assert self.axis is not None
            return float(self.coordinates[self.axis.nearest(value)]) if found is None else found
        return min(max(self._share(float(cast("float", value))), 0.0), 1.0)

    @cached_property
    def _known(self) -> dict[object, float]:
        assert self.axis is not None
        return {identity(self.axis.at(i)): float(each) for i, each in enumerate(self.coordinates)}

    @cached_property
    def _drawer(self) -> Callable[[int], object]:
        return drawer(self.node)

    @cached_property
    def _share(self) -> Callable[[float], float]:
        assert not isinstance(self.node, Const | Categorical | Ordinal)
        return _share_below(self.node)


def column(path: Path, node: Parameter) -> Column | None:
    """The column of a parameter; None for one that has a single value."""
    axis = values(node)
    return None if isinstance(node, Const) or (axis is not None and axis.size == 1) else Column(path, node, axis)


def _share_below(node: Ranged) -> Callable[[float], float]:
    """The share of the parameter's distribution below a number; with steps, below the middle of its step."""
    match node:
        case Normal() | LogNormal():
            return _bell(node)
        case Log(base, minval, maxval, _, step):
            linear, scale = _linear(minval, maxval, step), math.log(base)
            return lambda value: linear(math.log(value) / scale)
        case Int(minval, maxval) | Double(minval, maxval):
            return _linear(minval, maxval, node.step or (1 if isinstance(node, Int) else None))
        case _:
            return _logarithmic(node)


def _linear(minval: float, maxval: float, step: float | None) -> Callable[[float], float]:
    if step is None:
        return lambda value: (value - minval) / (maxval - minval)
    size = math.floor((maxval - minval) / step + 1e-9) + 1
    return lambda value: ((value - minval) / step + 0.5) / size


def _logarithmic(node: LogInt | LogUniform | ReverseLogUniform) -> Callable[[float], float]:
    """By the logarithm of a number, or of its distance from 1. `uneven` has the ranges of those with steps."""
    step = (node.step or 1) if isinstance(node, LogInt) else node.step or 0.0
    low, high = float(node.minval), float(node.maxval)
    if isinstance(node, ReverseLogUniform):
        low, high = 1.0 - high, 1.0 - low
    if step:
        size = math.floor((high - low) / step + 1e-9) + 1
        if isinstance(node, ReverseLogUniform):
            low = high - (size - 1) * step
        high = low + size * step
    first, width = math.log(low), math.log(high) - math.log(low)
    if isinstance(node, ReverseLogUniform):
        return lambda value: 1.0 - (math.log(max(1.0 - value, low) + step / 2) - first) / width
    return lambda value: (math.log(value + step / 2) - first) / width


def _bell(node: Bell) -> Callable[[float], float]:
    low, high = bounds(node)
    steps = steps_of(node)
    half = 0.0
    if steps is not None:
        half = steps.step / 2
        low, high = steps.at(0) - half, steps.at(steps.size - 1) + half

    def below(number: float) -> float:
        if isinstance(node, LogNormal):
            number = math.log(number) if number > 0 else -math.inf
        return math.erfc((node.mu - number) / node.sigma / math.sqrt(2)) / 2

    first, width = below(low), below(high) - below(low)
    return lambda value: ((below(value - half) + below(value + half)) / 2 - first) / width
