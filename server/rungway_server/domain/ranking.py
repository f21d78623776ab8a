"""How metrics rank: each result has a key of 8 bytes, and a smaller key (compared byte by byte) is a better result.

The key is made from the IEEE 754 bits of the score (the metric, negated when larger is better), most significant byte
first: the sign bit of a positive number is flipped, all bits of a negative number are. The infinities rank as numbers
do; NaN and failed trials rank after everything else. -0.0 ranks as 0.0, and has its own key only where metrics are
stored (`metric_key`).
"""

import math
import struct

import numpy as np
from numpy.typing import NDArray

WORST_KEY = b"\xff" * 8
"""The key of NaN and of a failed trial: after every real result, including +infinity."""

_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_MINUS_ZERO_KEY, _ZERO_KEY = b"\x7f" + b"\xff" * 7, b"\x80" + b"\0" * 7
_FLOAT, _BITS = struct.Struct(">d"), struct.Struct(">Q")


def sort_key(metric: float, smaller_is_better: bool) -> bytes:
    """The key by which a result ranks: 8 bytes, smaller is better."""
    return metric_key((metric if smaller_is_better else -metric) + 0.0, True)  # adding turns -0.0 into 0.0


def metric_key(metric: float, smaller_is_better: bool) -> bytes:
    """The key from which `metric_of` restores the metric exactly: `sort_key`, except that -0.0 differs from 0.0."""
    if math.isnan(metric):
        return WORST_KEY
    (bits,) = _BITS.unpack(_FLOAT.pack(metric if smaller_is_better else -metric))
    return _BITS.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def ranked(key: bytes) -> bytes:
    """The key by which a `metric_key` ranks: -0.0 as 0.0."""
    return _ZERO_KEY if key == _MINUS_ZERO_KEY else key


def metric_of(key: bytes, smaller_is_better: bool) -> float:
    """The metric of a `metric_key`; NaN for WORST_KEY."""
    if key == WORST_KEY:
        return math.nan
    (bits,) = _BITS.unpack(key)
    score: float
    (score,) = _FLOAT.unpack(_BITS.pack(bits ^ _SIGN if bits & _SIGN else bits ^ _ALL))
    return score if smaller_is_better else -score


def metrics_of(keys: NDArray[np.uint64], smaller_is_better: bool) -> NDArray[np.float64]:
    """`metric_of` for many keys, each as the number that its bytes are."""
    negative = keys >> np.uint64(63) == 0
    score = np.where(negative, keys ^ np.uint64(_ALL), keys ^ np.uint64(_SIGN)).view(np.float64)
    return np.where(keys == np.uint64(_ALL), np.nan, score if smaller_is_better else -score)
