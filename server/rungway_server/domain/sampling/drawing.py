"""One value of a parameter from 128 random bits: exact integer arithmetic, rounded once."""

from collections.abc import Callable
from math import nextafter
from typing import TypeAlias

from rungway_server.domain.sampling.uneven import inside, uneven, upward
from rungway_server.domain.space.axes import below_one, values
from rungway_server.domain.space.decimals import between_logs, power, step_count, step_value
from rungway_server.domain.space.ranges import on_curve
from rungway_server.domain.space.space import (
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

Drawer: TypeAlias = Callable[[int], object]
"""A function from 128 random bits to a value."""

_FRACTION = 128 - 53
"""The shift that leaves 53 of 128 bits."""


def drawer(node: Parameter) -> Drawer:
    """The function that draws values of a parameter. Constants and categories are returned as the space holds them."""
    if (chosen := uneven(node)) is not None:
        axis = values(node)
        assert axis is not None
        return lambda bits: axis.at(chosen.index(bits))
    match node:
        case Const(val):
            return lambda _: val
        case Categorical(vals) | Ordinal(vals):
            size = len(vals)
            return lambda bits: vals[_below(size, bits)]
        case _:
            return _drawer_of_range(node)


def _drawer_of_range(node: Ranged) -> Drawer:
    match node:
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
            return lambda bits: between_logs(minval, maxval, upward(bits))
        case _:
            return _drawer_of_curve(node)


def _drawer_of_curve(node: LogInt | ReverseLogUniform | Normal | LogNormal) -> Drawer:
    match node:
        case ReverseLogUniform():
            return lambda bits: below_one(node, upward(bits))
        case Normal() | LogNormal():
            return lambda bits: on_curve(node, inside(bits))
        case LogInt():
            raise TypeError(node)  # uneven


def _below(size: int, bits: int) -> int:
    """An integer from 0 to size - 1: the upper 128 bits of the product (Lemire 2019, "Fast Random Integer Generation in
    an Interval", without rejection).

    The probabilities of two integers differ by at most 2**-128, which no number of trials could show.
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
