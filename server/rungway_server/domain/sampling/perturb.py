"""Configurations of clones in population based training: hyperparameters of the parent perturbed or resampled.

Jaderberg et al. 2017, "Population Based Training of Neural Networks", section 3: the step "explore".
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import cast

from rungway_server.domain.documents.fields import finite
from rungway_server.domain.documents.json_values import same
from rungway_server.domain.documents.paths import Path
from rungway_server.domain.sampling.drawing import drawer
from rungway_server.domain.sampling.philox import Words, philox, seed_keys
from rungway_server.domain.space.axes import Axis, values
from rungway_server.domain.space.configuration import Configuration, flat
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.ranges import bounds
from rungway_server.domain.space.space import (
    Categorical,
    Const,
    Entry,
    Int,
    LogInt,
    Ordinal,
    Ranged,
    ReverseLogUniform,
    Space,
)

MAX_ATTEMPTS = 1000
"""Most attempts to meet the constraints; after them a clone keeps the hyperparameters of its parent."""


def perturb(
    space: Space,
    hparams: Mapping[str, object],
    seed: int,
    child: int,
    resample_probability: float,
    perturb_factor: float,
) -> dict[str, object]:
    """The configuration of a clone, trial number `child`, of a trial with the configuration `hparams`.

    A pure function: the same arguments give the same configuration on every platform. Each parameter is resampled with
    `resample_probability`. Otherwise a number is multiplied by 1 + `perturb_factor` or 1 - `perturb_factor`, equally
    likely, and clipped to its range; an integer or a number with a step is then rounded to the next value in the
    direction of the move, so that small values do not get stuck. Of a `reverse_log_uniform` number, the distance from 1
    is multiplied instead. An ordinal moves to the next or the previous of its values, if there is one. Constants and
    categories stay. A parameter that the parent does not have, because its conditions did not hold, is drawn.
    """
    parent, met, keys = flat(space, hparams), checker(space), seed_keys(seed)
    for attempt in range(MAX_ATTEMPTS):

        def value(entry: Entry, attempt: int = attempt) -> object:
            words = philox((child, attempt, *entry.stream), keys)
            return _changed(entry, parent, words, resample_probability, perturb_factor)

        copy = Configuration(space, value)
        if met(copy):
            return copy.nested()
    return dict(hparams)


def _changed(entry: Entry, parent: Mapping[Path, object], words: Words, resample: float, factor: float) -> object:
    node = entry.parameter
    if isinstance(node, Const):
        return node.val
    # A draw uses the first two words; the last two decide.
    if entry.path not in parent or (words[2] >> 11) * 2.0**-53 < resample:
        return drawer(node)(words[0] << 64 | words[1])
    old = parent[entry.path]
    up = bool(words[3] >> 63)
    if isinstance(node, Categorical) or factor == 0:
        return old
    if isinstance(node, Ordinal):
        place = next((index for index, each in enumerate(node.vals) if same(each, old)), None)
        if place is not None:
            return node.vals[min(max(place + (1 if up else -1), 0), len(node.vals) - 1)]
    elif (number := finite(old)) is not None:
        return _moved(node, number, 1 + factor if up else 1 - factor)
    return drawer(node)(words[0] << 64 | words[1])  # a user's own configuration may hold another kind of value


def _moved(node: Ranged, old: float, by: float) -> object:
    low, high = bounds(node)
    moved = 1 - (1 - old) * (2 - by) if isinstance(node, ReverseLogUniform) else old * by
    new = min(max(moved, low), high)
    whole = values(node)
    if whole is None:
        return new
    if isinstance(node, Int | LogInt):
        steps = Fraction(new) - node.minval
        index = (ceil if new > old else floor)(steps / (node.step or 1))
    else:
        index = _index(whole, new, up=new > old)
    return whole.at(min(max(index, 0), whole.size - 1))


def _index(axis: Axis, number: float, *, up: bool) -> int:
    """The index of the number among the values of an axis: of the next value up or down if it is not one of them."""
    last = axis.size - 1
    falling = cast("float", axis.at(0)) > cast("float", axis.at(last))

    def value(index: int) -> float:
        return cast("float", axis.at(last - index if falling else index))

    rank = bisect_left(range(axis.size), number, key=value) if up else bisect_right(range(axis.size), number, key=value)
    rank -= not up
    return last - rank if falling else rank
