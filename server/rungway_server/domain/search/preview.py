"""What a plan would do, by arithmetic: nothing is run or drawn."""

from collections import Counter
from dataclasses import dataclass
from math import ceil

from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """How many trials train up to this absolute length and no further."""

    trials: int
    length: int


@dataclass(frozen=True, slots=True)
class BracketPreview:
    """The trials of one bracket by the length at which they end, shortest first, and the length that all train
    together.

    `clones`: trials that begin at each length but the last, from the checkpoints of their parents.
    """

    max_trials: int
    rows: tuple[PreviewRow, ...]
    total_length: int
    clones: int = 0

    @property
    def reaching(self) -> tuple[PreviewRow, ...]:
        """How many trials reach each length, shortest first."""
        left, found = self.max_trials - self.clones * (len(self.rows) - 1), list[PreviewRow]()
        for row in self.rows:
            found.append(PreviewRow(left, row.length))
            left += self.clones - row.trials
        return tuple(found)


@dataclass(frozen=True, slots=True)
class PlanPreview:
    """The trials by the length at which they end, per bracket and in all, and the total length, in the plan's unit.

    `random_search_length` is what the same number of trials costs by random search. Rows without trials are kept.
    """

    brackets: tuple[BracketPreview, ...]
    total: tuple[PreviewRow, ...]
    total_length: int
    random_search_length: int


def preview(plan: Plan) -> PlanPreview:
    """How many trials end at which length, if every rung is filled.

    Under the synchronous and population rules this is exact if no trial fails. Under the asynchronous rule each rung is
    assumed to promote 1/divisor of its trials, at least one (see `reached` for rungs that promote none); such a search
    promotes early, so it trains this or more.
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
    """How many trials reach each rung, lowest first, if all of `bracket` tell their results.

    Under the asynchronous rule with pauses, a rung with fewer results than the divisor promotes none, and the rungs
    above stay empty. Any other rung promotes at least one.
    """
    trials = [bracket.new_trials]
    for rung in bracket.rungs[:-1]:
        if plan.rule is not PromotionRule.ASYNC:
            trials.append(rung.slots + rung.clones)
        else:
            least = 1 if plan.form is DecisionForm.STOP else 0
            trials.append(max(int(trials[-1] / plan.divisor), least))
    return tuple(trials)


def trials_for_top(bracket: Bracket, plan: Plan, most: int) -> int | None:
    """The fewest trials of which one reaches the top of `bracket` under the asynchronous rule; None if more than
    `most`."""
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
            promoted = 0
        elif plan.rule is PromotionRule.ASYNC:
            promoted = max(int(trials / plan.divisor), 1)
        else:
            promoted = rung.slots
        ends[rung.length] += trials - promoted
        trials, trained = promoted + rung.clones, rung.length
    return BracketPreview(bracket.max_trials, _rows(ends), total, bracket.rungs[0].clones)


def _rows(ends: Counter[int]) -> tuple[PreviewRow, ...]:
    return tuple(PreviewRow(trials, length) for length, trials in sorted(ends.items()))
