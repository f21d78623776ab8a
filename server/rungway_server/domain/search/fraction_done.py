"""How much of a search is done, from 0 to 1, from its counts."""

from rungway_server.domain.engine import ExperimentState, Progress
from rungway_server.domain.search.ladder import powers
from rungway_server.domain.search.plan import DecisionForm, Plan, PromotionRule

_NEARLY = 0.99
"""Most of a search that goes on, where only an estimate says how much is left."""


def fraction_done(plan: Plan, progress: Progress) -> float:
    """The fraction done, from 0 to 1: the mean over the brackets.

    A population counts its results of all rounds. Any other bracket with several rungs counts the results of its lowest
    rung, up to 5/6; once these are complete, it counts the trials that will not train again, if that is more. The
    fraction drops only when results are erased or the plan is changed. Where the training is bounded, it is the part
    that is done; on a ladder with entries the part of the results that are expected. Both stay below 1 before the end.
    """
    if progress.state is ExperimentState.DONE:
        return 1.0
    if plan.budget:
        return min(progress.trained_length / plan.budget, _NEARLY)
    if plan.entries:
        expected = plan.max_trials * sum(1 / power for power in powers(plan.divisor, len(plan.entries)))
        return min(sum(map(sum, progress.rung_results)) / expected, _NEARLY)
    if plan.rule is PromotionRule.POPULATION:
        sizes = sum(rung.size for bracket in plan.brackets for rung in bracket.rungs)
        return sum(map(sum, progress.rung_results)) / sizes
    shares = [_bracket_fraction(plan, progress, b) for b in range(len(plan.brackets))]
    return sum(shares) / len(shares)


def _bracket_fraction(plan: Plan, progress: Progress, b: int) -> float:
    total, results = plan.brackets[b].max_trials, progress.rung_results[b]
    if len(results) == 1:
        return min(results[0] / total, 1.0) if total else 1.0  # a grid all of whose points are invalid
    share = results[0] / (1.2 * total)
    if results[0] < total:
        return share
    ended = _stopped(progress, b) if plan.form is DecisionForm.STOP else _left_behind(progress, b, total)
    return min(max(share, ended / total), 1.0)


def _stopped(progress: Progress, b: int) -> int:
    """Trials that ended at some rung: results that were not promoted."""
    return sum(progress.rung_results[b]) - sum(progress.rung_promoted[b])


def _left_behind(progress: Progress, b: int, total: int) -> int:
    """Trials that can no longer be promoted: those at the top, and in each rung that gets no more results, those
    neither promoted nor promotable. `total` is how many trials start."""
    *lower, top = zip(progress.rung_results[b], progress.rung_promoted[b], progress.rung_promotable[b], strict=True)
    ended, expected = top[0], total
    for results, promoted, promotable in lower:
        if results < expected:
            break
        expected = promoted + promotable
        ended += results - expected
    return ended
