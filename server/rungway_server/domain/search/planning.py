"""Makes the plan of a search from its configuration, with notes for its user, and checks its limits."""

from collections.abc import Callable
from dataclasses import replace

from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.sampling.sampling import feasible_share, number_of_points
from rungway_server.domain.search.config import MAX_BUDGET, MAX_LENGTH, MAX_TRIALS, SearcherConfig, SearcherName
from rungway_server.domain.search.methods.asynchronous import adaptive_asha, async_halving
from rungway_server.domain.search.methods.auto import auto
from rungway_server.domain.search.methods.population import pbt
from rungway_server.domain.search.methods.simple import grid, random, single
from rungway_server.domain.search.methods.synchronous import adaptive, hyperband, sync_halving
from rungway_server.domain.search.objectives import COMPARED
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule
from rungway_server.domain.search.preview import preview, reached, trials_for_top
from rungway_server.domain.search.sources import sources_of
from rungway_server.domain.search.vectors import has_final, objectives_of
from rungway_server.domain.space.space import Categorical, Const, Ordinal, Space

_NO_SPACE = Space()
_RANKED = f"searcher: a rung ranks its newest {COMPARED} results by fronts, and promotes the first of these"
_COSTS = "searcher: shares of the training are weighed by the cost that reports say; without one they are by length"
MAX_ALL_RUNGS = 256
"""Most rungs of all brackets together: a decision of such a search costs about twice that of a usual one."""


