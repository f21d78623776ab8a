"""Local moves: one of the best configurations, with some of its values changed."""

from collections.abc import Sequence

import numpy as np

from rungway_server.proposals.columns import Columns
from rungway_server.proposals.draws import Draws, Floats
from rungway_server.proposals.observed import Rung

_THIRD = 3
"""Configurations of the best third of a rung are moved …"""
_MOST = 8
"""… but of no more than so many."""
_LEAST_GOOD = 2
_CHANCE, _PARAMETERS = 0.3, 2
"""Each value moves with this probability, or with one that makes so many move on average where that is more."""
_DISTANCE = 0.15
"""The standard deviation of a move, of the way from one end of the range to the other."""


def looked_at(rungs: Sequence[Rung]) -> list[int]:
    """The trials that may be moved, best first: of the highest rung whose best third has two results, or of the lowest
    rung. Empty while there is no result that is not failed."""
    for rung in reversed(rungs):
        alive = len(rung.trials) - rung.dead
        good = min(len(rung.trials) // _THIRD, alive)
        if good >= _LEAST_GOOD or (rung is rungs[0] and alive):
            return list(rung.trials[: min(max(good, 1), _MOST)])
    return []


def moved(columns: Columns, row: Floats, draws: Draws) -> Floats:
    """The row with some coordinates changed, and with one for each parameter that it lacks.

    A number moves by a normal draw and is clipped to its range; one of a list of values (an integer, a step, an
    ordinal) becomes the value at the place where it comes to, which may be its own: to force it on by one place was
    measured, and is no better. A category is drawn again, and so is what did not exist.
    """
    wide = len(columns)
    chosen = draws.uniform(wide) < max(_CHANCE, _PARAMETERS / wide)
    new = np.clip(row + np.where(chosen, _DISTANCE * draws.normal(wide), 0.0), 0.0, 1.0)
    drawn, again = draws.uniform(wide), (row < 0) | (chosen & columns.categories)
    for index, each in enumerate(columns.columns):
        if again[index]:
            new[index] = each.drawn(drawn[index : index + 1])[0]
        elif each.category:
            new[index] = row[index]
    return np.asarray(new)
