"""Where the values of a parameter with a range lie: its bounds, its equal steps, and the curve of a normal one."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, inf

from rungway_server.domain.space.bell import below, ln, mass, quantile
from rungway_server.domain.space.decimals import exact, exponential, nearest_step, power, step_count, step_value
from rungway_server.domain.space.space import (
    Bell,
    Double,
    Log,
    LogNormal,
    LogUniform,
    Normal,
    Ranged,
    ReverseLogUniform,
)

REACH = 10.0
"""A bound of a normal parameter that is not given lies so many sigma from mu, further than any draw goes."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The `size` values origin + k * step, from k = `start` on."""

    origin: float
    step: float
    start: int
    size: int

    def at(self, index: int) -> float:
        """The value at an index."""
        return step_value(self.origin, self.step, self.start + index)

    def nearest(self, number: float) -> int:
        """The index of the value that is nearest to a number."""
        return min(max(nearest_step(number, self.origin, self.step) - self.start, 0), self.size - 1)


def bounds(node: Ranged) -> tuple[float, float]:
    """The smallest and the largest value that belong to the parameter."""
    match node:
        case Log(base, minval, maxval):
            first, last = power(base, minval), power(base, maxval)
            return min(first, last), max(first, last)
        case Normal(mu, sigma, minval, maxval):
            return mu - REACH * sigma if minval is None else minval, mu + REACH * sigma if maxval is None else maxval
        case LogNormal(mu, sigma, minval, maxval):
            low, high = _reach(mu, sigma)
            return low if minval is None else minval, high if maxval is None else maxval
        case _:
            return node.minval, node.maxval


@lru_cache(maxsize=4096)
def _reach(mu: float, sigma: float) -> tuple[float, float]:
    """Where a lognormal parameter ends on a side without a bound."""
    return exponential(mu - REACH * sigma), exponential(mu + REACH * sigma)


@lru_cache(maxsize=4096)
def steps_of(node: Double | LogUniform | ReverseLogUniform | Bell) -> Steps | None:
    """The steps of a parameter; None if it is continuous."""
    step = node.step
    if step is None:
        return None
    if not isinstance(node, Normal | LogNormal):
        return Steps(node.minval, step, 0, step_count(node.minval, node.maxval, step))
    low, high = bounds(node)
    if node.minval is not None:
        return Steps(low, step, 0, max(step_count(low, high, step), 0))
    start = ceil(exact(low) / exact(step))
    return Steps(0.0, step, start, max(floor(exact(high) / exact(step)) - start + 1, 0))


@lru_cache(maxsize=4096)
def share_within(node: Bell) -> float:
    """The share of the whole curve that lies within the bounds: with steps, within half a step of one."""
    return mass(*_cut(node))


@lru_cache(maxsize=4096)
def _sides(node: Bell) -> tuple[float, float, float]:
    """The shares of the whole curve below the bounds, within them and above them."""
    low, high = _cut(node)
    under = below(low) if low <= 0 else 1.0 - below(-low)
    return under, share_within(node), below(-high) if high >= 0 else 1.0 - below(high)


def on_curve(node: Bell, part: Fraction) -> float:
    """The number below which this part of the curve within the bounds lies, more than 0 and less than 1, unrounded.

    The tail on the nearer side is looked up, so that numbers far out are as exact as those in the middle.
    """
    under, within, over = _sides(node)
    from_below = under + within * float(part)
    from_above = over + within * float(1 - part)
    deviations = quantile(from_below) if from_below <= from_above else -quantile(from_above)
    number = node.mu + node.sigma * deviations
    if isinstance(node, LogNormal):
        number = exponential(number)
    if node.step is not None:
        return number
    low, high = bounds(node)
    return min(max(number, low), high)


def share_between(node: Bell, low: float, high: float) -> float:
    """The share of the whole curve between two numbers."""
    return mass(_deviations(node, low), _deviations(node, high))


def _cut(node: Bell) -> tuple[float, float]:
    """The ends of the curve, in standard deviations."""
    steps = steps_of(node)
    low, high = bounds(node)
    if steps is not None:
        low, high = (steps.at(index) + sign * steps.step / 2 for index, sign in ((0, -1), (steps.size - 1, 1)))
    return _deviations(node, low), _deviations(node, high)


def _deviations(node: Bell, number: float) -> float:
    if isinstance(node, LogNormal):
        number = ln(number) if number > 0 else -inf
    return (number - node.mu) / node.sigma
