"""How much each hyperparameter matters for the result.

PED-ANOVA (Watanabe et al. 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces"):
a parameter matters as much as its values among the best trials differ from those of all. The best are the best tenth in
the order of the search itself, by the rung they reached and then by their result there; all are all that started. With
those alone that reached the top, the decisive parameter would look unimportant, for none of them has a bad value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

FEWEST = 40
"""Results below which nothing is said."""
_BEST, _FEWEST_BEST = 0.1, 20
_GRID = 50
_SCOTT = 1.059
"""Scott's rule: the bandwidth is this times the spread times n^(-1/5)."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The values of a parameter, one for each trial: numbers (NaN where a trial does not have it), or places of choices
    (-1 there). `log`: they matter by their logarithm."""

    values: Floats
    categorical: bool = False
    log: bool = False

    def part(self, which: Bools) -> "Axis":
        """Of some trials alone."""
        return Axis(self.values[which], self.categorical, self.log)

    @property
    def present(self) -> Bools:
        """Which trials have it."""
        return self.values >= 0 if self.categorical else ~np.isnan(self.values)


def importances(axes: Sequence[Axis], rungs: NDArray[np.int64], scores: Floats) -> Floats | None:
    """The share of each parameter, 0 to 1: together 1, or 0 if none shows. None where there are too few results.

    `rungs` is the highest rung in which a trial has a result, -1 where it has none; `scores` are metrics there of which
    less is better, NaN where there is none.
    """
    results = int(np.count_nonzero(rungs >= 0))
    if results < FEWEST:
        return None
    order = np.lexsort((scores, -rungs))  # NaN comes last
    best: Bools = np.zeros(len(rungs), np.bool_)
    best[order[: max(int(results * _BEST), _FEWEST_BEST)]] = True
    found = np.array([_divergence(axis, best) for axis in axes])
    total = float(found.sum())
    return found / total if total > 0 else found


def _divergence(axis: Axis, best: Bools) -> float:
    """How far the values of the best are from those of all. Of a parameter that not all trials have: among those that
    have it, weighted by their share."""
    present = axis.present
    values, top = axis.values[present], best[present]
    if not 1 < np.count_nonzero(top) < len(values) or values.min() == values.max():
        return 0.0
    (among_best, among_all), chance = (_shares if axis.categorical else _densities)(values, top, axis.log)
    found = float((among_all * (among_best / among_all - 1) ** 2).sum())
    variance = 1 / int(np.count_nonzero(top)) - 1 / len(values)
    share: float = len(values) / len(present)
    return max(found - chance * variance, 0.0) * share


def _shares(values: Floats, top: Bools, _log: bool) -> tuple[tuple[Floats, Floats], float]:
    """The share of each choice among the best and among all; and what chance adds to the divergence, in units of its
    variance."""
    _, places = np.unique(values, return_inverse=True)
    count = int(places.max()) + 1
    shares = [np.bincount(places[which], minlength=count).astype(float) for which in (top, slice(None))]
    return (shares[0] / shares[0].sum(), shares[1] / shares[1].sum()), count - 1.0


def _densities(values: Floats, top: Bools, log: bool) -> tuple[tuple[Floats, Floats], float]:
    """The same for numbers: densities on a grid over their range."""
    values = np.log(values) if log and values.min() > 0 else values
    places = (values - values.min()) / (values.max() - values.min())
    bandwidth = _bandwidth(places[top])
    among = tuple(_density(each, _bandwidth(each)) for each in (places[top], places))
    return (among[0], among[1]), max(1 / (2 * math.sqrt(math.pi) * bandwidth) - 1, 0.0)


def _bandwidth(places: Floats) -> float:
    low, high = np.quantile(places, (0.25, 0.75))
    spread = min(float(places.std()), float(high - low) / 1.34)
    scott: float = _SCOTT * spread * len(places) ** -0.2
    return max(scott, 0.5 / (_GRID - 1))


def _density(places: Floats, bandwidth: float) -> Floats:
    """A sum of normal curves, one around each value, on the grid; it is nowhere 0."""
    grid = np.linspace(0, 1, _GRID)
    counts = np.bincount((places * (_GRID - 1) + 0.5).astype(np.int64), minlength=_GRID)
    kernel = np.exp(-0.5 * ((grid[:, None] - grid[None]) / bandwidth) ** 2)
    density = kernel / kernel.sum(0) @ counts
    density += 1e-6 * density.max()
    return np.asarray(density / density.sum(), np.float64)
