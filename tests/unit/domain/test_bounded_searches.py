"""Searches with entries, a budget, or trials that go on after the last new one: what they are read and planned as."""

from typing import Any

import pytest

from rungway_server.domain.engine import Entry, ExperimentState, Explanation, Progress, Reason
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import to_document
from rungway_server.domain.explain import in_words
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.domain.search.methods.auto import MAX_ENTRIES, PARTS, first_shares
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.schedule import expected_seconds
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.store.redis.layout.plan_codec import LATER_FIELDS, plan_from_json, plan_to_json
from rungway_server.store.redis.layout.schema import ENTRIES, NUMBERS, SCHEMA, schema_of


def planned(name: str = "auto", **searcher: Any) -> Planned:
    """A search of up to 81 epochs."""
    section = {"name": name, "metric": "loss", "max_length": {"epochs": 81}, "max_trials": 60, **searcher}
    return plan_search({"searcher": {key: value for key, value in section.items() if value is not None}})


def lengths(plan: Plan) -> list[int]:
    """Of the one bracket."""
    (bracket,) = plan.brackets
    return [rung.length for rung in bracket.rungs]


@pytest.mark.parametrize(
    ("searcher", "wanted"),
    [
        ({}, [1, 3, 9, 27, 81]),
        ({"max_length": {"batches": 81_000}}, [1000, 3000, 9000, 27_000, 81_000]),
        ({"max_length": {"epochs": 50}}, [1, 3, 9, 27, 50]),
        ({"max_length": {"epochs": 1}}, [1]),
        ({"divisor": 4, "min_length": 5}, [5, 20, 80, 81]),
    ],
)
def test_the_ladder_of_auto_does_not_depend_on_the_unit(searcher: dict[str, Any], wanted: list[int]) -> None:
    assert lengths(planned(**searcher).plan) == wanted


def test_first_shares_are_those_that_are_said() -> None:
    shares = [first_shares(rungs) for rungs in range(1, MAX_ENTRIES + 1)]
    assert {sum(each) for each in shares} == {PARTS}
    assert shares[0] == (PARTS,)
    assert shares[1] == (3584, 512)  # 0.7 and 0.1 as a whole
    assert [round(each / PARTS, 2) for each in shares[4]] == [0.7, 0.07, 0.07, 0.07, 0.1]
    assert planned().plan.entries == shares[4]


def test_a_ladder_with_too_many_entries_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"searcher\.min_length: the ladder has 21 rungs, wanted at most 20"):
        planned(max_length={"batches": 2**20}, divisor=2, min_length=1)


@pytest.mark.parametrize("name", ["auto", "async_halving", "adaptive_asha"])
def test_a_budget_lets_trials_go_on_unless_it_is_said_otherwise(name: str) -> None:
    more = {"num_rungs": 3} if name == "async_halving" else {}
    plan = planned(name, budget={"epochs": 500}, **more).plan
    assert (plan.go_on, plan.budget, plan.budget_ms) == (True, 500, 0)
    assert not planned(name, budget=500, after_max_trials="stop", **more).plan.go_on
    assert not planned(name, **more).plan.go_on


def test_hours_are_time_and_not_training() -> None:
    plan = planned(budget={"hours": 1.5}).plan
    assert (plan.budget, plan.budget_ms) == (0, 5_400_000)
    assert planned(budget={"hours": 1e-9}).plan.budget_ms == 1  # not 0, which is without end
    plan = planned(max_length={"hours": 81}, budget={"hours": 500}).plan
    assert (plan.budget, plan.budget_ms) == (500, 0)


def test_only_where_no_trial_goes_on_too_few_are_noted() -> None:
    assert any("no trial can reach the top rung" in note for note in planned(max_trials=20).notes)
    assert not any("no trial can reach" in note for note in planned(max_trials=20, budget=500).notes)


def test_unlimited_trials_are_as_many_as_the_budget_pays_for() -> None:
    found = planned(max_trials="unlimited", budget={"epochs": 500})
    assert found.plan.max_trials == 501
    assert "searcher: max_trials unlimited are at most 501, the budget ends the search" in found.notes
    assert "searcher: ends when 500 epochs of training were handed out, whatever is left to do" in found.notes
    found = planned("random", max_trials="unlimited", budget={"hours": 2})
    assert found.plan.max_trials == 10_000_000
    assert "searcher: ends when 2 hours since its creation are over, whatever is left to do" in found.notes


