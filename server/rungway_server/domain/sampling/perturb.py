"""Clones in population based training: hyperparameters of a parent moved a little, or drawn anew.

Jaderberg et al. 2017, "Population Based Training of Neural Networks": "explore" by perturbing and resampling.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor
from typing import cast

from rungway_server.domain.documents.fields import finite
from rungway_server.domain.documents.paths import Path
from rungway_server.domain.sampling.drawing import drawer
from rungway_server.domain.sampling.philox import Words, philox, seed_keys
from rungway_server.domain.space.axes import Axis, support
from rungway_server.domain.space.configuration import Configuration, flat
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.decimals import power
from rungway_server.domain.space.space import Categorical, Const, Double, Entry, Int, Log, LogUniform, Parameter, Space

MAX_ATTEMPTS = 1000
"""Most tries to meet the constraints; after them a copy keeps the hyperparameters of its parent."""


def perturb(
    space: Space,
    hparams: Mapping[str, object],
    seed: int,
    child: int,
    resample_probability: float,
    perturb_factor: float,
) -> dict[str, object]:
    """The configuration of a copy, trial number `child`, of a trial that has `hparams`: the same for the same
    arguments, everywhere.

    Each parameter is drawn anew with `resample_probability`. Otherwise a number is multiplied by 1 + `perturb_factor`
    or by 1 - `perturb_factor`, each as likely, and kept in its range; an integer or a number with a step then goes on
    to the next value in the direction it moved, so that small ones are not stuck. Anything else stays. A parameter
    that the parent does not have, because its conditions did not hold, is drawn.
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
    if isinstance(node, Categorical) or factor == 0:
        return old
    number = finite(old)
    if number is None:  # a configuration of the user's own, with something else in this place
        return drawer(node)(words[0] << 64 | words[1])
    return _moved(node, number, 1 + factor if words[3] >> 63 else 1 - factor)


def _moved(node: Parameter, old: float, by: float) -> object:
    low, high = _bounds(node)
    new = min(max(old * by, low), high)
    whole = support(node)
    if whole is None:
        return new
    if isinstance(node, Int):
        steps = Fraction(new) - node.minval
        index = (ceil if new > old else floor)(steps / (node.step or 1))
    else:
        index = _index(whole, new, up=new > old)
    return whole.at(min(max(index, 0), whole.size - 1))


def _index(axis: Axis, number: float, *, up: bool) -> int:
    """Where the number stands among the values of an axis, or would: the next one up or down."""
    last = axis.size - 1
    falling = cast("float", axis.at(0)) > cast("float", axis.at(last))

    def value(index: int) -> float:
        return cast("float", axis.at(last - index if falling else index))

    rank = bisect_left(range(axis.size), number, key=value) if up else bisect_right(range(axis.size), number, key=value)
    rank -= not up
    return last - rank if falling else rank


def _bounds(node: Parameter) -> tuple[float, float]:
    match node:
        case Int(low, high) | Double(low, high) | LogUniform(low, high):
            return low, high
        case Log(base, low, high):
            first, last = power(base, low), power(base, high)
            return min(first, last), max(first, last)
        case _:
            raise TypeError(node)
