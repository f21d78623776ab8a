"""Learning curves for a picture: fewer points that look the same."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Lengths: TypeAlias = NDArray[np.int64]
Metrics: TypeAlias = NDArray[np.float64]


def thinned(lengths: Lengths, metrics: Metrics, most: int) -> tuple[Lengths, Metrics]:
    """At most so many points (2 or more) of a curve: the first and the last, and of each stretch between them the least
    and the greatest metric. A point without a metric (NaN) counts as the greatest: a picture shows the gap."""
    if len(lengths) <= most:
        return lengths, metrics
    inner = np.arange(1, len(lengths) - 1)
    kept = {0, len(lengths) - 1}
    for stretch in np.array_split(inner, (most - 2) // 2) if most >= 4 else ():
        values = np.nan_to_num(metrics[stretch], nan=np.inf)
        kept |= {int(stretch[values.argmin()]), int(stretch[values.argmax()])}
    at = sorted(kept)
    return lengths[at], metrics[at]
