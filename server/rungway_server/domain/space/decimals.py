"""Exact arithmetic on the numbers of a space, so that every platform computes the same values to the last bit.

Bounds and steps are taken as the decimals that users wrote: 0.1 + 2 * 0.1 is 0.3. Powers come from the decimal module,
whose logarithm and exponential are correctly rounded, or faster from `exp2` where that proves to be the same number.
"""

from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from rungway_server.domain.space.exp2 import LOG2_E, POINT, exp2, log2

_DECIMAL = Context(prec=28)


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
    """e ** exponent, correctly rounded except in astronomically rare cases; from -1000 to 1000, 0 or inf where a float
    ends."""
    numerator, denominator = exponent.as_integer_ratio()
    quick = exp2((LOG2_E * numerator // denominator) >> POINT)
    return float(_DECIMAL.exp(Decimal(exponent))) if quick is None else quick


def log_of_ratio(above: Fraction, below: Fraction) -> float:
    """The natural logarithm of above / below."""
    ratio = above / below
    return float(_DECIMAL.ln(_DECIMAL.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))))


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
