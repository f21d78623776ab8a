"""Powers: the same numbers as from the decimal module, whichever way they are computed."""

import math
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.space.decimals import between_logs, power
from rungway_server.domain.space.exp2 import POINT, exp2, log2

DIGITS = Context(prec=28)
positive = st.floats(min_value=5e-324, allow_infinity=False)
parts = st.fractions(0, 1) | st.integers(0, 2**53).map(lambda part: Fraction(part, 2**53))


def by_decimals(base: float, exponent: float) -> float:
    return float(DIGITS.exp(DIGITS.multiply(DIGITS.ln(Decimal(base)), Decimal(exponent))))


@given(positive.filter(lambda base: base != 1), st.floats(-1, 1))
def test_powers_are_those_of_the_decimal_module(base: float, part: float) -> None:
    exponent = part * 708 / abs(math.log(base))  # results from 1e-307 to 1e307
    assert power(base, exponent) == by_decimals(base, exponent)


@given(st.sampled_from([2.0, 10.0, math.e, 0.5]), st.floats(-20, 20))
def test_powers_of_usual_bases_are_those_of_the_decimal_module(base: float, exponent: float) -> None:
    assert power(base, exponent) == by_decimals(base, exponent)


@given(positive, positive, parts)
def test_ways_between_logarithms_are_those_of_the_decimal_module(one: float, other: float, part: Fraction) -> None:
    minval, maxval = sorted([one, other])
    low, high = DIGITS.ln(Decimal(minval)), DIGITS.ln(Decimal(maxval))
    way = DIGITS.divide(Decimal(part.numerator), Decimal(part.denominator))
    number = float(DIGITS.exp(DIGITS.fma(DIGITS.subtract(high, low), way, low)))
    assert between_logs(minval, maxval, part) == min(max(number, minval), maxval)


@pytest.mark.parametrize(
    ("exponent", "expected"), [(0.0, 1.0), (3.0, 8.0), (0.5, math.sqrt(2)), (-0.5, math.sqrt(0.5)), (-999.0, 2.0**-999)]
)
def test_known_powers_of_two(exponent: float, expected: float) -> None:
    assert exp2(int(Fraction(exponent) * 2**POINT)) == expected


def test_a_last_bit_in_doubt_is_left_to_the_decimal_module() -> None:
    """10 ** 23 lies exactly between two floats."""
    assert exp2(log2(10) * 23 >> POINT) is None
    assert power(10, 23) == by_decimals(10, 23)


@pytest.mark.parametrize("exponent", [-1074.0, -1060.5, -1000.0, 1000.0, 1023.9])
def test_the_ends_of_the_range_are_left_to_the_decimal_module(exponent: float) -> None:
    assert exp2(int(exponent * 2) << POINT - 1) is None
    assert power(2, exponent) == by_decimals(2, exponent) > 0
