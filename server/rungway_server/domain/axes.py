"""The values of one parameter, counted: all that it can take, or those of its grid."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from rungway_server.domain.decimals import between_logs, exact, half_away, power, step_count, step_value
from rungway_server.domain.space import Categorical, Const, Double, Int, Log, LogUniform, Parameter


@dataclass(frozen=True, slots=True)
class Axis:
    """`size` different values, made when they are needed: the first is `at(0)`."""

    size: int
    at: Callable[[int], object]


def support(node: Parameter) -> Axis | None:
    """All values the parameter can take, each as likely; None when they are not finitely many."""
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
    """The points of the parameter in a grid, lowest first; None when it needs a `count` and has none.

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
    return Axis(len(different), different.__getitem__)


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
