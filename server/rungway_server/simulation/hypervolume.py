"""The hypervolume of results by several objectives: how much of all possible results they dominate.

Exact, by the exclusive part of one point after the other, with one objective less in each step. Source: While,
Bradstreet and Barone 2012, "A Fast Way of Calculating Exact Hypervolumes", IEEE Transactions on Evolutionary
Computation 16(1), section III.
"""

import numpy as np
from numpy.typing import NDArray

from rungway_server.domain.search.fronts import Rows, nondominated


def hypervolume(gains: Rows) -> float:
    """The volume of points, each a row of how much better it is than the reference point by each objective (any unit).

    A point that is not better by each of them adds nothing. The time grows with the number of points to the power of
    objectives - 1.
    """
    gains = gains[(gains > 0).all(axis=1)]
    if not len(gains):
        return 0.0
    if gains.shape[1] == 1:
        return float(gains.max())
    gains = gains[nondominated(-gains)]
    gains = gains[np.argsort(gains[:, -1], kind="stable")]
    if gains.shape[1] == 2:  # then the first objective falls while the last one rises
        return float(gains[:, 0] @ np.diff(gains[:, 1], prepend=0.0))
    return sum(float(gain[-1]) * gained(gain[:-1], gains[i + 1 :, :-1]) for i, gain in enumerate(gains))


def gained(gain: NDArray[np.float64], others: Rows) -> float:
    """What one more point adds to the volume of others."""
    if not (gain > 0).all():
        return 0.0
    return max(0.0, float(gain.prod()) - hypervolume(np.minimum(others, gain)))
