"""Ranking by several objectives: fronts of results of which none dominates another, and inside a front an epsilon-net.

Source: Schmucker, Donini, Zafar, Salinas and Archambeau 2021, "Multi-objective Asynchronous Successive Halving",
section 3. The scripts of the store rank by the same rules (`store/redis/lua/include/fronts.lua`), to the last bit.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from rungway_server.domain.search.vectors import Vector


class Ranked(NamedTuple):
    """A result by its place in what was ranked, and its front, from 0."""

    place: int
    front: int


def dominates(one: Vector, other: Vector) -> bool:
    """Whether a vector is better: it violates constraints less or, equally, is nowhere worse and somewhere better."""
    if one.violation != other.violation:
        return one.violation < other.violation
    pairs = [*zip(one.values, other.values, strict=True)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def in_fronts(vectors: Sequence[Vector], most: int) -> list[Ranked]:
    """Vectors in the order in which they were told, by rank: front by front, inside a front in the order of an
    epsilon-net as far as that is among the first `most`, and then by the first objective, the next, and the time of
    telling. Fronts are looked for by binary search (Zhang et al. 2015, "An Efficient Approach to Nondominated
    Sorting")."""
    order = sorted(range(len(vectors)), key=lambda at: (vectors[at].violation, vectors[at].values, at))
    fronts: list[list[int]] = []
    for _, group in groupby(order, key=lambda at: vectors[at].violation):
        first = len(fronts)
        for at in group:
            low, high = first, len(fronts)
            while low < high:
                middle = (low + high) // 2
                if any(dominates(vectors[other], vectors[at]) for other in fronts[middle]):
                    low = middle + 1
                else:
                    high = middle
            if low == len(fronts):
                fronts.append([])
            fronts[low].append(at)
    found: list[Ranked] = []
    for number, front in enumerate(fronts):
        found += (Ranked(at, number) for at in epsilon_net(vectors, front, max(0, most - len(found))))
    return found


def epsilon_net(vectors: Sequence[Vector], front: Sequence[int], most: int) -> list[int]:
    """The places of a front, which are in the order of their values: the first, and then up to `most` times the one
    that is the farthest from all before it, with each objective scaled to 0 to 1; then the rest as they are."""
    if most == 0:
        return [*front]
    scaled = _scaled([vectors[at].values for at in front])
    near = [math.inf] * len(front)
    chosen = [0]
    while len(chosen) < min(most, len(front)):
        last = scaled[chosen[-1]]
        near[chosen[-1]] = -1.0
        for i, each in enumerate(scaled):
            if near[i] >= 0:
                near[i] = min(near[i], _distance(each, last))
        chosen.append(max(range(len(front)), key=lambda i: (near[i], -i)))
    left = sorted({*range(len(front))} - {*chosen})
    return [front[i] for i in (*chosen, *left)]


def _distance(one: Sequence[float], other: Sequence[float]) -> float:
    distance = 0.0
    for a, b in reversed([*zip(one, other, strict=True)]):  # the order in which the scripts add
        distance += (a - b) * (a - b)
    return distance


def _scaled(values: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    columns = []
    for column in zip(*values, strict=True):
        least, most = min(column), max(column)
        span = most / 2 - least / 2  # halves: no difference overflows
        columns.append([(value / 2 - least / 2) / span if span > 0 else 0.0 for value in column])
    return [*zip(*columns, strict=True)]
