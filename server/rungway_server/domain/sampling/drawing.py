"""One value of a parameter from 128 random bits, by exact integer arithmetic and single roundings."""

from collections.abc import Callable
from fractions import Fraction
from math import nextafter
from typing import TypeAlias

from rungway_server.domain.space.decimals import between_logs, power, step_count, step_value
from rungway_server.domain.space.space import Categorical, Const, Double, Int, Log, LogUniform, Parameter

Drawer: TypeAlias = Callable[[int], object]
"""From 128 bits to the value they stand for."""

_FRACTION, _RESOLUTION = 128 - 53, 2**53
"""How far to shift bits for a number of 53 bits, and how many of those there are."""


def drawer(node: Parameter) -> Drawer:
    """How values of a parameter are drawn. Values of constants and categorical parameters are the space's own."""
    match node:
        case Const(val):
            return lambda _: val
        case Categorical(vals):
            size = len(vals)
            return lambda bits: vals[_below(size, bits)]
        case Int(low, high, _, step):
            width = step or 1
            steps = (high - low) // width + 1
            return lambda bits: low + width * _below(steps, bits)
        case Double(minval, maxval, _, step):
            return _number(minval, maxval, step)
        case Log(base, minval, maxval, _, step):
            exponent = _number(minval, maxval, step)
            return lambda bits: power(base, exponent(bits))
        case LogUniform(minval, maxval):
            return lambda bits: between_logs(minval, maxval, Fraction(bits >> _FRACTION, _RESOLUTION))


def _below(size: int, bits: int) -> int:
    """An integer from 0 to size - 1: the part above the point after multiplying with the size.

    No integer is likelier than another by more than 2**-128, far below what any number of trials could show.
    """
    return bits * size >> 128


def _number(low: float, high: float, step: float | None) -> Callable[[int], float]:
    """A number from low to below high, by 53 bits; with a step, one of the steps up to high."""
    if step is not None:
        steps = step_count(low, high, step)
        return lambda bits: step_value(low, step, _below(steps, bits))
    width = high - low

    def between(bits: int) -> float:
        number = low + width * ((bits >> _FRACTION) * 2.0**-53)
        return number if number < high else nextafter(high, low)  # the sum may have been rounded up to high

    return between
