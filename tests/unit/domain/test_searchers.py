"""Searcher sections become plans."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.search.config import SearcherConfig, SearcherName
from rungway_server.domain.search.ladder import MAX_RUNGS, Mode, log_floor
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import preview
from tests.reference.tables import Case, cases


def plan_of(**searcher: object) -> Plan:
    config, _ = parse({"searcher": {"metric": "loss", **searcher}})
    return make_plan(config.searcher, config.space)[0]


def lengths(plan: Plan) -> list[list[int]]:
    return [[rung.length for rung in bracket.rungs] for bracket in plan.brackets]


@pytest.mark.parametrize("case", cases("adaptive_brackets.json"))
def test_adaptive_brackets(case: Case) -> None:
    plan = plan_of(**case["config"])
    expect = case["expect_brackets"]
    assert lengths(plan) == [bracket["rungs"] for bracket in expect]
    assert [bracket.max_trials for bracket in plan.brackets] == [bracket["max_trials"] for bracket in expect]
    shares = [bracket.max_concurrent_trials for bracket in plan.brackets]
    assert shares == [bracket["max_concurrent_trials"] for bracket in expect]
    assert [{"trials": row.trials, "length": row.length} for row in preview(plan).total] == case["expect_preview"]


def test_single() -> None:
    assert plan_of(name="single", max_length={"epochs": 9}) == Plan(
        (Bracket((Rung(9),), 1, 1),), PromotionRule.ASYNC, DecisionForm.PROMOTE, 4.0, 1, "epochs"
    )


def test_random_without_a_length_is_one_whole_run_per_trial() -> None:
    plan = plan_of(name="random", max_trials=7)
    assert plan.brackets == (Bracket((Rung(1),), 7, 16),)
    assert (plan.unit, plan.max_concurrent_trials) == ("run", 16)


def test_random_without_a_cap_may_run_all_trials_at_once() -> None:
    plan = plan_of(name="random", max_trials=7, max_concurrent_trials=0)
    assert plan.brackets[0].max_concurrent_trials == 7
    assert plan.max_concurrent_trials == 0


def test_async_halving() -> None:
    plan = plan_of(name="async_halving", max_trials=12, num_rungs=3, divisor=3, max_length={"batches": 9000})
    assert lengths(plan) == [[1000, 3000, 9000]]
    assert plan.brackets[0].max_trials == 12
    assert plan.brackets[0].max_concurrent_trials == plan.max_concurrent_trials == 16


@pytest.mark.parametrize(("max_trials", "share"), [(100, 9), (5, 5)])
def test_async_halving_without_a_cap(max_trials: int, share: int) -> None:
    plan = plan_of(
        name="async_halving", max_trials=max_trials, num_rungs=3, divisor=3, max_length=81, max_concurrent_trials=0
    )
    assert plan.brackets[0].max_concurrent_trials == share
    assert plan.max_concurrent_trials == 0


def test_async_halving_from_a_grace_period() -> None:
    assert lengths(plan_of(name="async_halving", max_trials=9, min_length=2, max_length=100)) == [[2, 8, 32, 100]]


def test_explicit_rungs_may_have_equal_lengths() -> None:
    assert lengths(plan_of(name="async_halving", max_trials=9, num_rungs=4, max_length=5)) == [[1, 1, 1, 5]]


def test_adaptive_from_a_grace_period() -> None:
    plan = plan_of(name="adaptive_asha", max_trials=64, min_length=2, max_length=100, mode="conservative")
    assert lengths(plan) == [[2, 8, 32, 100], [8, 32, 100], [32, 100], [100]]


def test_stop_once_chooses_the_form() -> None:
    assert plan_of(name="async_halving", max_trials=4, num_rungs=2, max_length=4).form is DecisionForm.PROMOTE
    stopping = plan_of(name="async_halving", max_trials=4, num_rungs=2, max_length=4, stop_once=True)
    assert stopping.form is DecisionForm.STOP


def test_too_little_concurrency_is_raised_and_said() -> None:
    searcher = SearcherConfig(
        name=SearcherName.ADAPTIVE_ASHA, metric="loss", max_length=1024, max_trials=500, max_concurrent_trials=2
    )
    plan, notes = make_plan(searcher)
    assert plan.max_concurrent_trials == 3
    assert [bracket.max_concurrent_trials for bracket in plan.brackets] == [1, 1, 1]
    assert notes == ("searcher: max_concurrent_trials raised from 2 to 3, one for each bracket",)


@pytest.mark.parametrize(
    ("searcher", "field"),
    [
        ({"name": "adaptive_asha", "max_trials": 2, "bracket_rungs": [3, 2, 1]}, "searcher.bracket_rungs"),
        ({"name": "adaptive_asha", "max_trials": 3, "bracket_rungs": [5, 4, 3]}, "searcher.bracket_rungs"),
        ({"name": "adaptive_asha", "max_trials": 9, "bracket_rungs": [5], "min_length": 9}, "searcher.bracket_rungs"),
        ({"name": "async_halving", "max_trials": 9, "min_length": 1, "divisor": 1.0001}, "searcher.min_length"),
    ],
)
def test_plans_that_cannot_be_had(searcher: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_of(max_length=100, **searcher)
    assert [violation.field for violation in caught.value.violations] == [field]


@given(
    trials=st.integers(1, 10_000),
    length=st.integers(1, 10**12),
    divisor=st.floats(1.0001, 1000),
    mode=st.sampled_from(Mode),
    max_rungs=st.integers(1, 100),
    concurrent=st.integers(0, 100),
    min_length=st.none() | st.integers(1, 1000),
)
def test_adaptive_plans_are_sound(
    trials: int,
    length: int,
    divisor: float,
    mode: Mode,
    max_rungs: int,
    concurrent: int,
    min_length: int | None,
) -> None:
    searcher = SearcherConfig(
        name=SearcherName.ADAPTIVE_ASHA,
        metric="loss",
        max_length=length,
        max_trials=trials,
        divisor=divisor,
        mode=mode,
        max_rungs=max_rungs,
        max_concurrent_trials=concurrent,
        min_length=None if min_length is None else min(min_length, length),
    )
    if searcher.min_length and log_floor(length / searcher.min_length, divisor, MAX_RUNGS) == MAX_RUNGS:
        with pytest.raises(InvalidInput, match=r"searcher\.min_length"):
            make_plan(searcher)
        return
    plan, _ = make_plan(searcher)
    assert plan.max_trials == trials
    assert plan.max_length == length
    counts = [len(bracket.rungs) for bracket in plan.brackets]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] <= max_rungs
    for bracket, found in zip(plan.brackets, lengths(plan), strict=True):
        assert bracket.max_trials >= 1
        assert bracket.max_concurrent_trials >= 1
        assert found[-1] == length
        assert found == sorted(found)
        if divisor >= 2:
            assert len(set(found)) == len(found)
    assert sum(row.trials for row in preview(plan).total) == trials
