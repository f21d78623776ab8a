"""What a plan would do, by arithmetic alone: nothing is run or drawn at random."""

from collections import Counter
from dataclasses import dataclass
from math import ceil

from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """So many trials train up to this absolute length and no further."""

    trials: int
    length: int


@dataclass(frozen=True, slots=True)
class BracketPreview:
    """The trials of one bracket by the length they end at, by growing length, and what they train together.

    `clones` of the trials begin at each length but the last, with what their parents have trained.
    """

    max_trials: int
    rows: tuple[PreviewRow, ...]
    total_length: int
    clones: int = 0

    @property
    def reaching(self) -> tuple[PreviewRow, ...]:
        """How many trials train so far, by growing length."""
        left, found = self.max_trials - self.clones * (len(self.rows) - 1), list[PreviewRow]()
        for row in self.rows:
            found.append(PreviewRow(left, row.length))
            left += self.clones - row.trials
        return tuple(found)


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

    By the synchronous and population rules this is exact, but for failures. By the asynchronous rule every rung is
    taken to pass 1/divisor of its trials on, at least one (see `reached` for where there is none); an asynchronous
    search promotes early and trains this or more.
    """
    brackets = tuple(_bracket(bracket, plan) for bracket in plan.brackets)
    total: Counter[int] = Counter()
    for bracket in brackets:
        total.update({row.length: row.trials for row in bracket.rows})
    return PlanPreview(
        brackets=brackets,
        total=_rows(total),
        total_length=sum(bracket.total_length for bracket in brackets),
        random_search_length=plan.max_trials * plan.max_length,
    )


def reached(bracket: Bracket, plan: Plan) -> tuple[int, ...]:
    """How many trials get to each rung, lowest first, when every one of `bracket` tells its results.

    Where trials pause by the asynchronous rule, a rung of fewer results than the divisor lets none up, and nobody gets
    to the rungs above. All other rungs let at least one up.
    """
    trials = [bracket.new_trials]
    for rung in bracket.rungs[:-1]:
        if plan.rule is not PromotionRule.ASYNC:
            trials.append(rung.passes + rung.clones)
        else:
            least = 1 if plan.form is DecisionForm.STOP else 0
            trials.append(max(int(trials[-1] / plan.divisor), least))
    return tuple(trials)


def trials_for_top(bracket: Bracket, plan: Plan, most: int) -> int | None:
    """With how many trials one would get to the top of `bracket` by the asynchronous rule; None if more than `most`."""
    trials = 1
    for _ in bracket.rungs[1:]:
        above, trials = trials, ceil(trials * plan.divisor)
        if trials > most:
            return None
        while int(trials / plan.divisor) < above:  # rounded
            trials += 1
    return trials


def _bracket(bracket: Bracket, plan: Plan) -> BracketPreview:
    ends: Counter[int] = Counter()  # trials by the length they end at, zeros included
    trials, trained, total = bracket.new_trials, 0, 0
    for rung in bracket.rungs:
        total += trials * (rung.length - trained)
        if rung is bracket.rungs[-1]:
            passing = 0
        elif plan.rule is PromotionRule.ASYNC:
            passing = max(int(trials / plan.divisor), 1)
        else:
            passing = rung.passes
        ends[rung.length] += trials - passing
        trials, trained = passing + rung.clones, rung.length
    return BracketPreview(bracket.max_trials, _rows(ends), total, bracket.rungs[0].clones)


def _rows(ends: Counter[int]) -> tuple[PreviewRow, ...]:
    return tuple(PreviewRow(trials, length) for length, trials in sorted(ends.items()))
