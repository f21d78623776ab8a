"""How metrics rank: one text key per result, so that comparing keys byte by byte compares results.

The key is the order-preserving form of the IEEE 754 bits of the score (the metric, negated when larger is better) as
16 hexadecimal digits: the sign bit of a positive number is flipped, a negative number is inverted. A smaller key is a
better result. -0.0 ranks as 0.0, the infinities rank naturally, and NaN (like a dead trial) after everything else.
"""

import math
import struct

WORST_KEY = "f" * 16
"""The key of a NaN and of a dead trial: after every real result, +infinity included."""

_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def sort_key(metric: float, smaller_is_better: bool) -> str:
    """The key of a result: 16 lower-case hexadecimal digits, smaller = better."""
    if math.isnan(metric):
        return WORST_KEY
    (bits,) = struct.unpack(">Q", struct.pack(">d", _score(metric, smaller_is_better)))
    return f"{bits ^ _ALL if bits & _SIGN else bits | _SIGN:016x}"


def metric_of(key: str, smaller_is_better: bool) -> float | None:
    """The metric behind a key of `sort_key`; None for the key of a NaN or a dead trial."""
    if key == WORST_KEY:
        return None
    bits = int(key, 16)
    score: float
    (score,) = struct.unpack(">d", struct.pack(">Q", bits ^ _SIGN if bits & _SIGN else bits ^ _ALL))
    return _score(score, smaller_is_better)


def _score(metric: float, smaller_is_better: bool) -> float:
    return (metric if smaller_is_better else -metric) + 0.0  # adding turns -0.0 into 0.0
