"""Exact arithmetic on the numbers of a space, so that every platform computes the same values to the last bit.

Bounds and steps are taken as the decimals that users wrote: 0.1 + 2 * 0.1 is 0.3. Powers come from the decimal module,
whose logarithm and exponential are correctly rounded, or faster from `exp2` where that proves to be the same number.
"""

from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from rungway_server.domain.space.exp2 import LOG2_E, POINT, exp2, log2

_DECIMAL = Context(prec=28)
_LARGEST = 1000.0
"""e to this power is beyond the range of floats."""


@lru_cache(maxsize=4096)
def exact(number: float) -> Fraction:
    """The shortest decimal that reads as this number, as a fraction."""
    return Fraction(repr(number))


def step_count(minval: float, maxval: float, step: float) -> int:
    """How many of minval, minval + step, minval + 2 * step … are not above maxval."""
    return (exact(maxval) - exact(minval)) // exact(step) + 1


def step_value(minval: float, step: float, index: int) -> float:
    """minval + index * step, rounded once."""
    return float(exact(minval) + index * exact(step))


def whole_steps(number: float, minval: float, step: float) -> int:
    """How many whole steps a number lies above minval. Floats say so, unless their errors might decide."""
    steps, error = _steps(number, minval, step)
    if error < steps % 1 < 1 - error:
        return int(steps // 1)
    return (exact(number) - exact(minval)) // exact(step)


def nearest_step(number: float, minval: float, step: float) -> int:
    """The number of steps from minval that comes nearest to a number; halves are rounded away from minval. The same."""
    steps, error = _steps(number, minval, step)
    if error < (steps + 0.5) % 1 < 1 - error:
        return int((steps + 0.5) // 1)
    return half_away((exact(number) - exact(minval)) / exact(step))


def _steps(number: float, minval: float, step: float) -> tuple[float, float]:
    """How many steps a number lies above minval, and a bound of the error."""
    return (number - minval) / step, 2.0**-48 * ((abs(number) + abs(minval)) / step + 1)


def distance_from_one(number: float) -> float:
    """1 - number, as the decimals that users write: that of 0.999 is 0.001."""
    return float(1 - exact(number))


def half_away(number: Fraction) -> int:
    """The nearest integer; halves are rounded away from zero."""
    rounded = int(abs(number) + Fraction(1, 2))
    return rounded if number >= 0 else -rounded


def power(base: float, exponent: float) -> float:
    """base ** exponent, correctly rounded except in astronomically rare cases."""
    numerator, denominator = exponent.as_integer_ratio()
    quick = exp2((log2(base) * numerator // denominator) >> POINT)
    if quick is not None:
        return quick
    return float(_DECIMAL.exp(_DECIMAL.multiply(_natural_log(base), Decimal(exponent))))


def exponential(exponent: float) -> float:
    """e ** exponent, correctly rounded except in astronomically rare cases; 0 or inf where floats end."""
    exponent = min(max(exponent, -_LARGEST), _LARGEST)
    numerator, denominator = exponent.as_integer_ratio()
    quick = exp2((LOG2_E * numerator // denominator) >> POINT)
    return float(_DECIMAL.exp(Decimal(exponent))) if quick is None else quick


def between_logs(minval: float, maxval: float, part: Fraction) -> float:
    """The number at a part (0 to 1) of the way from minval to maxval on a logarithmic scale, both ends exact."""
    first, last = log2(minval), log2(maxval)
    number = exp2((first + (last - first) * part.numerator // part.denominator) >> POINT)
    if number is None:
        low, high = _natural_log(minval), _natural_log(maxval)
        way = _DECIMAL.divide(Decimal(part.numerator), Decimal(part.denominator))
        number = float(_DECIMAL.exp(_DECIMAL.fma(_DECIMAL.subtract(high, low), way, low)))
    return min(max(number, minval), maxval)


@lru_cache(maxsize=1024)
def _natural_log(number: float) -> Decimal:
    return _DECIMAL.ln(Decimal(number))
