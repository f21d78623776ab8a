"""A plan whose top rung no trial can reach says so, and how many trials would be enough."""

from typing import Any

import pytest

from rungway_server.domain.experiment import parse
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import preview, reached

ASYNC = {"name": "async_halving", "metric": "loss", "max_length": {"epochs": 9}, "divisor": 3, "num_rungs": 3}


def planned(**searcher: Any) -> tuple[Plan, list[str]]:
    """The plan and what is said of its top; None takes a key away."""
    config, _ = parse({"searcher": {key: value for key, value in (ASYNC | searcher).items() if value is not None}})
    plan, notes = make_plan(config.searcher, config.space)
    return plan, [note for note in notes if "reach" in note]


def test_five_trials_and_three_rungs() -> None:
    _, (note,) = planned(max_trials=5)
    assert note == (
        "searcher: no trial can reach the top rung, 9 epochs: of 5 trials, divisor 3 lets 1 go on to 3 and none to 9"
        " (the preview counts one); use at least 9 trials, fewer rungs or a smaller divisor"
    )


@pytest.mark.parametrize(
    ("searcher", "expect"),
    [
        ({"max_trials": 2, "num_rungs": 2}, "of 2 trials, divisor 3 lets none go on to 9"),
        ({"max_trials": 1}, "of 1 trial, divisor 3 lets none go on to 3 "),
        ({"max_trials": 8}, "of 8 trials, divisor 3 lets 2 go on to 3 and none to 9"),
        ({"max_trials": 5, "num_rungs": None, "min_length": 1}, "divisor 3 lets 1 go on to 3 and none to 9"),
        ({"max_trials": 6, "divisor": 2.5, "num_rungs": 3}, "of 6 trials, divisor 2.5 lets 2 go on to 3 and none to 9"),
        ({"name": "adaptive_asha", "num_rungs": None, "bracket_rungs": [3], "max_trials": 5}, "none to 9"),
        ({"name": "adaptive_asha", "num_rungs": None, "min_length": 1, "max_rungs": None, "mode": "aggressive",
          "bracket_rungs": [3], "max_trials": 8}, "of 8 trials"),
    ],
)  # fmt: skip
def test_others_that_are_too_few(searcher: dict[str, Any], expect: str) -> None:
    _, (note,) = planned(**searcher)
    assert expect in note


def test_each_bracket_is_looked_at() -> None:
    _, notes = planned(name="adaptive_asha", num_rungs=None, bracket_rungs=[3, 2, 1], max_trials=6)
    assert [note.split(" can ")[0] for note in notes] == [
        "searcher: no trial of bracket 0",
        "searcher: no trial of bracket 1",
    ]
    assert "use at least 9 trials there" in notes[0]


@pytest.mark.parametrize(
    "searcher",
    [
        {"max_trials": 9},
        {"max_trials": 5, "stop_once": True},  # the first at a rung always goes on
        {"max_trials": 5, "num_rungs": 1},
        {"max_trials": 5, "name": "sync_halving"},
        {"max_trials": 5, "name": "random", "num_rungs": None, "divisor": None},
        {"name": "hyperband", "num_rungs": None},
        {"max_trials": 5, "name": "adaptive", "num_rungs": None},
    ],
)
def test_where_one_gets_there_nothing_is_said(searcher: dict[str, Any]) -> None:
    plan, notes = planned(**searcher)
    assert notes == []
    assert all(trials > 0 for bracket in plan.brackets for trials in reached(bracket, plan))


@pytest.mark.parametrize("divisor", [2, 2.5, 3, 4])
@pytest.mark.parametrize("rungs", [2, 3, 4])
def test_the_number_that_would_do_is_the_least(divisor: float, rungs: int) -> None:
    """By trying them all; and with it the preview is right."""
    small = {"num_rungs": rungs, "divisor": divisor, "max_length": 1000}
    least = next(trials for trials in range(1, 300) if not planned(max_trials=trials, **small)[1])
    _, (note,) = planned(max_trials=least - 1, **small)
    assert f"use at least {least} trials, " in note
    plan, _ = planned(max_trials=least, **small)
    assert reached(plan.brackets[0], plan)[-1] == preview(plan).brackets[0].rows[-1].trials == 1
