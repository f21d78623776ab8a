"""Rungs and their quotas as the plan says, computed here apart from the scripts."""

import math

from rungway_server.domain.search.plan import DecisionForm, PromotionRule, Rung
from rungway_server.store.redis.snapshot.stored import Stored


def rungs_of(stored: Stored, bracket: int) -> tuple[Rung, ...]:
    """The rungs of a bracket, lowest first."""
    assert stored.plan is not None  # it is read before anything is checked
    return stored.plan.brackets[bracket].rungs


def quota(stored: Stored, bracket: int, rung: int, size: int) -> int:
    """How many of a rung's `size` results may go up; in the stopping form: how many go on. See domain/plan.py."""
    plan, rungs = stored.plan, rungs_of(stored, bracket)
    assert plan is not None
    if plan.form is DecisionForm.STOP:
        return max(math.floor(size / plan.divisor), 1)
    if rung + 1 == len(rungs):
        return 0
    if plan.rule is PromotionRule.ASYNC:
        return math.floor(size / plan.divisor)
    if plan.rule is PromotionRule.SYNC:
        return max(0, size + rungs[rung].slots - rungs[rung].size)
    if plan.rule is PromotionRule.POPULATION:
        return rungs[rung].slots if size == rungs[rung].size else 0
    raise ValueError(f"no quota is known for the rule {plan.rule}")
