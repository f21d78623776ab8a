"""What all trials of a search train together has a limit, whichever searcher adds it up."""

from typing import Any

import pytest

from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse, to_document
from rungway_server.domain.search.config import MAX_BUDGET, MAX_LENGTH, MAX_TRIALS
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.planning import check_totals
from rungway_server.domain.search.replan import with_trials
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.transport.wire import preview_message

SAMPLES: dict[str, Any] = {"name": "grid", "num_samples": 10**6, "max_length": MAX_LENGTH}
GRID: dict[str, Any] = {"x": {"type": "int", "minval": 1, "maxval": MAX_TRIALS, "count": MAX_TRIALS}}


def document(space: dict[str, Any] | None = None, **searcher: object) -> dict[str, Any]:
    return {"hyperparameters": space or {"x": 1}, "searcher": {"metric": "m", **searcher}}


BEYOND = [
    document(name="random", max_trials=MAX_TRIALS, max_length=MAX_LENGTH),
    document(name="random", max_trials=10**6 + 1, max_length=MAX_LENGTH),
    document(GRID, name="grid", max_length=MAX_LENGTH),
    document({"x": {"type": "int", "minval": 1, "maxval": 9, "step": 1}}, **SAMPLES),
    document(name="async_halving", num_rungs=3, max_trials=MAX_TRIALS, max_length=MAX_LENGTH),
    document(name="adaptive_asha", max_trials=MAX_TRIALS, max_length=MAX_LENGTH),
    document(name="sync_halving", num_rungs=2, max_trials=MAX_TRIALS, max_length=MAX_LENGTH),
    document(name="pbt", population_size=9, num_rounds=2, length_per_round=MAX_LENGTH),
]


@pytest.mark.parametrize("config", BEYOND, ids=lambda value: str(value)[-60:])
def test_totals_beyond_the_limit_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_search(config)
    field = "length_per_round" if config["searcher"]["name"] == "pbt" else "max_length"
    assert [violation.field for violation in caught.value.violations] == [f"searcher.{field}"]
    assert "wanted at most" in str(caught.value)


@pytest.mark.parametrize("config", BEYOND, ids=lambda value: str(value)[-60:])
def test_what_was_stored_before_there_was_a_limit_can_be_read(config: dict[str, Any]) -> None:
    read, _ = parse(config)
    assert parse(to_document(read))[0] == read


def test_the_largest_searches_are_shown_exactly() -> None:
    planned = plan_search(document(name="random", max_trials=10**6, max_length=MAX_LENGTH))
    assert preview_message(planned).random_search_length == MAX_BUDGET


def test_a_stored_plan_beyond_the_limit_is_shown_as_the_largest_number() -> None:
    """Plans that were stored before there was a limit."""
    config, _ = parse(document(name="random", max_trials=1, max_length=1))
    bracket = Bracket((Rung(MAX_LENGTH),), MAX_TRIALS, 16)
    plan = Plan((bracket,), PromotionRule.ASYNC, DecisionForm.PROMOTE, 4.0, 16, "epochs")
    assert preview_message(Planned(config, plan, ())).total_length == 2**63 - 1


def test_more_trials_later_keep_to_the_limit() -> None:
    planned = plan_search(document(name="adaptive_asha", max_trials=10**6, max_length=MAX_LENGTH))
    with pytest.raises(InvalidInput, match="wanted at most"):
        check_totals(planned.config.searcher, with_trials(planned.plan, 10**6 + 1, (0,) * len(planned.plan.brackets)))
