"""Searches without early stopping: one trial, random trials, a grid. Each has one bracket with one rung, at the end."""

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.sampling.points import TooManyPoints
from rungway_server.domain.sampling.sampling import number_of_points
from rungway_server.domain.search.config import MAX_TRIALS, SearcherConfig
from rungway_server.domain.search.methods.common import bracket_of, plan_of
from rungway_server.domain.search.plan import Plan, PromotionRule
from rungway_server.domain.space.space import Space


def single(searcher: SearcherConfig) -> Plan:
    """One trial, trained to its full length."""
    return random(searcher)


def random(searcher: SearcherConfig) -> Plan:
    """`max_trials` independent trials, each trained to its full length (Bergstra and Bengio 2012, "Random Search for
    Hyper-Parameter Optimization")."""
    return _whole_runs(searcher, searcher.max_trials)


def grid(searcher: SearcherConfig, space: Space) -> Plan:
    """All points of the space's grid, `num_samples` times, each trained to its full length.

    A space without parameters has one point, the empty configuration.
    """
    try:
        points = number_of_points(space)
    except TooManyPoints as error:
        raise InvalidInput.one("hyperparameters", f"the grid has {error}") from None
    if points is None:
        raise ValueError(f"the space has the source {space.source}, wanted grid")
    trials, most = points * searcher.num_samples, searcher.max_trials or MAX_TRIALS
    if trials > most:
        field = "max_trials" if searcher.max_trials else "num_samples"
        times = f", {searcher.num_samples} times" if searcher.num_samples > 1 else ""
        raise InvalidInput.one(f"searcher.{field}", f"the grid has {points} points{times}, wanted at most {most}")
    return _whole_runs(searcher, trials)


def _whole_runs(searcher: SearcherConfig, trials: int) -> Plan:
    share = searcher.max_concurrent_trials or trials
    return plan_of(searcher, (bracket_of((searcher.full_length,), trials, share),), PromotionRule.ASYNC)
