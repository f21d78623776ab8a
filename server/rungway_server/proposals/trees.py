"""A forest of extremely randomised trees (Geurts, Ernst and Wehenkel 2006, "Extremely Randomized Trees") in numpy.

All trees grow together, level by level, so that a forest of a few hundred results takes milliseconds. A number is split
at a random threshold, a category by a random half of its places. A parameter that does not exist lies below all
numbers, and is a place of its own beside the categories.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rungway_server.proposals.draws import Draws, Floats

Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
Words = NDArray[np.uint64]

TREES = 12
LEAF = 2
"""Fewest results of a leaf."""
DEPTH = 12
"""Most splits one after the other."""
_LEAST_GAIN = 1e-12
_PLACES = 64
"""Places of a category that a split tells apart; more of them share bits."""


@dataclass(frozen=True, slots=True)
class _Splits:
    """One split of each of some nodes: the column, and what goes left: up to the threshold, or the places whose bit is
    set. `left`, `right`: the means on both sides; `found`: whether it separates anything."""

    column: Ints
    threshold: Floats
    places: Words
    goes_left: Bools
    left: Floats
    right: Floats
    found: Bools


class Forest:
    """Trees fitted to rows `x` (n, D) and values `y` (n,). `categories`: which columns are categories."""

    def __init__(self, x: Floats, y: Floats, categories: Bools, draws: Draws) -> None:
        self._categories = categories
        self._any_category = bool(categories.any())
        self._nodes: list[tuple[Ints, Floats, Words, Ints, Floats]] = []
        self._grow(x, y, draws)
        self._column, self._threshold, self._places, self._first, self._value = (
            np.concatenate(parts) for parts in zip(*self._nodes, strict=True)
        )
        self._depth = len(self._nodes) - 1

    def predict(self, x: Floats, trees: Ints | None = None) -> Floats:
        """The mean over the trees, or some of them, for each row."""
        at = np.repeat((np.arange(TREES) if trees is None else trees)[:, None], len(x), 1)
        rows = np.arange(len(x))[None]
        for _ in range(self._depth):
            column = self._column[at]
            values = x[rows, column]
            right = values > self._threshold[at]
            if self._any_category:
                right = np.where(self._categories[column], ~_is_in(values, self._places[at]), right)
                right &= self._first[at] != at
            at = self._first[at] + right
        return np.asarray(self._value[at].mean(0))

    def _grow(self, x: Floats, y: Floats, draws: Draws) -> None:
        """Level by level: `rows` are the rows of all nodes of a level one after the other, `node` the node of each."""
        rows, node = np.tile(np.arange(len(x)), TREES), np.repeat(np.arange(TREES), len(x))
        values, total = np.full(TREES, y.mean()), 0
        for _ in range(DEPTH):
            starts = np.flatnonzero(np.concatenate(([True], node[1:] != node[:-1])))
            splits = _best_splits(x, y[rows], rows, starts, self._categories, draws)
            if not splits.found.any():
                break
            inner = node[starts][splits.found]
            first = total + len(values) + 2 * np.arange(len(inner))
            self._level(total, values, inner, first, splits)
            total += len(values)
            values = np.stack((splits.left[splits.found], splits.right[splits.found]), 1).ravel()
            lengths = np.diff(np.concatenate((starts, [len(rows)])))
            child = np.full(len(starts), -1)
            child[splits.found] = 2 * np.arange(len(inner))
            child = np.repeat(child, lengths)
            kept = child >= 0
            child = child[kept] + ~splits.goes_left[kept]
            order = np.argsort(child, kind="stable")
            rows, node = rows[kept][order], child[order]
        nothing = np.zeros(0, np.intp)
        self._level(total, values, nothing, nothing, None)

    def _level(self, total: int, values: Floats, inner: Ints, first: Ints, splits: _Splits | None) -> None:
        """Note the nodes of a level. A leaf leads to itself, so that all rows may take equally many steps."""
        column, threshold = np.zeros(len(values), np.intp), np.full(len(values), np.inf)
        places, leads = np.zeros(len(values), np.uint64), total + np.arange(len(values))
        if splits is not None:
            column[inner], threshold[inner] = splits.column[splits.found], splits.threshold[splits.found]
            places[inner], leads[inner] = splits.places[splits.found], first
        self._nodes.append((column, threshold, places, leads, values))


def _is_in(places: Floats, chosen: Words) -> Bools:
    """Whether the bit of each place is set."""
    return np.asarray(chosen >> ((places + 1).astype(np.uint64) % np.uint64(_PLACES)) & np.uint64(1), np.bool_)


def _best_splits(x: Floats, y: Floats, rows: Ints, starts: Ints, categories: Bools, draws: Draws) -> _Splits:
    """The best of some random splits of each node, by the squared error that it takes away. `starts`: where the rows of
    each node begin; `y` the values of the rows."""
    nodes, wide = len(starts), x.shape[1]
    tries = max(3, int(0.6 * wide)) if wide < 16 else int(wide**0.5) + 6
    lengths = np.diff(np.concatenate((starts, [len(rows)])))
    of = np.repeat(np.arange(nodes), lengths)
    columns = draws.below(wide, nodes, tries)
    values = x[rows[:, None], columns[of]]
    low, high = np.minimum.reduceat(values, starts, 0), np.maximum.reduceat(values, starts, 0)
    thresholds = low + draws.uniform(nodes, tries) * (high - low)
    left = values <= thresholds[of]
    places = np.zeros((nodes, tries), np.uint64)
    if categories.any():
        places = draws.words(nodes, tries)
        left = np.where(categories[columns][of], _is_in(values, places[of]), left)
    n_left = np.add.reduceat(left, starts, 0, dtype=np.float64)
    sum_left = np.add.reduceat(left * y[:, None], starts, 0)
    n_all, sum_all = lengths[:, None].astype(np.float64), np.add.reduceat(y, starts)[:, None]
    n_right, sum_right = n_all - n_left, sum_all - sum_left
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = sum_left**2 / n_left + sum_right**2 / n_right - sum_all**2 / n_all
    gains = np.where((n_left >= LEAF) & (n_right >= LEAF), gains, -1.0)
    best, each = gains.argmax(1), np.arange(nodes)
    return _Splits(
        column=columns[each, best],
        threshold=thresholds[each, best],
        places=places[each, best],
        goes_left=left[np.arange(len(rows)), best[of]],
        left=sum_left[each, best] / np.maximum(n_left[each, best], 1),
        right=sum_right[each, best] / np.maximum(n_right[each, best], 1),
        found=gains[each, best] > _LEAST_GAIN,
    )
