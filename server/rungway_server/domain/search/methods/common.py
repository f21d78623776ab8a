"""Parts that the search methods build their plans from."""

import math

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.config import AfterMaxTrials, SearcherConfig
from rungway_server.domain.search.ladder import MAX_RUNGS, geometric_lengths, log_floor, rung_lengths
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung


def plan_of(searcher: SearcherConfig, brackets: tuple[Bracket, ...], rule: PromotionRule) -> Plan:
    """The plan with these brackets; a cap on the concurrency is raised to their number."""
    cap = searcher.max_concurrent_trials
    return Plan(
        brackets=brackets,
        rule=rule,
        form=DecisionForm.STOP if searcher.stop_once else DecisionForm.PROMOTE,
        divisor=searcher.divisor,
        max_concurrent_trials=max(cap, len(brackets)) if cap else 0,
        unit=searcher.unit,
        go_on=searcher.after_max_trials is AfterMaxTrials.GO_ON,
        budget=searcher.budget or 0 if rule is PromotionRule.ASYNC else 0,
        budget_ms=math.ceil((searcher.budget_hours or 0) * 3_600_000),
    )


def ladder_lengths(searcher: SearcherConfig) -> tuple[int, ...]:
    """The lengths of a search with one ladder, lowest first: `num_rungs` down from the top, or up from `min_length`.

    Raises InvalidInput for more than MAX_RUNGS of them.
    """
    if searcher.num_rungs is not None:
        return rung_lengths(searcher.num_rungs, searcher.full_length, searcher.divisor)
    low, high = searcher.min_length or 1, searcher.full_length
    if log_floor(high / low, searcher.divisor, MAX_RUNGS) >= MAX_RUNGS:
        raise InvalidInput.one(
            "searcher.min_length",
            f"from {low} to {high} by {searcher.divisor} are more than {MAX_RUNGS} rungs: use a larger divisor",
        )
    return geometric_lengths(low, high, searcher.divisor)


def adaptive_ladder(searcher: SearcherConfig) -> tuple[int, ...] | None:
    """The lengths whose upper ends are the brackets, where `min_length` is given; else None."""
    return None if searcher.min_length is None else ladder_lengths(searcher)


def explicit_rungs(searcher: SearcherConfig, ladder: tuple[int, ...] | None) -> tuple[int, ...]:
    """The `bracket_rungs`, largest first. Raises InvalidInput when the ladder has fewer rungs."""
    rungs = tuple(sorted(searcher.bracket_rungs, reverse=True))
    if ladder and rungs[0] > len(ladder):
        raise InvalidInput.one(
            "searcher.bracket_rungs", f"got {rungs[0]}, but from min_length to max_length are {len(ladder)} rungs"
        )
    return rungs


def bracket_lengths(searcher: SearcherConfig, ladder: tuple[int, ...] | None, count: int) -> tuple[int, ...]:
    """The lengths of a bracket with `count` rungs: the upper end of the ladder, or counted down from the top."""
    return ladder[-count:] if ladder else rung_lengths(count, searcher.full_length, searcher.divisor)


def bracket_of(lengths: tuple[int, ...], max_trials: int, share: int) -> Bracket:
    """A bracket with these lengths and `max_trials` new trials; `share` of the concurrency."""
    return Bracket(tuple(Rung(length) for length in lengths), max_trials, share)
