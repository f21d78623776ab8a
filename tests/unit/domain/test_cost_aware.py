"""Cost-aware searches: how they are read and planned, what has a layout of its own, and what is said of them."""

from typing import Any

import pytest

from rungway_server.domain.engine import Entry, Explanation, Reason
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import to_document
from rungway_server.domain.explain import in_words
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.store.redis.layout.costs import used_in, weighed_by_cost
from rungway_server.store.redis.layout.plan_codec import plan_from_json, plan_to_json
from rungway_server.store.redis.layout.schema import NUMBERS, schema_of

POPULATION = {"population_size": 8, "num_rounds": 2, "length_per_round": {"epochs": 3}, "max_length": None}


def planned(name: str = "auto", **searcher: Any) -> Planned:
    """A search of up to 27 epochs."""
    section = {"name": name, "metric": "loss", "max_length": {"epochs": 27}, "max_trials": 60, **searcher}
    space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    return plan_search(
        {"hyperparameters": space, "searcher": {key: value for key, value in section.items() if value is not None}}
    )


@pytest.mark.parametrize(
    "searcher",
    [
        {},
        {"proposals": "random"},
        {"proposals": "forest"},
        {"name": "adaptive_asha", "proposals": "mixture"},
        {"name": "async_halving", "num_rungs": 3, "stop_once": True, "proposals": "mixture"},
        {"name": "pbt", "max_trials": None, "proposals": "mixture", **POPULATION},
        {"metric": None, "metrics": [{"name": "a", "goal": "minimize"}, {"name": "b", "goal": "minimize"}]},
    ],
)
def test_a_cost_aware_search_reads_back_as_it_was(searcher: dict[str, Any]) -> None:
    found = planned(**searcher, cost_aware=True)
    assert found.plan.cost_aware
    again = plan_search(to_document(found.config))
    assert (again.config, again.plan) == (found.config, found.plan)
    assert plan_from_json(plan_to_json(found.plan)) == found.plan
    assert schema_of(found.config) == NUMBERS
    assert any("weighed by the cost" in note for note in found.notes)


@pytest.mark.parametrize("searcher", [{"proposals": "random"}, {}])
def test_any_other_search_is_as_it_was(searcher: dict[str, Any]) -> None:
    found = planned(**searcher, cost_aware=False)
    assert found == planned(**searcher)
    assert "cost_aware" not in plan_to_json(found.plan)
    section: Any = to_document(found.config)["searcher"]
    assert "cost_aware" not in section


@pytest.mark.parametrize(
    ("searcher", "error"),
    [
        ({"name": "adaptive_asha"}, r"searcher\.cost_aware: got true, but no share is learned"),
        ({"name": "random", "proposals": "forest"}, r"wanted auto, or proposals: mixture beside it"),
        ({"name": "pbt", "max_trials": None, **POPULATION}, r"searcher\.cost_aware: got true, but no share is learned"),
        ({"name": "single", "max_trials": None}, r"searcher\.cost_aware: got true, but no share is learned"),
        ({"name": "grid", "max_trials": None}, r"searcher\.cost_aware: unknown key"),
        ({"cost_aware": "seconds"}, r"searcher\.cost_aware: got 'seconds', wanted true or false"),
        ({"cost_awar": True}, r"searcher\.cost_awar: unknown key.*cost_aware"),
    ],
)
def test_where_nothing_is_shared_out_by_cost_the_key_is_refused(searcher: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidInput, match=error):
        planned(**{"cost_aware": True, **searcher})


def test_training_is_divided_by_cost_and_its_sum_stays() -> None:
    assert weighed_by_cost([10, 4], {"told": [0, 0], "cost": [0.0, 0.0]}) == [10.0, 4.0]
    assert weighed_by_cost([10, 4], {"told": [6, 2], "cost": [0.0, 0.0]}) == [10.0, 4.0]
    assert weighed_by_cost([10, 4], {"told": [6, 2], "cost": [6.0, 2.0]}) == [10.0, 4.0]
    assert weighed_by_cost([10, 4], {"told": [6, 2], "cost": [6.0, 10.0]}) == [4 + 3.0, 2 + 5.0]
    assert weighed_by_cost([10, 4], {"told": [6, 2], "cost": [1e300, 1e300]}) == [4 + 4.0, 2 + 4.0]
    assert weighed_by_cost([10, 4], {"told": [6, 2], "cost": [5e-324, 0.0]}) == [4 + 8.0, 2.0]


def test_what_was_used_is_a_text_after_the_numbers() -> None:
    assert used_in([1, 2, 3]) == ([1, 2, 3], None)
    assert used_in([1, 2, 3, b"12 0.10000000000000001"]) == ([1, 2, 3], [12.0, 0.1])
    assert used_in((1, "1e+300")) == ((1,), [1e300])


def test_a_new_trial_says_what_was_used() -> None:
    entries = (Entry(0.75, 100, 2.5, 60.0), Entry(0.25, 100, 0.0, 140.0))
    text = in_words(Explanation(Reason.NEW_TRIAL, 0, 1, entries=entries))
    assert text.endswith("shares of the training: 75%, 25%; used so far, by cost: 30%, 70%")
    nothing = in_words(Explanation(Reason.NEW_TRIAL, 0, 1, entries=(Entry(1.0, 0, 0.0, 0.0),)))
    assert nothing.endswith("shares of the training: 100%")
