"""How many rungs async_halving has, also by the names of Ray Tune's ASHAScheduler."""

import pytest

from rungway_server.domain.errors import InvalidInput, Violation
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.planning import make_plan

ASHA = {"name": "async_halving", "metric": "loss", "max_trials": 100}
RAY = {**ASHA, "time_attr": "training_iteration", "max_t": 100, "grace_period": 1, "reduction_factor": 4, "brackets": 1}


def plan_of(section: dict[str, object]) -> Plan:
    config, _ = parse({"searcher": section})
    assert parse(to_document(config))[0] == config
    return make_plan(config.searcher, config.space)[0]


def refused(section: dict[str, object]) -> list[Violation]:
    with pytest.raises(InvalidInput) as caught:
        plan_of(section)
    return list(caught.value.violations)


def test_the_names_mean_the_same() -> None:
    own = {**ASHA, "max_length": 100, "unit": "training_iteration", "min_length": 1, "divisor": 4}
    plan = plan_of(RAY)
    assert plan == plan_of(own)
    assert plan.unit == "training_iteration"
    assert [rung.length for rung in plan.brackets[0].rungs] == [1, 4, 16, 64, 100]


def test_brackets_begin_higher_and_share_the_trials() -> None:
    plan = plan_of({**RAY, "brackets": 3, "grace_period": 2, "reduction_factor": 3})
    lengths = [[rung.length for rung in bracket.rungs] for bracket in plan.brackets]
    assert lengths == [[2, 6, 18, 54, 100], [6, 18, 54, 100], [18, 54, 100]]
    assert [bracket.max_trials for bracket in plan.brackets] == [63, 26, 11]
    assert [bracket.max_concurrent_trials for bracket in plan.brackets] == [6, 5, 5]


def test_brackets_of_a_ladder_from_the_top() -> None:
    plan = plan_of({**ASHA, "num_rungs": 3, "max_length": 64, "brackets": 3, "max_concurrent_trials": 0})
    assert [[rung.length for rung in b.rungs] for b in plan.brackets] == [[4, 16, 64], [16, 64], [64]]


@pytest.mark.parametrize(
    ("change", "expect"),
    [
        ({"min_length": 1}, ["searcher.grace_period"]),
        ({"max_length": 100}, ["searcher.max_t"]),
        ({"divisor": 3}, ["searcher.reduction_factor"]),
        ({"unit": "epochs"}, ["searcher.time_attr"]),
        ({"num_rungs": 3}, ["searcher.num_rungs"]),
        ({"max_t": 0}, ["searcher.max_t"]),
        ({"reduction_factor": 1}, ["searcher.reduction_factor"]),
        ({"grace_period": 101}, ["searcher.grace_period"]),
        ({"grace_period": None}, ["searcher.num_rungs"]),
        ({"brackets": 0}, ["searcher.brackets"]),
        ({"brackets": 6}, ["searcher.brackets"]),
        ({"brackets": 2, "max_trials": 1}, ["searcher.brackets"]),
        ({"max_t": {"epochs": 0}, "time_attr": None}, ["searcher.max_t.epochs"]),
    ],
)
def test_mistakes_are_named_as_they_were_written(change: dict[str, object], expect: list[str]) -> None:
    assert [violation.field for violation in refused({**RAY, **change})] == expect


def test_the_names_belong_to_async_halving_alone() -> None:
    section = {"name": "adaptive_asha", "metric": "loss", "max_trials": 9, "max_length": 9, "grace_period": 2}
    assert [violation.field for violation in refused(section)] == ["searcher.grace_period"]


@pytest.mark.parametrize(
    ("change", "lengths"),
    [
        ({"max_rungs": 3}, [6, 25, 100]),
        ({"max_rungs": 9}, [1, 6, 25, 100]),  # 4 ** 3 is the most below max_length
        ({"max_rungs": 9, "max_trials": 5}, [25, 100]),
        ({"max_rungs": 1}, [100]),
    ],
)
def test_no_more_rungs_than_lengths_and_trials_fill(change: dict[str, object], lengths: list[int]) -> None:
    plan = plan_of({**ASHA, "max_length": 100, **change})
    assert [rung.length for rung in plan.brackets[0].rungs] == lengths


@pytest.mark.parametrize("other", ["num_rungs", "min_length", "grace_period"])
def test_the_number_of_rungs_is_given_once(other: str) -> None:
    (violation,) = refused({**ASHA, "max_length": 100, "max_rungs": 3, other: 2})
    assert violation == Violation("searcher.max_rungs", f"given together with {other}, wanted one of them")
