"""How metrics rank: one key of 8 bytes per result, so that comparing keys byte by byte compares results.

The key is the order-preserving form of the IEEE 754 bits of the score (the metric, negated when larger is better), most
significant byte first: the sign bit of a positive number is flipped, a negative number is inverted. A smaller key is a
better result. The infinities rank naturally, and NaN (like a dead trial) after everything else. -0.0 ranks as 0.0, and
has a key of its own only where metrics are kept (`metric_key`).
"""

import math
import struct

WORST_KEY = b"\xff" * 8
"""The key of a NaN and of a dead trial: after every real result, +infinity included."""

_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_FLOAT, _BITS = struct.Struct(">d"), struct.Struct(">Q")


def sort_key(metric: float, smaller_is_better: bool) -> bytes:
    """The key that a result ranks by: 8 bytes, smaller = better."""
    return metric_key((metric if smaller_is_better else -metric) + 0.0, True)  # adding turns -0.0 into 0.0


def metric_key(metric: float, smaller_is_better: bool) -> bytes:
    """The key that tells a metric exactly: that of `sort_key`, but for one of two zeros."""
    if math.isnan(metric):
        return WORST_KEY
    (bits,) = _BITS.unpack(_FLOAT.pack(metric if smaller_is_better else -metric))
    return _BITS.pack(bits ^ _ALL if bits & _SIGN else bits | _SIGN)


def metric_of(key: bytes, smaller_is_better: bool) -> float:
    """The metric of a `metric_key`; NaN for the key of a NaN or a dead trial."""
    if key == WORST_KEY:
        return math.nan
    (bits,) = _BITS.unpack(key)
    score: float
    (score,) = _FLOAT.unpack(_BITS.pack(bits ^ _SIGN if bits & _SIGN else bits ^ _ALL))
    return score if smaller_is_better else -score
