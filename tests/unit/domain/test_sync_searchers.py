"""Synchronous searchers become plans, as the tables say."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.search.config import SearcherConfig, SearcherName
from rungway_server.domain.search.halving import hyperband_sizes, least_budget, sizes_for_budget, sizes_for_trials
from rungway_server.domain.search.ladder import Mode, rung_lengths
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import PreviewRow, preview
from tests.reference.tables import Case, cases

DOCUMENTED = cases("adaptive_sync_cases.json", harness="plan")
PLAYED = cases("adaptive_sync_cases.json", harness="fifo") + cases("adaptive_sync_cases.json", harness="picked")


def plan_of(**searcher: object) -> Plan:
    return planned(**searcher)[0]


def planned(**searcher: object) -> tuple[Plan, tuple[str, ...]]:
    config, _ = parse({"searcher": {"metric": "loss", **searcher}})
    return make_plan(config.searcher, config.space)


def table_plan(case: Case) -> Plan:
    return plan_of(**{**case["config"], "name": case["config"]["name"].replace("_simple", "")})


def refused(**searcher: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        plan_of(**searcher)
    return [(violation.field, violation.description) for violation in caught.value.violations]


@pytest.mark.parametrize("case", cases("sha_cases.json", expect_plan=...))
def test_sync_halving_by_budget(case: Case) -> None:
    plan = table_plan(case)
    (bracket,) = plan.brackets
    found = [{"length": rung.length, "start": rung.size, "promote": rung.slots} for rung in bracket.rungs]
    assert found == case["expect_plan"]
    assert bracket.max_trials == bracket.rungs[0].size
    assert (plan.rule, plan.form) == (PromotionRule.SYNC, DecisionForm.PROMOTE)


@pytest.mark.parametrize("case", PLAYED)
def test_adaptive_starts_and_passes_what_the_runs_of_the_table_did(case: Case) -> None:
    # A run lists its increments; those with the same first length are a bracket.
    runs = case.get("expect_multiset") or [trial["expect_lengths"] for trial in case["trials"]]
    brackets: dict[int, list[list[int]]] = {}
    for run in runs:
        brackets.setdefault(run[0], []).append(list(accumulate(run)))
    expect = []
    for trials in brackets.values():
        lengths = max(trials, key=len)
        sizes = [sum(len(trial) > k for trial in trials) for k in range(len(lengths))]
        expect.append([Rung(*rung) for rung in zip(lengths, sizes, [*sizes[1:], 0], strict=True)])
    assert [list(bracket.rungs) for bracket in table_plan(case).brackets] == expect


@pytest.mark.parametrize("case", DOCUMENTED)
def test_adaptive_starts_what_is_documented(case: Case) -> None:
    plan = table_plan(case)
    assert [bracket.max_trials for bracket in plan.brackets] == case["expect_trials_per_bracket"]
    assert plan.max_trials == case["expect_total_trials"]


@pytest.mark.parametrize("case", cases("hyperband.json"))
def test_hyperband(case: Case) -> None:
    plan = plan_of(name="hyperband", max_length=case["R"], divisor=case["eta"])
    found = [[[rung.size, rung.length] for rung in bracket.rungs] for bracket in plan.brackets]
    assert found == [bracket["rungs"] for bracket in case["expect"]]
    assert plan.rule is PromotionRule.SYNC
    pairs = [pair for bracket in plan.brackets for pair in pairwise(bracket.rungs)]
    assert all(rung.slots == above.size for rung, above in pairs)


def test_hyperband_says_how_many_trials_it_starts() -> None:
    plan, notes = planned(name="hyperband", max_length={"epochs": 81})
    assert plan.divisor == 3
    assert plan.max_trials == 128
    assert notes == ("searcher: one pass starts 128 trials in 5 brackets",)


def test_hyperband_from_a_least_length() -> None:
    plan = plan_of(name="hyperband", max_length=810, min_length=10)
    assert [bracket.max_trials for bracket in plan.brackets] == [81, 27, 9, 6, 5]
    assert [rung.length for rung in plan.brackets[0].rungs] == [10, 30, 90, 270, 810]


def test_sync_halving_by_trials() -> None:
    (bracket,) = plan_of(name="sync_halving", max_length=64, num_rungs=4, max_trials=100).brackets
    assert bracket == Bracket((Rung(1, 100, 25), Rung(4, 25, 6), Rung(16, 6, 1), Rung(64, 1, 0)), 100, 16)


def test_sync_halving_from_a_grace_period() -> None:
    (bracket,) = plan_of(name="sync_halving", max_length=100, min_length=9, divisor=3, max_trials=9).brackets
    assert bracket.rungs == (Rung(9, 9, 3), Rung(27, 3, 1), Rung(81, 1, 1), Rung(100, 1, 0))


def test_without_a_cap_all_may_start_at_once() -> None:
    plan = plan_of(name="adaptive", max_length=16, max_rungs=3, budget=160, max_concurrent_trials=0)
    assert [bracket.max_concurrent_trials for bracket in plan.brackets] == [32, 11]
    assert plan.max_concurrent_trials == 0


def test_previews_are_exact() -> None:
    plan, notes = planned(name="sync_halving", max_length={"batches": 80000}, num_rungs=4, budget={"batches": 48000})
    seen = preview(plan)
    assert seen.total == (PreviewRow(9, 1250), PreviewRow(1, 5000), PreviewRow(0, 20000), PreviewRow(1, 80000))
    assert seen.total_length == 9 * 1250 + 5000 + 80000
    assert notes == ("searcher: trains 96250 in all, more than budget: every rung holds at least one trial",)


def test_a_budget_for_no_trial_is_refused_with_the_least_one() -> None:
    keys: dict[str, object] = {"name": "sync_halving", "num_rungs": 3, "max_length": 9, "divisor": 3}
    assert refused(**keys, budget=2) == [("searcher.budget", "got 2, wanted at least 3, what one trial takes")]
    assert plan_of(**keys, budget=3).max_trials == 1
    keys = {"name": "adaptive", "max_length": 9, "divisor": 3, "mode": "conservative", "max_rungs": 2}
    ((field, description),) = refused(**keys, budget=12)
    assert (field, description) == (
        "searcher.budget",
        "got 12, wanted at least 18, what one trial in each of 2 brackets takes",
    )
    assert [bracket.max_trials for bracket in plan_of(**keys, budget=18).brackets] == [1, 1]


def test_more_brackets_than_trials() -> None:
    keys: dict[str, object] = {"name": "adaptive", "max_length": 100, "max_trials": 2}
    plan = plan_of(**keys, mode="conservative", max_rungs=3)
    assert [(bracket.max_trials, len(bracket.rungs)) for bracket in plan.brackets] == [(1, 3), (1, 2)]
    assert refused(**keys, bracket_rungs=[3, 2, 1]) == [("searcher.bracket_rungs", "3 brackets, but max_trials is 2")]


@pytest.mark.parametrize(
    ("searcher", "field"),
    [
        ({"name": "sync_halving", "num_rungs": 2}, "budget"),
        ({"name": "sync_halving", "num_rungs": 2, "budget": 50, "max_trials": 3}, "max_trials"),
        ({"name": "sync_halving", "num_rungs": 2, "budget": {"epochs": 50}}, "budget"),
        ({"name": "sync_halving", "num_rungs": 2, "budget": 0}, "budget"),
        ({"name": "sync_halving", "num_rungs": 2, "budget": {"weeks": 3}}, "budget"),
        ({"name": "sync_halving", "num_rungs": 2, "max_trials": 3, "stop_once": True}, "stop_once"),
        ({"name": "sync_halving", "max_trials": 3}, "num_rungs"),
        ({"name": "sync_halving", "num_rungs": 2, "min_length": 3, "max_trials": 3}, "num_rungs"),
        ({"name": "sync_halving", "num_rungs": 1, "budget": 10**18}, "budget"),
        ({"name": "hyperband", "max_trials": 3}, "max_trials"),
        ({"name": "hyperband", "min_length": 101}, "min_length"),
        ({"name": "hyperband", "divisor": 1.0001}, "divisor"),
        ({"name": "hyperband", "max_length": 10**12}, "max_length"),
        ({"name": "adaptive"}, "budget"),
        ({"name": "adaptive", "max_trials": 9, "min_length": 50, "bracket_rungs": [4]}, "bracket_rungs"),
    ],
)
def test_what_cannot_be_planned(searcher: dict[str, object], field: str) -> None:
    ((found, _),) = refused(**{"max_length": 100, **searcher})
    assert found == f"searcher.{field}"


def test_an_old_key_is_ignored_with_a_note() -> None:
    section = {"name": "adaptive", "metric": "loss", "max_length": 9, "max_trials": 3, "train_stragglers": True}
    _, notes = parse({"searcher": section, "hyperparameters": {"x": 1}})
    assert notes == ("searcher: train_stragglers ignored, results that come late count like all others",)


@given(
    rungs=st.integers(1, 12),
    length=st.integers(1, 10**9),
    divisor=st.floats(1.1, 10) | st.integers(2, 9),
    budget=st.integers(1, 10**12),
)
def test_sizes_for_a_budget(rungs: int, length: int, divisor: float, budget: int) -> None:
    lengths = rung_lengths(rungs, length, divisor)
    least = least_budget(lengths, divisor)
    assert sizes_for_budget(lengths, divisor, least)[0] >= 1
    assert least == 1 or sizes_for_budget(lengths, divisor, least - 1)[0] == 0
    sizes = sizes_for_budget(lengths, divisor, budget)
    assert (sizes[0] == 0) == (budget < least)
    if budget >= least:
        assert list(sizes) == sorted(sizes, reverse=True)
        assert sizes[-1] >= 1


@given(
    name=st.sampled_from([SearcherName.SYNC_HALVING, SearcherName.ADAPTIVE, SearcherName.HYPERBAND]),
    trials=st.integers(1, 10_000),
    length=st.integers(1, 100_000),
    divisor=st.floats(1.5, 10),
    mode=st.sampled_from(Mode),
    max_rungs=st.integers(1, 20),
    concurrent=st.integers(0, 100),
)
def test_plans_are_sound(
    name: SearcherName, trials: int, length: int, divisor: float, mode: Mode, max_rungs: int, concurrent: int
) -> None:
    searcher = SearcherConfig(
        name=name,
        metric="loss",
        max_length=length,
        max_trials=0 if name is SearcherName.HYPERBAND else trials,
        num_rungs=max_rungs,
        divisor=divisor,
        mode=mode,
        max_rungs=max_rungs,
        max_concurrent_trials=concurrent,
    )
    plan, _ = make_plan(searcher)
    assert name is SearcherName.HYPERBAND or plan.max_trials == trials
    for bracket in plan.brackets:
        assert bracket.max_concurrent_trials >= 1
        assert bracket.rungs[0].size == bracket.max_trials
        assert bracket.rungs[-1].length == length
        assert [rung.slots for rung in bracket.rungs] == [*(rung.size for rung in bracket.rungs[1:]), 0]
        assert all(1 <= rung.slots <= rung.size for rung in bracket.rungs[:-1])
    assert sum(row.trials for row in preview(plan).total) == plan.max_trials


def test_sizes_for_trials_never_reach_zero() -> None:
    assert sizes_for_trials(5, 4, 17) == (17, 4, 1, 1, 1)


def test_hyperband_counts_its_brackets_exactly() -> None:
    assert len(hyperband_sizes(3**5, 3, 1)) == 6  # floating-point logarithms give 5
