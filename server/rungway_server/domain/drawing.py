"""One value of a parameter from a block of random bits, by exact integer arithmetic and single roundings."""

from collections.abc import Callable
from fractions import Fraction
from math import nextafter
from typing import Any

from rungway_server.domain.decimals import between_logs, power, step_count, step_value
from rungway_server.domain.philox import Words
from rungway_server.domain.space import Categorical, Const, Double, Int, Log, LogUniform, Parameter

_RESOLUTION = 2**53


def draw(node: Parameter, words: Words) -> object:
    """The value that the first two words stand for. Values of categorical parameters are the space's own."""
    return _DRAW[type(node)](node, words)


def _below(size: int, words: Words) -> int:
    """An integer from 0 to size - 1: of 128 bits, the part above the point after multiplying with the size.

    No integer is likelier than another by more than 2**-128, far below what any number of trials could show.
    """
    return (((words[0] << 64) | words[1]) * size) >> 128


def _between(low: float, high: float, words: Words) -> float:
    """A number from low to below high, by 53 bits."""
    number = low + (high - low) * ((words[0] >> 11) * 2.0**-53)
    return number if number < high else nextafter(high, low)  # the sum may have been rounded up to high


def _stepped(node: Double | Log, step: float, words: Words) -> float:
    return step_value(node.minval, step, _below(step_count(node.minval, node.maxval, step), words))


def _int(node: Int, words: Words) -> int:
    step = node.step or 1
    return node.minval + step * _below((node.maxval - node.minval) // step + 1, words)


def _double(node: Double, words: Words) -> float:
    return _between(node.minval, node.maxval, words) if node.step is None else _stepped(node, node.step, words)


def _log(node: Log, words: Words) -> float:
    step = node.step
    return power(node.base, _between(node.minval, node.maxval, words) if step is None else _stepped(node, step, words))


def _log_uniform(node: LogUniform, words: Words) -> float:
    return between_logs(node.minval, node.maxval, Fraction(words[0] >> 11, _RESOLUTION))


def _categorical(node: Categorical, words: Words) -> object:
    return node.vals[_below(len(node.vals), words)]


def _const(node: Const, _: Words) -> object:
    return node.val


_DRAW: dict[type, Callable[[Any, Words], object]] = {
    Const: _const,
    Int: _int,
    Double: _double,
    Log: _log,
    LogUniform: _log_uniform,
    Categorical: _categorical,
}
