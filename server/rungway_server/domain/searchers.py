"""The search methods: each is a pure function from a searcher section to a plan. The engine knows plans only."""

from collections.abc import Callable
from fractions import Fraction

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.ladder import MAX_RUNGS, bracket_concurrency, bracket_trials, log_floor, mode_rungs
from rungway_server.domain.plan import Bracket, Plan, PromotionRule, Rung
from rungway_server.domain.planning import (
    adaptive_ladder,
    bracket_lengths,
    explicit_rungs,
    ladder_lengths,
    plan_of,
)
from rungway_server.domain.points import TooManyPoints
from rungway_server.domain.preview import preview, reached, trials_for_top
from rungway_server.domain.sampling import feasible_share, number_of_points
from rungway_server.domain.searcher_config import MAX_BUDGET, MAX_LENGTH, MAX_TRIALS, SearcherConfig, SearcherName
from rungway_server.domain.space import Space
from rungway_server.domain.sync_searchers import adaptive, hyperband, sync_halving

_NO_SPACE = Space()


def make_plan(searcher: SearcherConfig, space: Space = _NO_SPACE) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a search, and what its user should know about it, in words. Only a grid is planned by its space.

    Raises InvalidInput when the plan asked for cannot be had: with more trials than max_trials, with more rungs than
    the lengths allow, with a budget that pays for no trial, or from a grid that is too large.
    """
    plan = grid(searcher, space) if searcher.name is SearcherName.GRID else _PLANNERS[searcher.name](searcher)
    return plan, plan_notes(searcher, space, plan)


def check_totals(searcher: SearcherConfig, plan: Plan) -> None:
    """Raises InvalidInput when each number is within its limit but the trials or rounds together are not.

    For what is made or changed, not for what is stored: that is older than the limit, perhaps.
    """
    rounds, total = searcher.population is not None, plan.max_trials * plan.max_length
    if rounds and plan.max_length > MAX_LENGTH:
        problem = f"all rounds together are {plan.max_length}, wanted at most {MAX_LENGTH}"
    elif total > MAX_BUDGET:
        problem = f"{plan.max_trials} trials of {plan.max_length} each are {total}, wanted at most {MAX_BUDGET} in all"
    else:
        return
    raise InvalidInput.one(f"searcher.{'length_per_round' if rounds else 'max_length'}", problem)


def single(searcher: SearcherConfig) -> Plan:
    """One trial, trained to the end."""
    return random(searcher)


def random(searcher: SearcherConfig) -> Plan:
    """`max_trials` independent trials, each trained to the end (Bergstra and Bengio 2012, "Random Search for
    Hyper-Parameter Optimization")."""
    return _whole_runs(searcher, searcher.max_trials)


def grid(searcher: SearcherConfig, space: Space) -> Plan:
    """All points of the space's grid, `num_samples` times, each trained to the end.

    A space without parameters has one point, the empty configuration.
    """
    try:
        points = number_of_points(space)
    except TooManyPoints as error:
        raise InvalidInput.one("hyperparameters", f"the grid has {error}") from None
    if points is None:
        raise ValueError(f"{space.source} is not the source of a grid")
    trials, most = points * searcher.num_samples, searcher.max_trials or MAX_TRIALS
    if trials > most:
        field = "max_trials" if searcher.max_trials else "num_samples"
        times = f", {searcher.num_samples} times" if searcher.num_samples > 1 else ""
        raise InvalidInput.one(f"searcher.{field}", f"the grid has {points} points{times}, wanted at most {most}")
    return _whole_runs(searcher, trials)


def async_halving(searcher: SearcherConfig) -> Plan:
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

    With `brackets`, the ladder of bracket s begins s rungs higher; the trials are shared out as in adaptive_asha.
    """
    lengths = ladder_lengths(searcher)
    if searcher.brackets > len(lengths):
        raise InvalidInput.one("searcher.brackets", f"got {searcher.brackets}, but there are {len(lengths)} rungs")
    rungs = tuple(range(len(lengths), len(lengths) - searcher.brackets, -1))
    trials = _trials(searcher, rungs, "brackets")
    if searcher.brackets == 1:
        # Without a cap, the share is the number of trials from which one reaches the top.
        widest = int(searcher.divisor ** (len(lengths) - 1))
        shares: tuple[int, ...] = (searcher.max_concurrent_trials or min(widest, searcher.max_trials),)
    else:
        shares = bracket_concurrency(searcher.max_concurrent_trials, searcher.divisor, trials)
    brackets = (
        _bracket(lengths[-count:], most, share) for count, most, share in zip(rungs, trials, shares, strict=True)
    )
    return plan_of(searcher, tuple(brackets), PromotionRule.ASYNC)


def adaptive_asha(searcher: SearcherConfig) -> Plan:
    """Several brackets of asynchronous successive halving side by side, the one with most rungs first: a hedge over
    how early a trial can be judged, as in Hyperband (Li et al. 2018)."""
    ladder = adaptive_ladder(searcher)
    rungs = explicit_rungs(searcher, ladder) if searcher.bracket_rungs else _mode_rungs(searcher, ladder)
    trials = _trials(searcher, rungs, "bracket_rungs")
    shares = bracket_concurrency(searcher.max_concurrent_trials, searcher.divisor, trials)
    brackets = (
        _bracket(bracket_lengths(searcher, ladder, count), most, share)
        for count, most, share in zip(rungs, trials, shares, strict=True)
    )
    return plan_of(searcher, tuple(brackets), PromotionRule.ASYNC)


def pbt(searcher: SearcherConfig) -> Plan:
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks"): one bracket
    with a rung at the end of each round, where all of the population meet.

    The worst `truncate_fraction` of them, rounded down, make way for as many clones of the best.
    """
    population = searcher.population
    if population is None:
        raise ValueError(f"{searcher.name} without a population")
    size, rounds, length = population.population_size, population.num_rounds, population.length_per_round
    # As it is written: 0.29 of 100 are 29, though 0.29 * 100 is less in binary.
    cut = int(Fraction(str(population.truncate_fraction)) * size)
    rungs = (*(Rung(length * k, size, size - cut, cut) for k in range(1, rounds)), Rung(length * rounds, size))
    share = searcher.max_concurrent_trials or size
    return plan_of(searcher, (Bracket(rungs, size + cut * (rounds - 1), share),), PromotionRule.POPULATION)


_PLANNERS: dict[SearcherName, Callable[[SearcherConfig], Plan]] = {
    SearcherName.SINGLE: single,
    SearcherName.RANDOM: random,
    SearcherName.SYNC_HALVING: sync_halving,
    SearcherName.ASYNC_HALVING: async_halving,
    SearcherName.HYPERBAND: hyperband,
    SearcherName.ADAPTIVE: adaptive,
    SearcherName.ADAPTIVE_ASHA: adaptive_asha,
    SearcherName.PBT: pbt,
}


def plan_notes(searcher: SearcherConfig, space: Space, plan: Plan) -> tuple[str, ...]:
    """What the user should know about a plan, in words."""
    notes = []
    asked, made = searcher.max_concurrent_trials, plan.max_concurrent_trials
    if asked != made:
        notes.append(f"searcher: max_concurrent_trials raised from {asked} to {made}, one for each bracket")
    if searcher.name is SearcherName.HYPERBAND:
        notes.append(f"searcher: one pass starts {plan.max_trials} trials in {len(plan.brackets)} brackets")
    if searcher.budget is not None and (total := preview(plan).total_length) > searcher.budget:
        notes.append(f"searcher: trains {total} in all, more than budget: every rung holds at least one trial")
    notes += (note for b, bracket in enumerate(plan.brackets) if (note := _unreached(b, bracket, plan)))
    if space.constraints:
        notes.append(f"constraints: about {feasible_share(space):.3%} of all configurations meet them")
    points = number_of_points(space)
    if searcher.population and plan.max_trials == plan.new_trials:
        notes.append("searcher: no trial makes way for a clone of another: truncate_fraction is less than one trial")
    if points and space.entries and searcher.name is not SearcherName.GRID and plan.new_trials > points:
        notes.append(f"hyperparameters: {plan.new_trials} trials, but only {points} different configurations")
    return tuple(notes)


def _unreached(b: int, bracket: Bracket, plan: Plan) -> str:
    """What to say of a bracket with too few trials for its top; nothing of any other."""
    trials = reached(bracket, plan)
    if trials[-1]:
        return ""
    nobody = trials.index(0)
    lengths, unit = [rung.length for rung in bracket.rungs], plan.unit or "units"
    some = f"{trials[nobody - 1]} go on to {lengths[nobody - 1]} and none" if nobody > 1 else "none go on"
    wanted = trials_for_top(bracket, plan, MAX_TRIALS)
    where, there = (f" of bracket {b}", " there") if len(plan.brackets) > 1 else ("", "")
    more = f"at least {wanted} trials{there}, " if wanted else ""
    return (
        f"searcher: no trial{where} can reach the top rung, {lengths[-1]} {unit}: of {trials[0]}"
        f" trial{'s'[: trials[0] != 1]}, divisor {plan.divisor:g} lets {some} to {lengths[nobody]} (the preview"
        f" counts one); use {more}fewer rungs or a smaller divisor"
    )


def _mode_rungs(searcher: SearcherConfig, ladder: tuple[int, ...] | None) -> tuple[int, ...]:
    """The rung counts of the mode, limited by max_rungs, by the lengths and by the trials there are."""
    longest = len(ladder) if ladder else log_floor(searcher.full_length, searcher.divisor, MAX_RUNGS) + 1
    most = min(searcher.max_rungs, longest, log_floor(searcher.max_trials, searcher.divisor, MAX_RUNGS) + 1)
    # With divisors near 1 few trials seem to fill many rungs, and one trial per bracket would exceed max_trials.
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


def _whole_runs(searcher: SearcherConfig, trials: int) -> Plan:
    share = searcher.max_concurrent_trials or trials
    return plan_of(searcher, (_bracket((searcher.full_length,), trials, share),), PromotionRule.ASYNC)


def _bracket(lengths: tuple[int, ...], max_trials: int, share: int) -> Bracket:
    return Bracket(tuple(Rung(length) for length in lengths), max_trials, share)
