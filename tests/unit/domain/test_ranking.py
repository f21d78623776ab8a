"""Keys sort as results rank."""

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rungway_server.domain.ranking import WORST_KEY, metric_key, metric_of, sort_key

real = st.floats(allow_nan=False)
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack(">d", bits.to_bytes(8, "big"))[0])


@given(real, real, st.booleans())
@example(0.0, -0.0, True)
@example(5e-324, 0.0, True)
@example(-5e-324, -0.0, False)
@example(math.inf, 1.7976931348623157e308, True)
@example(-math.inf, math.inf, False)
def test_keys_compare_as_metrics_do(left: float, right: float, smaller: bool) -> None:
    left_key, right_key = sort_key(left, smaller), sort_key(right, smaller)
    assert (left_key == right_key) == (left == right)
    assert (left_key < right_key) == (left < right if smaller else left > right)


@given(BITS | st.floats(), st.booleans())
def test_keys_are_8_bytes_and_read_back(metric: float, smaller: bool) -> None:
    key = metric_key(metric, smaller)
    assert len(key) == len(sort_key(metric, smaller)) == 8
    assert (key == sort_key(metric, smaller)) or metric == 0.0
    assert repr(metric_of(key, smaller)) == repr(metric)


@given(real, st.booleans())
def test_nan_ranks_after_everything_real(metric: float, smaller: bool) -> None:
    assert sort_key(metric, smaller) < sort_key(math.nan, smaller) == sort_key(-math.nan, smaller) == WORST_KEY


@pytest.mark.parametrize(
    ("metric", "smaller", "key"),
    [
        (0.0, True, "8000000000000000"),
        (-0.0, True, "8000000000000000"),
        (0.0, False, "8000000000000000"),
        (1.0, True, "bff0000000000000"),
        (1.0, False, "400fffffffffffff"),
        (math.inf, True, "fff0000000000000"),
        (math.inf, False, "000fffffffffffff"),
        (math.nan, True, "ffffffffffffffff"),
        (math.nan, False, "ffffffffffffffff"),
    ],
)
def test_the_stored_form_never_changes(metric: float, smaller: bool, key: str) -> None:
    assert sort_key(metric, smaller).hex() == key
