"""What models cost: CPU time per proposal and per refit, by number of trials and of hyperparameters.

Models run outside the event loop, and no part of the service is needed here. A refit is shared by the asks until
results have grown by 15 %; `ms_per_ask` is all work of an ask at that size.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rungway_server.domain.sampling.sampling import suggest_many
from rungway_server.domain.space.space import Space
from rungway_server.proposals.observed import Observed, Rung, Source
from rungway_server.proposals.propose import is_due, propose, wanted
from rungway_server.service.experiments import plan_search

SOURCES = (Source.FOREST, Source.LOCAL, Source.KDE)
_RUNGS, _DIVISOR = 5, 3
_AT_ONCE = 32
_BAR_MS = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds of a source at a number of trials in a space of so many hyperparameters."""

    source: str
    trials: int
    hyperparameters: int
    ms_per_proposal: float
    ms_per_refit: float
    ms_per_ask: float
    met: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this load test to the command line."""
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000], help="(%(default)s)")
    parser.add_argument("--hyperparameters", type=int, nargs="+", default=[8, 40], help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many is shown (%(default)s)")


async def run(arguments: argparse.Namespace) -> tuple[list[Cost], list[Cost]]:
    """The rows to print and the rows for the JSON file: the same here."""
    found = [
        _cost(source, trials, hyperparameters, arguments.rounds)
        for hyperparameters in arguments.hyperparameters
        for trials in arguments.trials
        for source in SOURCES
    ]
    return found, found


def _space(hyperparameters: int) -> Space:
    """Plain and logarithmic numbers, integers, and categories, of each as many."""
    kinds: Sequence[dict[str, object]] = (
        {"type": "double", "minval": 0, "maxval": 1},
        {"type": "log", "base": 10, "minval": -5, "maxval": 0},
        {"type": "int", "minval": 1, "maxval": 100},
        {"type": "categorical", "vals": ["a", "b", "c", "d"]},
    )
    section = {f"p{index}": kinds[index % len(kinds)] for index in range(hyperparameters)}
    searcher = {"name": "async_halving", "metric": "loss", "max_trials": 1, "max_length": 81, "min_length": 1}
    return plan_search({"hyperparameters": section, "searcher": searcher}).config.space


def _observed(space: Space, trials: int, revision: int) -> Observed:
    """Trials of which each rung lets a third on, by what looks like chance."""
    configs = dict(enumerate(suggest_many(space, 1, range(trials))))
    order, rungs = np.random.default_rng(1).permutation(trials), []
    for _ in range(_RUNGS):
        rungs.append(Rung(tuple(order.tolist()), tuple(range(len(order)))))
        order = order[: len(order) // _DIVISOR]
    return Observed(revision, tuple(rungs), configs)


def _cost(source: Source, trials: int, hyperparameters: int, rounds: int) -> Cost:
    space, each, refits = _space(hyperparameters), list[float](), list[float]()
    for revision in range(rounds):
        seen = _observed(space, trials, revision)
        refits.append(_cpu_ms(partial(_refit, space, source, seen)))
        each.append(_cpu_ms(partial(propose, space, 1, seen, source, range(_AT_ONCE), 0)) / _AT_ONCE)
    results = sum(len(rung.trials) for rung in _observed(space, trials, 0).rungs)
    shared = next(more for more in range(1, results + 5) if is_due(results + more, results)) * trials / results
    per_ask = min(each) + min(refits) / max(shared, 1)
    met = "yes" if per_ask <= _BAR_MS else "no"
    return Cost(source, trials, hyperparameters, round(min(each), 2), round(min(refits), 1), round(per_ask, 2), met)


def _refit(space: Space, source: Source, seen: Observed) -> None:
    """What a new snapshot costs: choosing what is read, fitting, and the first proposal."""
    read = wanted(space, source, seen.rungs)
    part = Observed(seen.revision, seen.rungs, {trial: seen.configs[trial] for trial in read})
    propose(space, 1, part, source, range(1), 0)


def _cpu_ms(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)
