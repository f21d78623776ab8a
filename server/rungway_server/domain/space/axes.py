"""The finite values of one parameter by index: all that it can take (`support`), or its points in a grid (`grid`)."""

import json
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from rungway_server.domain.documents.json_values import same
from rungway_server.domain.space.decimals import between_logs, exact, half_away, power, step_count, step_value
from rungway_server.domain.space.space import Categorical, Const, Double, Int, Log, LogUniform, Parameter


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


def support(node: Parameter) -> Axis | None:
    """All values that the parameter can take, equally likely; None for a continuous parameter."""
    match node:
        case Const() | Categorical():
            return _listed(node)
        case Int(low, high, _, step):
            return Axis((high - low) // (step or 1) + 1, lambda i: low + i * (step or 1))
        case Double(minval, maxval, _, float(width)):
            return Axis(step_count(minval, maxval, width), lambda i: step_value(minval, width, i))
        case Log(base, minval, maxval, _, float(width)):
            return Axis(step_count(minval, maxval, width), lambda i: power(base, step_value(minval, width, i)))
        case _:
            return None


def grid(node: Parameter) -> Axis | None:
    """The points of the parameter in a grid, lowest first; None when it needs a `count` and has no `count`.

    `count` points are spread evenly from minval to maxval, both included; one point lies in the middle. Integers are
    rounded, halves away from zero; with a step, each point is the nearest step. There are never more points than
    values. Without a `count`, a parameter with a step has a point at every step.
    """
    whole = support(node)
    if isinstance(node, Const | Categorical):
        return whole
    count, step = node.count, None if isinstance(node, LogUniform) else node.step
    if count is None:
        return whole if step is not None else None
    if whole is None:
        return Axis(count, _spread(node, count))
    count = min(count, whole.size)
    if isinstance(node, Int) and step is None:
        low, high = node.minval, node.maxval
        return Axis(count, lambda i: half_away(low + (high - low) * _part(i, count)))
    size, at = whole.size, whole.at
    return Axis(count, lambda i: at(half_away((size - 1) * _part(i, count))))


def _listed(node: Const | Categorical) -> Axis:
    vals = node.vals if isinstance(node, Categorical) else (node.val,)
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
        case _:
            raise TypeError(node)


def _part(index: int, count: int) -> Fraction:
    return Fraction(index, count - 1) if count > 1 else Fraction(1, 2)
