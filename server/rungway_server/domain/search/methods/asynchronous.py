"""Asynchronous successive halving (ASHA): one ladder, or several brackets side by side."""

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.config import SearcherConfig
from rungway_server.domain.search.ladder import MAX_RUNGS, bracket_concurrency, bracket_trials, log_floor, mode_rungs
from rungway_server.domain.search.methods.common import (
    adaptive_ladder,
    bracket_lengths,
    bracket_of,
    explicit_rungs,
    ladder_lengths,
    plan_of,
)
from rungway_server.domain.search.plan import Plan, PromotionRule


def async_halving(searcher: SearcherConfig) -> Plan:
    """Asynchronous successive halving (Li et al. 2018, "A System for Massively Parallel Hyperparameter Tuning",
    algorithm 2).

    With `brackets`, the ladder of bracket s begins s rungs higher; trials are divided as in `adaptive_asha`.
    """
    lengths = ladder_lengths(searcher)
    if searcher.brackets > len(lengths):
        raise InvalidInput.one("searcher.brackets", f"got {searcher.brackets}, but there are {len(lengths)} rungs")
    rungs = tuple(range(len(lengths), len(lengths) - searcher.brackets, -1))
    trials = _trials(searcher, rungs, "brackets")
    if searcher.brackets == 1:
        # Without a cap, the share is the number of trials of which one reaches the top.
        widest = int(searcher.divisor ** (len(lengths) - 1))
        shares: tuple[int, ...] = (searcher.max_concurrent_trials or min(widest, searcher.max_trials),)
    else:
        shares = bracket_concurrency(searcher.max_concurrent_trials, searcher.divisor, trials)
    brackets = (
        bracket_of(lengths[-count:], most, share) for count, most, share in zip(rungs, trials, shares, strict=True)
    )
    return plan_of(searcher, tuple(brackets), PromotionRule.ASYNC)


def adaptive_asha(searcher: SearcherConfig) -> Plan:
    """Several brackets of asynchronous successive halving side by side, the one with the most rungs first.

    Brackets hedge between stopping early and training long, as in Hyperband (Li et al. 2017, "Hyperband: A Novel
    Bandit-Based Approach to Hyperparameter Optimization").
    """
    ladder = adaptive_ladder(searcher)
    rungs = explicit_rungs(searcher, ladder) if searcher.bracket_rungs else _mode_rungs(searcher, ladder)
    trials = _trials(searcher, rungs, "bracket_rungs")
    shares = bracket_concurrency(searcher.max_concurrent_trials, searcher.divisor, trials)
    brackets = (
        bracket_of(bracket_lengths(searcher, ladder, count), most, share)
        for count, most, share in zip(rungs, trials, shares, strict=True)
    )
    return plan_of(searcher, tuple(brackets), PromotionRule.ASYNC)


def _mode_rungs(searcher: SearcherConfig, ladder: tuple[int, ...] | None) -> tuple[int, ...]:
    """The rung counts of the mode's brackets, limited by max_rungs, by the lengths and by the number of trials."""
    longest = len(ladder) if ladder else log_floor(searcher.full_length, searcher.divisor, MAX_RUNGS) + 1
    most = min(searcher.max_rungs, longest, log_floor(searcher.max_trials, searcher.divisor, MAX_RUNGS) + 1)
    # With a divisor near 1, few trials allow many brackets, and one trial for each would exceed max_trials.
    while sum(bracket_trials(searcher.max_trials, searcher.divisor, mode_rungs(searcher.mode, most))) > (
        searcher.max_trials
    ):
        most -= 1
    return mode_rungs(searcher.mode, most)


def _trials(searcher: SearcherConfig, rungs: tuple[int, ...], field: str) -> tuple[int, ...]:
    trials = bracket_trials(searcher.max_trials, searcher.divisor, rungs)
    if sum(trials) > searcher.max_trials:
        raise InvalidInput.one(
            f"searcher.{field}",
            f"these {len(rungs)} brackets, of at least one trial each, come to {sum(trials)} trials,"
            f" but max_trials is {searcher.max_trials}",
        )
    return trials
