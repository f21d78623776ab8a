"""The finite values of one parameter by index: all that it can take (`values`), or its points in a grid (`grid`)."""

import json
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from rungway_server.domain.documents.json_values import same
from rungway_server.domain.space.decimals import (
    between_logs,
    distance_from_one,
    exact,
    half_away,
    power,
    step_count,
    step_value,
)
from rungway_server.domain.space.ranges import on_curve, steps_of
from rungway_server.domain.space.space import (
    Bell,
    Categorical,
    Const,
    Double,
    Int,
    Listed,
    Log,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Parameter,
    ReverseLogUniform,
)


@dataclass(frozen=True, slots=True)
class Axis:
    """`size` different values, `at(0)` to `at(size - 1)`, each computed when asked for. They are numbers that rise or
    fall throughout, unless they are `listed`."""

    size: int
    at: Callable[[int], object]
    listed: tuple[object, ...] = ()

    def nearest(self, value: object) -> int:
        """The index of a value: of the same one in a list, of the nearest number otherwise."""
        if self.listed:
            text = json.dumps(value, sort_keys=True)
            alike = [index for index, each in enumerate(self.listed) if same(value, each)]
            return next((index for index in alike if json.dumps(self.listed[index], sort_keys=True) == text), alike[0])
        assert isinstance(value, int | float)
        falls = self._number(self.size - 1) < self._number(0)
        sign = -1 if falls else 1
        after = bisect_left(range(self.size), sign * value, key=lambda index: sign * self._number(index))
        beside = [index for index in (after - 1, after) if 0 <= index < self.size]
        return min(beside, key=lambda index: abs(self._number(index) - value))

    def _number(self, index: int) -> float:
        value = self.at(index)
        assert isinstance(value, int | float)
        return value


def values(node: Parameter) -> Axis | None:
    """All values that the parameter can take; None for a continuous parameter."""
    match node:
        case Const() | Categorical() | Ordinal():
            return _listed(node)
        case Int(low, high, _, step) | LogInt(low, high, _, step):
            return Axis((high - low) // (step or 1) + 1, lambda i: low + i * (step or 1))
        case Log(base, minval, maxval, _, float(width)):
            return Axis(step_count(minval, maxval, width), lambda i: power(base, step_value(minval, width, i)))
        case Log():
            return None
        case _:
            steps = steps_of(node)
            return None if steps is None else Axis(steps.size, steps.at)


def support(node: Parameter) -> Axis | None:
    """The same where the values are counted; None for a normal parameter without both bounds, too, whose values have
    no end."""
    endless = isinstance(node, Normal | LogNormal) and (node.minval is None or node.maxval is None)
    return None if endless else values(node)


def grid(node: Parameter) -> Axis | None:
    """The points of the parameter in a grid, lowest first; None when it needs a `count` and has no `count`.

    `count` points are spread evenly from minval to maxval, both included, on the parameter's scale; one point lies in
    the middle. Integers are rounded, halves away from zero; with a step, each point is the nearest step. On a
    logarithmic scale, where that is taken, it is the next one that is free. Those of a normal parameter are the middles
    of `count` equally likely parts. There are never more points than values. Without a `count`, a parameter with a step
    has a point at every step.
    """
    whole = support(node)
    if isinstance(node, Const | Categorical | Ordinal):
        return whole
    if node.count is None:
        return whole if node.step is not None else None
    if isinstance(node, Normal | LogNormal):
        return _middles(node, node.count)
    return Axis(node.count, _spread(node, node.count)) if whole is None else _among(node, whole, node.count)


def _among(node: Int | LogInt | Double | Log | LogUniform | ReverseLogUniform, whole: Axis, most: int) -> Axis:
    """Points among the values, at most so many."""
    size, at, count = whole.size, whole.at, min(most, whole.size)
    if isinstance(node, LogInt | LogUniform | ReverseLogUniform):
        return Axis(count, _logarithmic(node, whole, count))
    if isinstance(node, Int) and node.step is None:
        low, high = node.minval, node.maxval
        return Axis(count, lambda i: half_away(low + (high - low) * _part(i, count)))
    return Axis(count, lambda i: at(half_away((size - 1) * _part(i, count))))


def _listed(node: Const | Listed) -> Axis:
    vals = (node.val,) if isinstance(node, Const) else node.vals
    different = tuple({json.dumps(val, sort_keys=True): val for val in vals}.values())
    return Axis(len(different), different.__getitem__, different)


def _spread(node: Parameter, count: int) -> Callable[[int], object]:
    match node:
        case Double(minval, maxval):
            low, high = exact(minval), exact(maxval)
            return lambda i: float(low + (high - low) * _part(i, count))
        case Log(base, minval, maxval):
            first, last = exact(minval), exact(maxval)
            return lambda i: power(base, float(first + (last - first) * _part(i, count)))
        case LogUniform(minval, maxval):
            return lambda i: between_logs(minval, maxval, _part(i, count))
        case ReverseLogUniform():
            return lambda i: below_one(node, _part(i, count))
        case _:
            raise TypeError(node)


def below_one(node: ReverseLogUniform, part: Fraction) -> float:
    """The number at a part (0 to 1) of the way from minval to maxval, on a logarithmic scale of distances from 1."""
    nearest, farthest = distance_from_one(node.maxval), distance_from_one(node.minval)
    return min(max(1.0 - between_logs(nearest, farthest, 1 - part), node.minval), node.maxval)


def _logarithmic(node: LogInt | LogUniform | ReverseLogUniform, whole: Axis, count: int) -> Callable[[int], object]:
    """`count` of the values, evenly on the logarithmic scale.

    The numbers on that scale lie closest at its lower end. Where the nearest value of one is taken, so are all before
    it: the next free one then has its own index.
    """
    first, last, step = whole.at(0), whole.at(whole.size - 1), exact(node.step or 1)
    assert isinstance(first, int | float)
    assert isinstance(last, int | float)
    falls = isinstance(node, ReverseLogUniform)
    low, high = (distance_from_one(last), distance_from_one(first)) if falls else (first, last)

    def at(index: int) -> object:
        rank = count - 1 - index if falls else index
        number = between_logs(low, high, _part(rank, count))
        place = max(rank, half_away((exact(number) - exact(low)) / step))
        return whole.at(whole.size - 1 - place if falls else place)

    return at


@lru_cache(maxsize=128)
def _middles(node: Bell, count: int) -> Axis:
    """The middles of equally likely parts; with a step, the different ones among their nearest steps."""

    def middle(index: int) -> float:
        return on_curve(node, Fraction(2 * index + 1, 2 * count))

    steps = steps_of(node)
    if steps is None:
        return Axis(count, middle)
    found = tuple(dict.fromkeys(steps.at(steps.nearest(middle(index))) for index in range(count)))
    return Axis(len(found), found.__getitem__)


def _part(index: int, count: int) -> Fraction:
    return Fraction(index, count - 1) if count > 1 else Fraction(1, 2)
