"""Changes to the plan of a live search: its trials and its concurrency; brackets and rungs stay."""

from dataclasses import replace

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.ladder import bracket_trials
from rungway_server.domain.search.plan import Plan, PromotionRule


def with_trials(plan: Plan, max_trials: int, started: tuple[int, ...]) -> Plan:
    """The plan with `max_trials` in all, and in no bracket fewer than it has started.

    Shares are those of a new search with these brackets; what a bracket has started beyond its share is taken from
    the brackets with the most room. Raises InvalidInput when more trials have been started, or for the sync and
    population rules, whose rungs are sized for their number of trials.
    """
    if max_trials == plan.max_trials:
        return plan
    if plan.rule is PromotionRule.SYNC:
        raise InvalidInput.one("max_trials", "cannot change: the rungs of a synchronous search are sized for it")
    if plan.rule is PromotionRule.POPULATION:
        raise InvalidInput.one("max_trials", "cannot change: a population keeps its size from round to round")
    if max_trials < sum(started):
        raise InvalidInput.one("max_trials", f"got {max_trials}, wanted at least {sum(started)}: that many are started")
    counts = tuple(len(bracket.rungs) for bracket in plan.brackets)
    shares = [max(*pair) for pair in zip(bracket_trials(max_trials, plan.divisor, counts), started, strict=True)]
    while (excess := sum(shares) - max_trials) > 0:
        roomiest = max(range(len(shares)), key=lambda b: shares[b] - started[b])
        shares[roomiest] -= min(excess, shares[roomiest] - started[roomiest])
    brackets = tuple(replace(bracket, max_trials=share) for bracket, share in zip(plan.brackets, shares, strict=True))
    return replace(plan, brackets=brackets)


def too_few_for_queue(max_trials: int, started: int, enqueued: int) -> InvalidInput:
    """The error for fewer trials than are started and enqueued: enqueued configurations would never run."""
    wanted = f"got {max_trials}, wanted at least {started + enqueued}"
    return InvalidInput.one("max_trials", f"{wanted}: {started} are started and {enqueued} configurations are enqueued")


def without_lost(plan: Plan, lost: int) -> Plan:
    """The plan of a grid, which has one bracket, without the trials whose points turned out to be invalid."""
    if not lost:
        return plan
    (bracket,) = plan.brackets
    return replace(plan, brackets=(replace(bracket, max_trials=bracket.max_trials - lost),))


def with_concurrency(plan: Plan, max_concurrent_trials: int) -> Plan:
    """The plan with another cap on leases (0 = no cap), at least one for each bracket."""
    cap = max(max_concurrent_trials, len(plan.brackets)) if max_concurrent_trials else 0
    return replace(plan, max_concurrent_trials=cap)