@pytest.mark.parametrize(
    ("searcher", "error"),
    [
        ({"max_trials": "unlimited"}, r"searcher\.max_trials: got 'unlimited' without a budget, wanted one, or an int"),
        ({"name": "grid", "max_trials": "unlimited"}, r"searcher\.max_trials: got 'unlimited', wanted an integer"),
        ({"after_max_trials": "go_on"}, r"searcher\.after_max_trials: got 'go_on' without a budget"),
        (
            {"after_max_trials": "later", "budget": 9},
            r"searcher\.after_max_trials: got 'later', wanted one of stop, go",
        ),
        (
            {"name": "adaptive_asha", "budget": 99, "stop_once": True, "after_max_trials": "go_on"},
            r"searcher\.after_max_trials: got 'go_on' together with stop_once",
        ),
        ({"blind": True}, r"searcher\.blind: got true, wanted a budget and after_max_trials: go_on beside it"),
        ({"blind": True, "budget": 9, "after_max_trials": "stop"}, r"searcher\.blind: got true, wanted a budget"),
        ({"budget": {"hours": 0}}, r"searcher\.budget: got 0\.0 hours, wanted more than 0, at most 87600"),
        ({"budget": {"hours": "many"}}, r"searcher\.budget\.hours: got 'many', wanted a finite number$"),
        ({"budget": {"batches": 9}}, r"searcher\.budget: got 'batches', but max_length is in epochs"),
        ({"budget": 0}, r"searcher\.budget: got 0, wanted 1 to"),
        ({"name": "hyperband", "max_trials": None, "budget": 9}, r"searcher\.budget: unknown key"),
    ],
)
def test_what_was_surely_not_meant_is_refused(searcher: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidInput, match=error):
        planned(**searcher)


@pytest.mark.parametrize(
    ("name", "searcher", "schema"),
    [
        ("auto", {}, NUMBERS),
        ("auto", {"proposals": "random"}, NUMBERS),
        ("auto", {"sampler": "random", "budget": 90, "blind": True}, NUMBERS),
        ("random", {"budget": {"hours": 0.25}}, ENTRIES),
        ("random", {"budget": 90}, ENTRIES),
        ("adaptive_asha", {"budget": 90, "after_max_trials": "stop"}, ENTRIES),
        ("adaptive_asha", {"budget": 90, "stop_once": True}, ENTRIES),
        ("adaptive_asha", {}, SCHEMA),
        ("sync_halving", {"budget": {"epochs": 900}, "max_trials": None, "num_rungs": 2}, SCHEMA),
    ],
)
def test_a_search_reads_back_as_it_was_and_has_the_oldest_layout(
    name: str, searcher: dict[str, Any], schema: int
) -> None:
    found = planned(name, **searcher)
    document = to_document(found.config)
    again = plan_search(document)
    assert (again.config, again.plan) == (found.config, found.plan)
    assert plan_from_json(plan_to_json(found.plan)) == found.plan
    assert schema_of(found.config) == schema
    if schema == SCHEMA:
        section: Any = document["searcher"]
        assert not {"after_max_trials", "blind"} & section.keys()
        assert not [field for field in LATER_FIELDS if f'"{field}"' in plan_to_json(found.plan)]


def test_the_part_that_is_done_is_that_of_the_budget() -> None:
    plan = planned(budget=500).plan

    def done(trained: int, state: ExperimentState = ExperimentState.RUNNING) -> float:
        none = [[0] * 5]
        return fraction_done(plan, Progress(state, 1, 9, trained, [9], [1], none, none, none))

    assert [done(0), done(250), done(600)] == [0.0, 0.5, 0.99]
    assert done(499, ExperimentState.DONE) == 1.0


def test_the_expected_time_is_that_of_the_budget() -> None:
    assert expected_seconds(planned(budget=500).plan, 10, 2.0) == (50 + 81) * 2.0
    assert expected_seconds(planned(budget={"hours": 1}).plan, 10, 2.0) == 3600 + 81 * 2.0


def test_a_new_trial_says_where_it_enters() -> None:
    entries = (Entry(0.75, 100, 2.5), Entry(0.25, 81))
    text = in_words(Explanation(Reason.NEW_TRIAL, 0, 1, entries=entries))
    assert text == "a new trial, which enters at rung 1 unjudged; shares of the training: 75%, 25%"
