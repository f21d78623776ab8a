"""What a plan would do, by arithmetic alone: nothing is run or drawn at random."""

from collections import Counter
from dataclasses import dataclass

from rungway_server.domain.plan import Bracket, Plan, PromotionRule


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """So many trials train up to this absolute length and no further."""

    trials: int
    length: int


@dataclass(frozen=True, slots=True)
class BracketPreview:
    """The trials of one bracket by the length they end at, by growing length."""

    max_trials: int
    rows: tuple[PreviewRow, ...]


@dataclass(frozen=True, slots=True)
class PlanPreview:
    """The trials by the length they end at, per bracket and in all, and what they train together (plan's unit).

    `random_search_length` is what the same number of trials costs by random search. Rows with no trial stay.
    """

    brackets: tuple[BracketPreview, ...]
    total: tuple[PreviewRow, ...]
    total_length: int
    random_search_length: int


def preview(plan: Plan) -> PlanPreview:
    """How many trials end at which length, if every rung is filled.

    By the synchronous rule this is exact, but for failures. By the asynchronous rule every rung is taken to pass
    1/divisor of its trials on, at least one; an asynchronous search promotes early and trains this or more.
    """
    ends = [_ends(bracket, plan) for bracket in plan.brackets]
    total: Counter[int] = Counter()
    for bracket_ends in ends:
        total.update(bracket_ends)
    return PlanPreview(
        brackets=tuple(
            BracketPreview(bracket.max_trials, _rows(bracket_ends))
            for bracket, bracket_ends in zip(plan.brackets, ends, strict=True)
        ),
        total=_rows(total),
        total_length=sum(length * trials for length, trials in total.items()),
        random_search_length=plan.max_trials * plan.max_length,
    )


def _ends(bracket: Bracket, plan: Plan) -> Counter[int]:
    """Trials of a bracket by the length they end at, zeros included."""
    ends: Counter[int] = Counter()
    trials = bracket.max_trials
    for rung in bracket.rungs[:-1]:
        passing = rung.passes if plan.rule is PromotionRule.SYNC else max(int(trials / plan.divisor), 1)
        ends[rung.length] += trials - passing
        trials = passing
    ends[bracket.rungs[-1].length] += trials
    return ends


def _rows(ends: Counter[int]) -> tuple[PreviewRow, ...]:
    return tuple(PreviewRow(trials, length) for length, trials in sorted(ends.items()))
