"""The chain of forests: what each rung teaches beyond what the rung below it says.

    score of rung k = rho * score of rung k-1 + n / (n + 4) * forest of rung k

The forests learn normal scores of ranks, so units of the metric do not matter. `rho` is a least-squares fit on the
trials of rung k, drawn to "as good as the rung below says" with the weight of 4 results. So a rung whose order misleads
is learned away (rho near 0, or below it) as soon as a higher one disagrees.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rungway_server.proposals.columns import Columns
from rungway_server.proposals.draws import Draws, Floats
from rungway_server.proposals.observed import Observed, Rung
from rungway_server.proposals.trees import Forest, Ints

_MOST = (150, 120, 100, 80)
"""Most results that a forest learns from, by rung: a forest of so many takes a few milliseconds. Higher rungs: 80."""
_LEAST = 5
"""Fewest results of a rung above the lowest of the chain: five points still fit a slope."""
_WEIGHT, _SHRINK = 4.0, 4.0
"""How many results say "as the rung below": for rho, and for the forest that corrects it."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Chain:
    """The fitted chain, lowest rung first: rho, the weight of the forest, and the forest."""

    levels: tuple[tuple[float, float, Forest], ...]

    def score(self, x: Floats, trees: Ints | None = None) -> Floats:
        """A score for each row, less is better: the mean of all trees, or of these of each forest."""
        scores = np.zeros(len(x))
        for rho, weight, forest in self.levels:
            scores = rho * scores + weight * forest.predict(x, trees)
        return scores


def least_results(dimensions: int) -> int:
    """How many results of one rung a chain begins with: enough for two leaves in each of 4 trees, and a few more than
    the space has parameters."""
    return max(8, dimensions + 2)


def looked_at(rungs: Sequence[Rung]) -> list[list[int]]:
    """The places of each rung whose results are learned from: the best half of `_MOST`, and others spread evenly."""
    return [_spread(len(rung.trials), _MOST[min(index, len(_MOST) - 1)]) for index, rung in enumerate(rungs)]


def fitted(columns: Columns, observed: Observed, draws: Draws) -> Chain | None:
    """The chain of what was observed; None while no rung has enough results."""
    chain = Chain(())
    for rung, places in zip(observed.rungs, looked_at(observed.rungs), strict=True):
        known = [place for place in places if rung.trials[place] in observed.configs]
        if len(rung.trials) < (_LEAST if chain.levels else least_results(len(columns))) or not known:
            continue
        x = columns.encoded([observed.configs[rung.trials[place]] for place in known])
        chain = Chain((*chain.levels, _level(columns, chain, x, _normal_scores(rung)[known], len(rung.trials), draws)))
    return chain if chain.levels else None


def _level(
    columns: Columns, chain: Chain, x: Floats, scores: Floats, results: int, draws: Draws
) -> tuple[float, float, Forest]:
    if not chain.levels:
        return 0.0, 1.0, Forest(x, scores, columns.categories, draws)
    below = chain.score(x)
    below, scores = below - below.mean(), scores - scores.mean()
    squares = float((below**2).sum())
    spread = squares / len(below) + _TINY
    slope = float((below * scores).sum()) + _WEIGHT * math.sqrt(spread) * float(scores.std())
    rho = slope / (squares + _WEIGHT * spread)
    return rho, results / (results + _SHRINK), Forest(x, scores - rho * below, columns.categories, draws)


def _normal_scores(rung: Rung) -> Floats:
    """For each result the normal deviate of its rank; equal results, and all dead ones, share a score."""
    classes = np.array(rung.classes)
    if rung.dead:
        classes[-rung.dead :] = classes[-rung.dead]
    ranks = (np.searchsorted(classes, classes, "left") + np.searchsorted(classes, classes, "right")) / (
        2 * len(classes)
    )
    different, places = np.unique(ranks, return_inverse=True)
    deviates = NormalDist()
    return np.array([deviates.inv_cdf(float(rank)) for rank in different])[places]


def _spread(size: int, most: int) -> list[int]:
    if size <= most:
        return list(range(size))
    half = most // 2
    return [*range(half), *(int(place) for place in np.linspace(half, size - 1, most - half))]
