"""Curves for a picture keep what a picture shows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.curves import thinned

CURVES = st.lists(st.floats(allow_infinity=True) | st.just(float("nan")), max_size=300)


@given(metrics=CURVES, most=st.integers(2, 64))
def test_a_thinned_curve_has_its_ends_and_extremes(metrics: list[float], most: int) -> None:
    lengths, values = np.arange(1, len(metrics) + 1), np.array(metrics, np.float64)
    kept, shown = thinned(lengths, values, most)
    assert len(kept) <= max(most, min(len(metrics), most))
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(values[kept - 1], shown, equal_nan=True)
    if len(metrics) <= most:
        assert len(kept) == len(metrics)
    elif metrics:
        assert (kept[0], kept[-1]) == (1, len(metrics))
        if most >= 4 and not np.isnan(values).all():
            assert np.nanmin(shown) == np.nanmin(values)
            assert np.isnan(values).any() or np.max(shown) == np.max(values)
