"""A live search with another number of trials, or another cap."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.search.ladder import bracket_trials
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.replan import with_concurrency, with_trials


def plan_of(counts: tuple[int, ...], trials: tuple[int, ...], divisor: float = 4.0) -> Plan:
    """Brackets of so many rungs and trials."""
    brackets = tuple(
        Bracket(tuple(Rung(4**k) for k in range(rungs)), number, 2)
        for rungs, number in zip(counts, trials, strict=True)
    )
    return Plan(brackets, PromotionRule.ASYNC, DecisionForm.PROMOTE, divisor, 0, "epochs")


PLAN = plan_of((3, 2, 1), (15, 4, 1))


def trials(plan: Plan) -> tuple[int, ...]:
    return tuple(bracket.max_trials for bracket in plan.brackets)


@pytest.mark.parametrize("count", [3, 10, 40, 1000])
def test_shares_are_those_of_a_new_search(count: int) -> None:
    changed = with_trials(PLAN, count, (0, 0, 0))
    assert trials(changed) == bracket_trials(count, 4.0, (3, 2, 1))
    assert replace(changed, brackets=()) == replace(PLAN, brackets=())
    assert [bracket.rungs for bracket in changed.brackets] == [bracket.rungs for bracket in PLAN.brackets]


@pytest.mark.parametrize(
    ("count", "started", "expected"),
    [
        (20, (0, 0, 0), (15, 4, 1)),
        (10, (9, 1, 0), (9, 1, 0)),
        (10, (4, 4, 1), (5, 4, 1)),
        (9, (4, 4, 1), (4, 4, 1)),
        (2, (0, 0, 1), (0, 1, 1)),
        (1, (0, 0, 1), (0, 0, 1)),
        (1, (1, 0, 0), (1, 0, 0)),
    ],
)
def test_what_has_been_started_stays(count: int, started: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert trials(with_trials(PLAN, count, started)) == expected


@given(
    started=st.tuples(st.integers(0, 15), st.integers(0, 4), st.integers(0, 1)),
    more=st.integers(0, 100),
    divisor=st.sampled_from([1.5, 2.0, 3.0, 4.0]),
)
def test_the_sum_is_exact_and_no_bracket_falls_below_what_it_has(
    started: tuple[int, int, int], more: int, divisor: float
) -> None:
    count = max(sum(started) + more, 1)
    changed = trials(with_trials(replace(PLAN, divisor=divisor), count, started))
    assert sum(changed) == count
    assert all(mine >= had for mine, had in zip(changed, started, strict=True))


def test_fewer_than_started_are_refused() -> None:
    with pytest.raises(InvalidInput, match="got 8, wanted at least 9") as refused:
        with_trials(PLAN, 8, (4, 4, 1))
    assert [violation.field for violation in refused.value.violations] == ["max_trials"]


def test_a_synchronous_plan_is_refused_unless_nothing_changes() -> None:
    plan = replace(PLAN, rule=PromotionRule.SYNC)
    assert with_trials(plan, plan.max_trials, (1, 1, 1)) is plan
    with pytest.raises(InvalidInput, match="synchronous"):
        with_trials(plan, plan.max_trials + 1, (1, 1, 1))


@pytest.mark.parametrize(("asked", "cap"), [(0, 0), (1, 3), (3, 3), (7, 7)])
def test_the_cap_is_never_below_the_number_of_brackets(asked: int, cap: int) -> None:
    changed = with_concurrency(PLAN, asked)
    assert changed.max_concurrent_trials == cap
    assert changed.brackets == PLAN.brackets
