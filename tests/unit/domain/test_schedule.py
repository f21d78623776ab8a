"""How long searches are expected to take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.domain.experiment import parse
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import preview
from rungway_server.domain.search.schedule import MAX_TRIALS, expected_seconds


def plan_of(**searcher: object) -> Plan:
    config, _ = parse({"searcher": {"metric": "loss", "max_concurrent_trials": 0, **searcher}})
    return make_plan(config.searcher, config.space)[0]


@pytest.mark.parametrize(("workers", "seconds"), [(1, 500), (4, 150), (10, 50), (99, 50)])
def test_random_search_is_exact(workers: int, seconds: float) -> None:
    plan = plan_of(name="random", max_trials=10, max_length=100)
    assert expected_seconds(plan, workers, 0.5) == seconds


def test_the_cap_on_the_concurrency_counts() -> None:
    plan = plan_of(name="random", max_trials=10, max_length=100, max_concurrent_trials=2)
    assert expected_seconds(plan, 99, 1) == 500


def test_a_synchronous_rung_waits() -> None:
    plan = plan_of(name="sync_halving", num_rungs=3, max_length=9, divisor=3, max_trials=9)
    # 9 trials to 1, 3 of them to 3, one of them to 9.
    assert expected_seconds(plan, 9, 1) == 9
    assert expected_seconds(plan, 1, 1) == 9 + 3 * 2 + 6
    assert expected_seconds(plan, 3, 1) == 3 + 2 + 6


def test_an_asynchronous_one_does_not() -> None:
    plan = plan_of(name="async_halving", num_rungs=3, max_length=9, divisor=3, max_trials=9)
    assert expected_seconds(plan, 1, 1) == 21
    assert expected_seconds(plan, 3, 1) == 12


def test_the_stopping_form_lets_the_first_one_go_on() -> None:
    keys: dict[str, object] = {"name": "async_halving", "num_rungs": 2, "max_length": 4, "max_trials": 2}
    assert expected_seconds(plan_of(**keys), 1, 1) == 2
    assert expected_seconds(plan_of(**keys, stop_once=True), 1, 1) == 5


def test_large_plans_are_estimated_by_a_formula() -> None:
    keys: dict[str, object] = {"name": "adaptive_asha", "max_length": 64}
    plan = plan_of(**keys, max_trials=MAX_TRIALS + 1)
    played = expected_seconds(plan_of(**keys, max_trials=MAX_TRIALS), 64, 1)
    assert expected_seconds(plan, 64, 1) == pytest.approx(played, rel=0.1)


@given(
    name=st.sampled_from(["adaptive_asha", "adaptive", "hyperband", "random"]),
    trials=st.integers(1, 200),
    length=st.integers(1, 100),
    workers=st.integers(1, 50),
)
def test_estimates_are_between_the_bounds_of_any_schedule(name: str, trials: int, length: int, workers: int) -> None:
    keys: dict[str, object] = {} if name == "hyperband" else {"max_trials": trials}
    plan = plan_of(name=name, max_length=length, **keys)
    seconds = expected_seconds(plan, workers, 1)
    work = expected_seconds(plan, 1, 1)
    assert work / workers <= seconds <= work
    if name != "adaptive_asha":
        assert work == preview(plan).total_length