def make_plan(searcher: SearcherConfig, space: Space = _NO_SPACE) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a search, and notes for its user. Only a grid depends on the space.

    Raises InvalidInput when there is no such plan: it would have more trials than max_trials or more rungs than the
    lengths allow, the budget pays for no trial, or the grid is too large.
    """
    plan = grid(searcher, space) if searcher.name is SearcherName.GRID else _PLANNERS[searcher.name](searcher)
    if searcher.proposals:
        searched = sum(not isinstance(entry.parameter, Const) for entry in space.leaves.values())
        at_any_time = plan.rule is PromotionRule.ASYNC and plan.form is DecisionForm.PROMOTE
        plan = replace(plan, sources=sources_of(searcher.proposals, searched, may_protect=at_any_time))
    if ranked := objectives_of(searcher):
        plan = replace(plan, objectives=len(ranked), finals=has_final(searcher))
    plan = replace(plan, cost_aware=searcher.cost_aware)
    return plan, plan_notes(searcher, space, plan)


def check_rungs(searcher: SearcherConfig, plan: Plan) -> None:
    """Raises InvalidInput when the brackets have too many rungs together: each decision reads all of them.

    Only new plans are checked: a stored one may be older than the limit.
    """
    rungs = sum(len(bracket.rungs) for bracket in plan.brackets)
    if rungs > MAX_ALL_RUNGS:
        raise InvalidInput.one(
            "searcher.bracket_rungs" if searcher.bracket_rungs else "searcher",
            f"{len(plan.brackets)} brackets have {rungs} rungs together, wanted at most {MAX_ALL_RUNGS}: use fewer "
            "brackets, or a larger divisor",
        )


def check_totals(searcher: SearcherConfig, plan: Plan) -> None:
    """Raises InvalidInput when all trials or rounds together exceed a limit, though each number is within its own.

    Only plans that are made or changed are checked: a stored one may be older than the limit.
    """
    rounds, total = searcher.population is not None, plan.max_trials * plan.max_length
    if rounds and plan.max_length > MAX_LENGTH:
        problem = f"all rounds together are {plan.max_length}, wanted at most {MAX_LENGTH}"
    elif total > MAX_BUDGET:
        problem = f"{plan.max_trials} trials of {plan.max_length} each are {total}, wanted at most {MAX_BUDGET} in all"
    else:
        return
    raise InvalidInput.one(f"searcher.{'length_per_round' if rounds else 'max_length'}", problem)


_PLANNERS: dict[SearcherName, Callable[[SearcherConfig], Plan]] = {
    SearcherName.SINGLE: single,
    SearcherName.RANDOM: random,
    SearcherName.SYNC_HALVING: sync_halving,
    SearcherName.ASYNC_HALVING: async_halving,
    SearcherName.HYPERBAND: hyperband,
    SearcherName.ADAPTIVE: adaptive,
    SearcherName.ADAPTIVE_ASHA: adaptive_asha,
    SearcherName.PBT: pbt,
    SearcherName.AUTO: auto,
}


def plan_notes(searcher: SearcherConfig, space: Space, plan: Plan) -> tuple[str, ...]:
    """Notes for the user of a plan, one sentence each."""
    notes = []
    asked, made = searcher.max_concurrent_trials, plan.max_concurrent_trials
    if asked != made:
        notes.append(f"searcher: max_concurrent_trials raised from {asked} to {made}, one for each bracket")
    if searcher.name is SearcherName.HYPERBAND:
        notes.append(f"searcher: one pass starts {plan.max_trials} trials in {len(plan.brackets)} brackets")
    if searcher.budget is not None and not plan.budget and (total := preview(plan).total_length) > searcher.budget:
        notes.append(f"searcher: trains {total} in all, more than budget: every rung holds at least one trial")
    if plan.entries:
        notes.append(
            "searcher: the figures are those of trials that all enter at the lowest rung; once one was trained to the"
            " end, part of the training goes to trials that enter higher"
        )
    notes += [_COSTS] if plan.cost_aware else []
    if plan.budget or plan.budget_ms:
        notes.append(f"searcher: ends when {_budget(plan)}, whatever is left to do")
    notes += [_RANKED] if plan.objectives and plan.max_rungs > 1 else []
    notes += (note for b, bracket in enumerate(plan.brackets) if (note := _unreached(b, bracket, plan)))
    if space.constraints:
        notes.append(f"constraints: about {feasible_share(space):.3%} of all configurations meet them")
    if searcher.name is SearcherName.GRID and (weighted := _weighted(space)):
        notes.append(f"hyperparameters: a grid has each value once, whatever the weights of {weighted}")
    points = number_of_points(space)
    if searcher.population and plan.max_trials == plan.new_trials:
        notes.append("searcher: no trial is replaced by a clone: truncate_fraction is less than one trial")
    if points and space.entries and searcher.name is not SearcherName.GRID and plan.new_trials > points:
        notes.append(f"hyperparameters: {plan.new_trials} trials, but only {points} different configurations")
    return tuple(notes)


def _budget(plan: Plan) -> str:
    """What ends a search with a budget."""
    if plan.budget_ms:
        return f"{plan.budget_ms / 3_600_000:g} hours since its creation are over"
    return f"{plan.budget} {plan.unit or 'units'} of training were handed out"


def _weighted(space: Space) -> str:
    """The first parameter that has weights; "" if there is none."""
    weighted = (
        path
        for path, each in space.leaves.items()
        if isinstance(each.node, Categorical | Ordinal) and each.node.weights
    )
    return next((spelled(*path) for path in weighted), "")


def _unreached(b: int, bracket: Bracket, plan: Plan) -> str:
    """A note about a bracket with too few trials to reach its top rung; "" for any other, and where trials go on."""
    trials = reached(bracket, plan)
    if trials[-1] or plan.go_on:
        return ""
    empty = trials.index(0)
    lengths, unit = [rung.length for rung in bracket.rungs], plan.unit or "units"
    some = f"{trials[empty - 1]} go on to {lengths[empty - 1]} and none" if empty > 1 else "none go on"
    wanted = trials_for_top(bracket, plan, MAX_TRIALS)
    where, there = (f" of bracket {b}", " there") if len(plan.brackets) > 1 else ("", "")
    more = f"at least {wanted} trials{there}, " if wanted else ""
    return (
        f"searcher: no trial{where} can reach the top rung, {lengths[-1]} {unit}: of {trials[0]}"
        f" trial{'s'[: trials[0] != 1]}, divisor {plan.divisor:g} lets {some} to {lengths[empty]} (the preview"
        f" counts one); use {more}fewer rungs or a smaller divisor"
    )
