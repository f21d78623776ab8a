"""Powers of two with fractional exponents, rounded correctly, at a fifth of the cost of the decimal module's `exp`.

Tang 1989, "Table-Driven Implementation of the Exponential Function in IEEE Floating-Point Arithmetic", but in
integers: the same on every platform. Ziv 1991, "Fast Evaluation of Elementary Mathematical Functions with Correctly
Rounded Last Bit": where the error might decide how the last bit is rounded, more digits have to be computed.
"""

from decimal import Context, Decimal
from functools import lru_cache
from itertools import accumulate, repeat
from math import ldexp

POINT = 96
"""Exponents are fixed-point integers with this many bits after the binary point."""

_ONE = 1 << POINT
_ERROR = 1 << POINT - 78
"""A bound on the error of a result between 1 and 2: more than the error here (2 ** -88) and that of the decimal module
with 28 digits over the range of floats (2 ** -79) together."""
_WIDE = Context(prec=60)
_LN2 = _WIDE.ln(Decimal(2))


def _fixed(number: Decimal) -> int:
    return int(_WIDE.multiply(number, Decimal(_ONE)))


def _powers(size: int) -> list[int]:
    """2 ** (i / size) for i from 0 to 255."""
    step = _WIDE.exp(_WIDE.divide(_LN2, Decimal(size)))
    return list(map(_fixed, accumulate(repeat(step, 255), _WIDE.multiply, initial=Decimal(1))))


LOG2_E = int(_WIDE.multiply(_WIDE.divide(Decimal(1), _LN2), Decimal(_ONE * _ONE)))
"""The binary logarithm of e, in fixed point with 2 * POINT bits after the point."""
_LN2_FIXED, _COARSE, _FINE = _fixed(_LN2), _powers(1 << 8), _powers(1 << 16)


@lru_cache(maxsize=1024)
def log2(number: float) -> int:
    """The binary logarithm of a positive number, in fixed point with 2 * POINT bits after the point."""
    return int(_WIDE.multiply(_WIDE.divide(_WIDE.ln(Decimal(number)), _LN2), Decimal(_ONE * _ONE)))


def exp2(exponent: int) -> float | None:
    """2 to this power (fixed point, POINT bits); None where the last bit is in doubt, and near the limits of floats."""
    whole, coarse, fine = exponent >> POINT, exponent >> POINT - 8 & 255, exponent >> POINT - 16 & 255
    rest = (exponent & (1 << POINT - 16) - 1) * _LN2_FIXED >> POINT
    series = _ONE
    for divisor in (4, 3, 2, 1):  # e ** rest; as rest is below 2 ** -16, what follows is below 2 ** -89
        series = _ONE + (rest * series >> POINT) // divisor
    number = (_COARSE[coarse] * _FINE[fine] >> POINT) * series >> POINT
    rounded = float(number - _ERROR)
    if rounded != float(number + _ERROR) or not -1000 < whole < 1000:
        return None
    return ldexp(rounded, whole - POINT)
