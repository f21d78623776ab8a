"""The one door to all models: configurations for some trial numbers, from what was observed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from rungway_server.domain.sampling.sampling import point_of, suggest_many
from rungway_server.domain.space.space import Source as Pure
from rungway_server.domain.space.space import Space
from rungway_server.proposals import chain, densities, moves
from rungway_server.proposals.columns import columns_of
from rungway_server.proposals.draws import Draws, Floats, Use
from rungway_server.proposals.observed import Observed, Rung, Source
from rungway_server.proposals.trees import TREES, Ints

CANDIDATES = 200
"""Random configurations of which the forest takes the best."""
_FEW_TREES = 5
"""Trees that a cheap proposal is judged by, drawn for each: they disagree where little is known, and so explore."""
_ATTEMPTS = 100
"""Moves of one configuration until one meets the constraints and is new."""
_BATCHES = 10
"""Batches of candidates until one meets the constraints and is new."""

Hparams = dict[str, object]


def least_results(space: Space) -> int:
    """How many results of the lowest rung the forest begins with."""
    return chain.least_results(len(columns_of(space)))


def is_due(results: int, fitted: int) -> bool:
    """Whether a model of `fitted` results, of all rungs together, is to be fitted anew: they grew by 15 %, at least
    by 4."""
    return results >= fitted + max(4, int(0.15 * fitted))


def wanted(space: Space, source: Source, rungs: Sequence[Rung]) -> set[int]:
    """The trials whose configurations the model of this source reads, some hundreds at most; empty while there are too
    few results."""
    match source:
        case Source.FOREST:
            seen = zip(rungs, chain.looked_at(rungs), strict=True)
            enough = any(len(rung.trials) >= least_results(space) for rung in rungs)
            return {rung.trials[place] for rung, places in seen for place in places} if enough else set()
        case Source.LOCAL:
            return set(moves.looked_at(rungs))
        case Source.KDE:
            found = densities.looked_at(rungs, len(columns_of(space)))
            return {rungs[found[0]].trials[place] for places in found[1:] for place in places} if found else set()
        case _:
            return set()


def propose(
    space: Space,
    seed: int,
    observed: Observed,
    source: Source,
    numbers: range,
    entry: int,
    used: Collection[int] = (),
) -> list[Hparams] | None:
    """The configurations of these trials, as `domain.sampling.propose` returns them: always members of the space.

    A pure function. `entry` is the index of the rung up to which the trials will run unjudged. `used` are the points of
    a finite space (see `point_of`) that are not proposed again, and no two proposals of one call are the same point.
    None where the source has too few results, or finds too few that meet the constraints and are new: the pure source
    then steps in.
    """
    if source is Source.RANDOM or source is Source.SOBOL:
        return suggest_many(_with_source(space, source), seed, numbers)
    if not len(columns_of(space)):
        return None
    taken = set(used)
    match source:
        case Source.FOREST:
            found = _by_forest(space, seed, observed, numbers, entry, taken)
        case Source.LOCAL:
            found = _by_moves(space, seed, observed, numbers, taken)
        case Source.KDE:
            found = _by_densities(space, seed, observed, numbers, taken)
    proposals: list[Hparams] = []
    for hparams in found:
        if hparams is None:
            return None
        proposals.append(hparams)
    return proposals if len(proposals) == len(numbers) else None


def chosen_trees(draws: Draws, entry: int, rungs: int) -> Ints | None:
    """The trees by which the forest judges: a few drawn ones, or None = all for a trial that trains long unjudged."""
    return None if entry >= rungs - 2 else np.argsort(draws.uniform(TREES))[:_FEW_TREES]


def _by_forest(
    space: Space, seed: int, observed: Observed, numbers: range, entry: int, taken: set[int]
) -> Iterable[Hparams | None]:
    """The best of random candidates."""
    columns, fitted = columns_of(space), _chain(space, seed, observed)
    if fitted is None:
        return

    def batches(draws: Draws) -> Iterable[Floats]:
        trees = chosen_trees(draws, entry, len(observed.rungs))
        for _ in range(_BATCHES):
            rows = columns.drawn(draws.uniform(CANDIDATES, len(columns)))
            yield rows[np.argsort(fitted.score(rows, trees), kind="stable")]

    for number in numbers:
        yield _first_new(space, (row for rows in batches(Draws(seed, Use.FOREST, number)) for row in rows), taken)


def _by_moves(space: Space, seed: int, observed: Observed, numbers: range, taken: set[int]) -> Iterable[Hparams | None]:
    """Moves of one of the best, drawn evenly."""
    columns = columns_of(space)
    good = [observed.configs[trial] for trial in moves.looked_at(observed.rungs) if trial in observed.configs]
    if not good:
        return
    rows = columns.encoded(good)
    for number in numbers:
        draws = Draws(seed, Use.LOCAL, number)
        at = int(draws.below(len(rows), 1)[0])
        attempts = (moves.moved(columns, rows[at], draws) for _ in range(_ATTEMPTS))
        yield _first_new(space, attempts, taken, unlike=good[at])


def _by_densities(
    space: Space, seed: int, observed: Observed, numbers: range, taken: set[int]
) -> Iterable[Hparams | None]:
    """The best of samples around good configurations; one in three is random."""
    fitted = _densities(space, seed, observed)
    if fitted is None:
        return
    for number in numbers:
        draws = Draws(seed, Use.KDE, number)
        if draws.uniform(1)[0] < densities.RANDOM_SHARE:
            yield suggest_many(space, seed, range(number, number + 1))[0]
        else:
            yield _first_new(space, fitted.samples(draws), taken)


def _first_new(
    space: Space, rows: Iterable[Floats], taken: set[int], unlike: Mapping[str, object] | None = None
) -> Hparams | None:
    """The first of these rows that meets the constraints and is new; it is taken from then on."""
    columns = columns_of(space)
    for row in rows:
        hparams = columns.configuration(row)
        if hparams is None or hparams == unlike:
            continue
        point = point_of(space, hparams)
        if point is None or point not in taken:
            taken.update(() if point is None else (point,))
            return hparams
    return None


@lru_cache(maxsize=8)
def _chain(space: Space, seed: int, observed: Observed) -> chain.Chain | None:
    return chain.fitted(columns_of(space), observed, Draws(seed, Use.FIT, observed.revision))


@lru_cache(maxsize=8)
def _densities(space: Space, seed: int, observed: Observed) -> densities.Densities | None:
    return densities.fitted(columns_of(space), observed, Draws(seed, Use.FIT, observed.revision))


@lru_cache(maxsize=128)
def _with_source(space: Space, source: Source) -> Space:
    return replace(space, source=Pure(source.value))
