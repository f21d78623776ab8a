"""The search methods: each is a pure function from a searcher section to a plan. The engine knows plans only."""

from collections.abc import Callable

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.ladder import (
    MAX_RUNGS,
    bracket_concurrency,
    bracket_trials,
    climbing_lengths,
    log_floor,
    mode_rungs,
    rung_lengths,
)
from rungway_server.domain.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.searcher_config import SearcherConfig, SearcherName


def make_plan(searcher: SearcherConfig) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a search, and what was changed to make it possible, in words.

    Raises InvalidInput when the brackets asked for cannot be had: with more trials than max_trials, or with more
    rungs than the lengths allow.
    """
    plan = _PLANNERS[searcher.name](searcher)
    asked, made = searcher.max_concurrent_trials, plan.max_concurrent_trials
    if asked == made:
        return plan, ()
    return plan, (f"searcher: max_concurrent_trials raised from {asked} to {made}, one for each bracket",)


def single(searcher: SearcherConfig) -> Plan:
    """One trial, trained to the end."""
    return random(searcher)


def random(searcher: SearcherConfig) -> Plan:
    """`max_trials` independent trials, each trained to the end (Bergstra and Bengio 2012, "Random Search for
    Hyper-Parameter Optimization")."""
    share = searcher.max_concurrent_trials or searcher.max_trials
    return _plan(searcher, (_bracket((searcher.full_length,), searcher.max_trials, share),))


def async_halving(searcher: SearcherConfig) -> Plan:
    """One bracket of asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel
    Hyperparameter Tuning")."""
    if searcher.num_rungs is None:
        lengths = _climb(searcher)
    else:
        lengths = rung_lengths(searcher.num_rungs, searcher.full_length, searcher.divisor)
    # Without a cap, the share is the number of trials from which one reaches the top.
    widest = int(searcher.divisor ** (len(lengths) - 1))
    share = searcher.max_concurrent_trials or min(widest, searcher.max_trials)
    return _plan(searcher, (_bracket(lengths, searcher.max_trials, share),))


def adaptive_asha(searcher: SearcherConfig) -> Plan:
    """Several brackets of asynchronous successive halving side by side, the one with most rungs first: a hedge over
    how early a trial can be judged, as in Hyperband (Li et al. 2018)."""
    ladder = None if searcher.min_length is None else _climb(searcher)
    rungs = _explicit_rungs(searcher, ladder) if searcher.bracket_rungs else _mode_rungs(searcher, ladder)
    trials = bracket_trials(searcher.max_trials, searcher.divisor, rungs)
    shares = bracket_concurrency(searcher.max_concurrent_trials, searcher.divisor, trials)
    brackets = tuple(
        _bracket(_lengths(searcher, ladder, count), most, share)
        for count, most, share in zip(rungs, trials, shares, strict=True)
    )
    return _plan(searcher, brackets)


_PLANNERS: dict[SearcherName, Callable[[SearcherConfig], Plan]] = {
    SearcherName.SINGLE: single,
    SearcherName.RANDOM: random,
    SearcherName.ASYNC_HALVING: async_halving,
    SearcherName.ADAPTIVE_ASHA: adaptive_asha,
}


def _mode_rungs(searcher: SearcherConfig, ladder: tuple[int, ...] | None) -> tuple[int, ...]:
    """The rung counts of the mode, limited by max_rungs, by the lengths and by the trials there are."""
    longest = len(ladder) if ladder else log_floor(searcher.full_length, searcher.divisor, MAX_RUNGS) + 1
    most = min(searcher.max_rungs, longest, log_floor(searcher.max_trials, searcher.divisor, MAX_RUNGS) + 1)
    # With divisors near 1 few trials seem to fill many rungs, and one trial per bracket would exceed max_trials.
    while _trials_needed(searcher, mode_rungs(searcher.mode, most)) > searcher.max_trials:
        most -= 1
    return mode_rungs(searcher.mode, most)


def _explicit_rungs(searcher: SearcherConfig, ladder: tuple[int, ...] | None) -> tuple[int, ...]:
    rungs = tuple(sorted(searcher.bracket_rungs, reverse=True))
    if ladder and rungs[0] > len(ladder):
        raise InvalidInput.one(
            "searcher.bracket_rungs", f"got {rungs[0]}, but from min_length to max_length are {len(ladder)} rungs"
        )
    needed = _trials_needed(searcher, rungs)
    if needed > searcher.max_trials:
        raise InvalidInput.one(
            "searcher.bracket_rungs",
            f"these {len(rungs)} brackets, of at least one trial each, come to {needed} trials,"
            f" but max_trials is {searcher.max_trials}",
        )
    return rungs


def _trials_needed(searcher: SearcherConfig, rungs: tuple[int, ...]) -> int:
    return sum(bracket_trials(searcher.max_trials, searcher.divisor, rungs))


def _lengths(searcher: SearcherConfig, ladder: tuple[int, ...] | None, count: int) -> tuple[int, ...]:
    return ladder[-count:] if ladder else rung_lengths(count, searcher.full_length, searcher.divisor)


def _climb(searcher: SearcherConfig) -> tuple[int, ...]:
    low, high = searcher.min_length or 1, searcher.full_length
    if log_floor(high / low, searcher.divisor, MAX_RUNGS) >= MAX_RUNGS:
        raise InvalidInput.one(
            "searcher.min_length",
            f"from {low} to {high} by {searcher.divisor} are more than {MAX_RUNGS} rungs: use a larger divisor",
        )
    return climbing_lengths(low, high, searcher.divisor)


def _bracket(lengths: tuple[int, ...], max_trials: int, share: int) -> Bracket:
    return Bracket(tuple(Rung(length) for length in lengths), max_trials, share)


def _plan(searcher: SearcherConfig, brackets: tuple[Bracket, ...]) -> Plan:
    cap = searcher.max_concurrent_trials
    return Plan(
        brackets=brackets,
        rule=PromotionRule.ASYNC,
        form=DecisionForm.STOP if searcher.stop_once else DecisionForm.PROMOTE,
        divisor=searcher.divisor,
        max_concurrent_trials=max(cap, len(brackets)) if cap else 0,
        unit=searcher.unit,
    )
