"""Parameters with a list of values that are not equally likely: which one 128 random bits are, and how likely each is.

With a step, a logarithmic parameter is drawn between its first value and one step beyond its last, and rounded down to
a step (a reverse one up). So each doubling of integers is equally likely, and a uniform parameter with a step follows
the same rule. A normal one is drawn up to half a step beyond its ends, and rounded to the nearest step.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from rungway_server.domain.space.axes import values
from rungway_server.domain.space.bell import ln_above_one
from rungway_server.domain.space.decimals import between_logs, distance_from_one, exact, whole_steps
from rungway_server.domain.space.ranges import on_curve, share_between, share_within, steps_of
from rungway_server.domain.space.space import (
    Bell,
    Categorical,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    Ordinal,
    Parameter,
    ReverseLogUniform,
)

_FRACTION, _RESOLUTION = 128 - 53, 2**53


@dataclass(frozen=True, slots=True)
class Uneven:
    """`index`: from 128 random bits to the index of a value; it never falls as they rise. `odds`: from the index of a
    value to how likely it is, 1 for the mean of all values."""

    index: Callable[[int], int]
    odds: Callable[[int], float]


def uneven(node: Parameter) -> Uneven | None:
    """How the values of `axes.values` are drawn; None if all are equally likely, and for continuous parameters."""
    match node:
        case Categorical(_, weights) | Ordinal(_, weights):
            return _weighted(weights) if weights else None
        case LogInt():
            return _logarithmic(node)
        case LogUniform(step=float()) | ReverseLogUniform(step=float()):
            return _logarithmic(node)
        case Normal(step=float()) | LogNormal(step=float()):
            return _curved(node)
        case _:
            return None


def upward(bits: int) -> Fraction:
    """The upper 53 of 128 bits as a part, from 0 to below 1."""
    return Fraction(bits >> _FRACTION, _RESOLUTION)


def inside(bits: int) -> Fraction:
    """The same, moved to the middle of its place: more than 0 and less than 1, and symmetrical."""
    return Fraction(2 * (bits >> _FRACTION) + 1, 2 * _RESOLUTION)


@lru_cache(maxsize=256)
def _weighted(weights: tuple[float, ...]) -> Uneven:
    """In proportion to the decimals that were written, to 2 ** -128."""
    sums = list(accumulate(map(exact, weights)))
    ends = [each * 2**128 // sums[-1] for each in sums]
    mean = float(sums[-1] / len(weights))
    return Uneven(lambda bits: bisect_right(ends, bits), lambda index: weights[index] / mean)


def _logarithmic(node: LogInt | LogUniform | ReverseLogUniform) -> Uneven:
    axis, step, reverse = values(node), node.step or 1, isinstance(node, ReverseLogUniform)
    assert axis is not None
    size = axis.size
    end = axis.at(size - 1 if reverse else 0)
    assert isinstance(end, int | float)
    low = distance_from_one(end) if reverse else end  # of the scale that is logarithmic
    high = float(exact(low) + size * exact(step))
    whole = ln_above_one(size * step / low)

    def index(bits: int) -> int:
        part = upward(bits)
        drawn = between_logs(low, high, 1 - part if reverse else part)
        steps = int((int(drawn) - low) // step) if isinstance(node, LogInt) else whole_steps(drawn, low, step)
        place = min(max(steps, 0), size - 1)
        return size - 1 - place if reverse else place

    def odds(index: int) -> float:
        below = size - 1 - index if reverse else index
        return size * ln_above_one(step / (low + below * step)) / whole

    return Uneven(index, odds)


def _curved(node: Bell) -> Uneven:
    steps = steps_of(node)
    assert steps is not None
    half = steps.step / 2

    def odds(index: int) -> float:
        value = steps.at(index)
        return steps.size * share_between(node, value - half, value + half) / share_within(node)

    return Uneven(lambda bits: steps.nearest(on_curve(node, inside(bits))), odds)
