"""Previews, against the reference tables."""

import pytest

from rungway_server.domain.experiment import parse
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import BracketPreview, PreviewRow, preview
from tests.reference.tables import Case, cases


@pytest.mark.parametrize("case", cases("preview.json"))
def test_preview_lists_what_the_table_says(case: Case) -> None:
    config, _ = parse({"hyperparameters": case.get("hyperparameters"), "searcher": case["config"]})
    plan, _ = make_plan(config.searcher, config.space)
    rows = [
        {"trials": row.trials, "length": None if config.searcher.to_completion else row.length}
        for row in preview(plan).total
    ]
    assert rows == case["expect"]
    assert plan.unit == case.get("unit", "run")


def test_rows_per_bracket_and_what_it_all_costs() -> None:
    config, _ = parse(
        {"searcher": {"name": "adaptive_asha", "metric": "loss", "max_trials": 500, "max_length": {"epochs": 1024}}}
    )
    seen = preview(make_plan(config.searcher, config.space)[0])
    assert [bracket.max_trials for bracket in seen.brackets] == [354, 110, 36]
    assert seen.brackets[2] == BracketPreview(
        36, (PreviewRow(27, 64), PreviewRow(7, 256), PreviewRow(2, 1024)), 27 * 64 + 7 * 256 + 2 * 1024
    )
    assert seen.total == tuple(
        PreviewRow(trials, length) for trials, length in [(266, 4), (149, 16), (65, 64), (16, 256), (4, 1024)]
    )
    assert seen.total_length == 15_800
    assert seen.random_search_length == 500 * 1024


def test_rungs_of_equal_length_share_a_row() -> None:
    bracket = Bracket((Rung(1), Rung(1), Rung(4)), max_trials=16, max_concurrent_trials=16)
    plan = Plan((bracket,), PromotionRule.ASYNC, DecisionForm.PROMOTE, 4.0, 16, "epochs")
    assert preview(plan).brackets[0].rows == (PreviewRow(15, 1), PreviewRow(1, 4))
