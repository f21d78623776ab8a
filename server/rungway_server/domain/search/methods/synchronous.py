"""Synchronous successive halving: a rung promotes a result once no later one can displace it from the top-k."""

from itertools import pairwise

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.config import MAX_TRIALS, SearcherConfig
from rungway_server.domain.search.halving import hyperband_sizes, least_budget, sizes_for_budget, sizes_for_trials
from rungway_server.domain.search.ladder import MAX_RUNGS, bracket_concurrency, mode_rungs, rung_lengths
from rungway_server.domain.search.methods.common import (
    adaptive_ladder,
    bracket_lengths,
    explicit_rungs,
    ladder_lengths,
    plan_of,
)
from rungway_server.domain.search.plan import Bracket, Plan, PromotionRule, Rung


def sync_halving(searcher: SearcherConfig) -> Plan:
    """One bracket of synchronous successive halving (Jamieson and Talwalkar 2016, "Non-stochastic Best Arm
    Identification and Hyperparameter Optimization"), as large as `budget` pays for, or with `max_trials`."""
    return _plan(searcher, (ladder_lengths(searcher),), "budget")


def adaptive(searcher: SearcherConfig) -> Plan:
    """Several brackets of synchronous halving side by side, the one with the most rungs first.

    They share `budget` or `max_trials` evenly; the first brackets get the rest of the trials. With more brackets than
    trials, the last brackets are dropped.
    """
    ladder = adaptive_ladder(searcher)
    if searcher.bracket_rungs:
        rungs = explicit_rungs(searcher, ladder)
    else:
        rungs = mode_rungs(searcher.mode, min(searcher.max_rungs, len(ladder) if ladder else searcher.max_rungs))
    if searcher.budget is None and len(rungs) > searcher.max_trials:
        if searcher.bracket_rungs:
            raise InvalidInput.one(
                "searcher.bracket_rungs", f"{len(rungs)} brackets, but max_trials is {searcher.max_trials}"
            )
        rungs = rungs[: searcher.max_trials]
    return _plan(searcher, tuple(bracket_lengths(searcher, ladder, count) for count in rungs), "budget")


def hyperband(searcher: SearcherConfig) -> Plan:
    """One pass of Hyperband (Li et al. 2017, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
    algorithm 1): R is max_length / min_length, eta is the divisor, and the sizes are those of table 1."""
    sizes = hyperband_sizes(searcher.full_length, searcher.divisor, searcher.min_length or 1)
    if len(sizes) > MAX_RUNGS:
        raise InvalidInput.one("searcher.divisor", f"got {searcher.divisor}, which makes more than {MAX_RUNGS} rungs")
    lengths = tuple(rung_lengths(len(rungs), searcher.full_length, searcher.divisor) for rungs in sizes)
    return _sized(searcher, lengths, sizes, "max_length")


def _plan(searcher: SearcherConfig, lengths: tuple[tuple[int, ...], ...], field: str) -> Plan:
    """The plan of brackets with these lengths, which share the budget or the trials evenly."""
    if searcher.budget is None:
        share, rest = divmod(searcher.max_trials, len(lengths))
        trials = (share + (index < rest) for index in range(len(lengths)))
        sizes = [
            sizes_for_trials(len(rungs), searcher.divisor, most) for rungs, most in zip(lengths, trials, strict=True)
        ]
    else:
        part = searcher.budget // len(lengths)
        sizes = [sizes_for_budget(rungs, searcher.divisor, part) for rungs in lengths]
        if not all(rungs[0] for rungs in sizes):
            least = max(least_budget(rungs, searcher.divisor) for rungs in lengths) * len(lengths)
            many = f" in each of {len(lengths)} brackets" if len(lengths) > 1 else ""
            raise InvalidInput.one(
                "searcher.budget", f"got {searcher.budget}, wanted at least {least}, what one trial{many} takes"
            )
    return _sized(searcher, lengths, tuple(sizes), field)


def _sized(
    searcher: SearcherConfig, lengths: tuple[tuple[int, ...], ...], sizes: tuple[tuple[int, ...], ...], field: str
) -> Plan:
    trials = tuple(rungs[0] for rungs in sizes)
    if (total := sum(trials)) > MAX_TRIALS:
        raise InvalidInput.one(f"searcher.{field}", f"would start {total} trials, wanted at most {MAX_TRIALS}")
    cap = searcher.max_concurrent_trials
    shares = bracket_concurrency(cap, searcher.divisor, trials) if cap else trials
    brackets = (
        Bracket(_rungs(*bracket), bracket[1][0], share) for share, *bracket in zip(shares, lengths, sizes, strict=True)
    )
    return plan_of(searcher, tuple(brackets), PromotionRule.SYNC)


def _rungs(lengths: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[Rung, ...]:
    sizes_and_slots = pairwise((*sizes, 0))  # the slots of a rung are the size of the next
    return tuple(Rung(length, size, slots) for length, (size, slots) in zip(lengths, sizes_and_slots, strict=True))
