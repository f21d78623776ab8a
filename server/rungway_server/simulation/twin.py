"""The same ladder under the other promotion rule."""

from dataclasses import replace

from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung


def synchronous(plan: Plan) -> Plan:
    """Synchronous successive halving over the brackets of a plan, with the same lengths and trials: a rung promotes a
    result once it is certain to be in the best 1/divisor."""
    brackets = tuple(replace(bracket, rungs=_filled(bracket, plan.divisor)) for bracket in plan.brackets)
    return replace(plan, brackets=brackets, rule=PromotionRule.SYNC, form=DecisionForm.PROMOTE)


def asynchronous(plan: Plan) -> Plan:
    """Asynchronous successive halving over the brackets of a plan, with the same lengths and trials: a rung of n
    results promotes its best floor(n / divisor) at any time."""
    return replace(plan, rule=PromotionRule.ASYNC, form=DecisionForm.PROMOTE)


def _filled(bracket: Bracket, divisor: float) -> tuple[Rung, ...]:
    rungs, size = [], bracket.max_trials
    for index, rung in enumerate(bracket.rungs):
        slots = max(int(size / divisor), 1) if index + 1 < len(bracket.rungs) else 0
        rungs.append(Rung(rung.length, size, slots))
        size = slots
    return tuple(rungs)
