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
from rungway_server.domain.space.decimals import between_logs, exact, log_of_ratio
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
    axis, step = values(node), exact(node.step or 1)
    assert axis is not None
    size, reverse = axis.size, isinstance(node, ReverseLogUniform)

    def number(index: int) -> Fraction:
        """The lower end of the range that becomes this value, on the scale that is logarithmic."""
        value = exact(axis.at(index))
        return 1 - value if reverse else value

    low = number(size - 1 if reverse else 0)
    high = low + size * step
    ends, whole = (float(low), float(high)), log_of_ratio(high, low)

    def index(bits: int) -> int:
        part = upward(bits)
        drawn = between_logs(*ends, 1 - part if reverse else part)
        place = min(max((exact(drawn) - low) // step, 0), size - 1)
        return size - 1 - place if reverse else place

    return Uneven(index, lambda i: size * log_of_ratio(number(i) + step, number(i)) / whole)


def _curved(node: Bell) -> Uneven:
    steps = steps_of(node)
    assert steps is not None
    half = steps.step / 2

    def odds(index: int) -> float:
        value = steps.at(index)
        return steps.size * share_between(node, value - half, value + half) / share_within(node)

    return Uneven(lambda bits: steps.nearest(on_curve(node, inside(bits))), odds)
