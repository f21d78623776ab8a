"""Ranking by several objectives: fronts of results of which none dominates another, and inside a front an epsilon-net.

A result dominates another if it violates the constraints less or, equally, is nowhere worse and somewhere better.
Source: Schmucker, Donini, Zafar, Salinas and Archambeau 2021, "Multi-objective Asynchronous Successive Halving",
section 3. The scripts of the store rank by the same rules (`store/redis/lua/include/fronts.lua`), to the last bit.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rungway_server.domain.search.vectors import Vector

Rows = NDArray[np.float64]
"""A row for each vector, with a column for each objective, smaller is better."""


class Ranked(NamedTuple):
    """A result by its place in what was ranked, and its front, from 0."""

    place: int
    front: int


def in_fronts(vectors: Sequence[Vector], net: int, most: int | None = None) -> list[Ranked]:
    """The first `most` (None = all) of vectors, which are in the order in which they were told.

    They come front by front, inside a front in the order of an epsilon-net as far as that is among the first `net`, and
    then by the first objective, the next, and the time of telling.
    """
    if not vectors:
        return []
    violations = np.array([each.violation for each in vectors])
    rows = np.array([each.values for each in vectors])
    left = np.lexsort((*rows.T[::-1], violations))
    found: list[Ranked] = []
    front = 0
    while len(left) and (most is None or len(found) < most):
        same = int(np.count_nonzero(violations[left] == violations[left[0]]))
        best = _nondominated(rows[left[:same]])
        places = left[best]
        found += (Ranked(int(places[i]), front) for i in epsilon_net(rows[places], max(0, net - len(found))))
        left = np.delete(left, best)
        front += 1
    return found if most is None else found[:most]


def nondominated(rows: Rows) -> NDArray[np.intp]:
    """The places of the rows that no other one dominates, in any order of the rows; equal ones do not dominate each
    other."""
    order = np.lexsort(rows.T[::-1])
    return np.sort(order[_nondominated(rows[order])])


def _nondominated(rows: Rows) -> NDArray[np.intp]:
    """The rows, in lexicographic order, that no other one dominates: a row is dominated by an earlier one alone."""
    if rows.shape[1] <= 2:  # then it is by the least of the last column so far
        new = np.append(True, (rows[1:] != rows[:-1]).any(axis=1))
        least = np.append(np.inf, np.minimum.accumulate(rows[:, -1])[:-1])
        first_of = np.flatnonzero(new)[np.cumsum(new) - 1]  # equal rows stand together
        return np.flatnonzero((rows[:, -1] < least)[first_of])
    left, best = np.arange(len(rows)), list[int]()
    while len(left):
        first = rows[left[0]]
        best.append(int(left[0]))
        dominated = (rows[left] >= first).all(axis=1) & (rows[left] > first).any(axis=1)
        left = left[1:][~dominated[1:]]
    return np.array(best, dtype=np.intp)


def epsilon_net(rows: Rows, most: int) -> list[int]:
    """The order of a front whose rows are in lexicographic order: the first, then up to `most` times the one that is
    the farthest from all before it (of equally far ones the first), with each column scaled to 0 to 1; then the rest.
    """
    if most == 0:
        return [*range(len(rows))]
    least, span = rows.min(axis=0) / 2, rows.max(axis=0) / 2 - rows.min(axis=0) / 2  # halves: nothing overflows
    scaled = np.where(span > 0, (rows / 2 - least) / np.where(span > 0, span, 1), 0.0)
    near, chosen = np.full(len(rows), np.inf), [0]
    near[0] = -1.0
    while len(chosen) < min(most, len(rows)):
        apart = np.zeros(len(rows))
        for column in (scaled - scaled[chosen[-1]]).T[::-1]:  # the order in which the scripts add
            apart = apart + column * column
        near = np.where(near >= 0, np.minimum(near, apart), near)
        chosen.append(int(np.argmax(near)))
        near[chosen[-1]] = -1.0
    return [*chosen, *(int(i) for i in np.flatnonzero(near >= 0))]
