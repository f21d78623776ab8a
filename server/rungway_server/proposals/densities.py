"""Proposals by two densities: of good configurations and of the others (BOHB).

Falkner, Klein and Hutter 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale", section 3, with the
choices of its authors' program HpBandSter (`config_generators/bohb.py`): the largest rung with enough results; the good
are the best 15 %, at least d + 1; kernels have the bandwidths of the normal reference rule; of 64 samples around good
configurations, with bandwidths three times as wide, the one with the largest ratio of the densities; one proposal in
three is random; values that a configuration lacks are taken from another one.

What is different: at most 150 good configurations and 350 others are looked at, spread evenly over their ranks, and
failed results are never good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rungway_server.proposals.columns import Columns
from rungway_server.proposals.draws import Draws, Floats
from rungway_server.proposals.observed import Observed, Rung

RANDOM_SHARE = 1 / 3
_GOOD = 0.15
_SAMPLES = 64
_WIDER = 3.0
_LEAST_WIDTH = 1e-3
_MOST_GOOD, _MOST_OTHERS = 150, 350
_REFERENCE = 1.06
"""The normal reference rule: this times the standard deviation times n^(-1 / (4 + d))."""
_LEAST_DENSITY = 1e-32


@dataclass(frozen=True, slots=True)
class _Density:
    """A kernel density: its rows, and the bandwidth of each column. Kernels of numbers are normal, those of categories
    are Aitchison and Aitken's."""

    rows: Floats
    widths: Floats

    def of(self, columns: Columns, x: Floats) -> Floats:
        """The density at each row."""
        total = np.ones((len(x), len(self.rows)))
        for index, each in enumerate(columns.columns):
            width = self.widths[index]
            away = x[:, index, None] - self.rows[None, :, index]
            if each.category:
                others = len(each.coordinates) - 1
                total *= np.where(away == 0, 1.0 - width, width / others)
            else:
                total *= np.exp(-0.5 * (away / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        return np.asarray(total.mean(1))


@dataclass(frozen=True, slots=True)
class Densities:
    """The density of good configurations and that of others."""

    columns: Columns
    good: _Density
    others: _Density

    def samples(self, draws: Draws) -> Floats:
        """Rows around good ones, the most promising first, with coordinates of parameters that do not exist, too."""
        rows = self.good.rows[draws.below(len(self.good.rows), _SAMPLES)]
        shares, others = draws.uniform(*rows.shape), draws.uniform(*rows.shape)
        for index, each in enumerate(self.columns.columns):
            width = float(self.good.widths[index])
            if each.category:
                drawn = each.drawn(others[:, index])
                rows[:, index] = np.where(shares[:, index] < 1 - width, rows[:, index], drawn)
            else:
                rows[:, index] = _around(rows[:, index], _WIDER * width, shares[:, index])
        ratio = np.maximum(self.others.of(self.columns, rows), _LEAST_DENSITY) / np.maximum(
            self.good.of(self.columns, rows), _LEAST_DENSITY
        )
        return rows[np.argsort(ratio, kind="stable")]


def looked_at(rungs: Sequence[Rung], dimensions: int) -> tuple[int, list[int], list[int]] | None:
    """The rung that is learned from, and the places of its good results and of others; None while none has enough."""
    least = dimensions + 1
    for index in range(len(rungs) - 1, -1, -1):
        size, alive = len(rungs[index].trials), len(rungs[index].trials) - rungs[index].dead
        good = max(least, int(_GOOD * size))
        if size - good >= least and alive >= good:
            return index, _evenly(0, good, _MOST_GOOD), _evenly(good, size, _MOST_OTHERS)
    return None


def fitted(columns: Columns, observed: Observed, draws: Draws) -> Densities | None:
    """The densities of what was observed; None while no rung has enough results."""
    found = looked_at(observed.rungs, len(columns))
    if found is None:
        return None
    trials = observed.rungs[found[0]].trials
    rows = [
        columns.encoded([observed.configs[trials[at]] for at in places if trials[at] in observed.configs])
        for places in found[1:]
    ]
    if not all(len(each) > len(columns) for each in rows):
        return None
    good, others = (_density(columns, _imputed(columns, each, draws)) for each in rows)
    return Densities(columns, good, others)


def _density(columns: Columns, rows: Floats) -> _Density:
    widths = _REFERENCE * rows.std(0) * len(rows) ** (-1 / (4 + len(columns)))
    most = [(len(c.coordinates) - 1) / len(c.coordinates) if c.category else np.inf for c in columns.columns]
    return _Density(rows, np.clip(widths, _LEAST_WIDTH, most))


def _imputed(columns: Columns, rows: Floats, draws: Draws) -> Floats:
    """The rows with the coordinates that they lack: those of another row that has them, or random ones."""
    lacking = rows < 0
    if not lacking.any():
        return rows
    shares, whole = draws.uniform(*rows.shape), rows.copy()
    for index, each in enumerate(columns.columns):
        there = rows[~lacking[:, index], index]
        drawn = shares[:, index]
        chosen = there[(drawn * len(there)).astype(np.intp)] if len(there) else each.drawn(drawn)
        whole[:, index] = np.where(lacking[:, index], chosen, rows[:, index])
    return whole


def _around(centres: Floats, width: float, shares: Floats) -> Floats:
    """Normal draws around the centres, within 0 and 1, by the inverse of the distribution."""
    curve, found = NormalDist(0.0, width), np.empty_like(centres)
    for place, (centre, share) in enumerate(zip(centres.tolist(), shares.tolist(), strict=True)):
        low, high = curve.cdf(-centre), curve.cdf(1.0 - centre)
        part = low + (high - low) * share
        found[place] = centre + (curve.inv_cdf(part) if 0.0 < part < 1.0 else 0.0)
    return np.clip(found, 0.0, 1.0)


def _evenly(first: int, end: int, most: int) -> list[int]:
    if end - first <= most:
        return list(range(first, end))
    return [int(place) for place in np.linspace(first, end - 1, most)]
