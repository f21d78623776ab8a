"""What a plan of rounds says before and while it runs: preview, expected time, progress, changes."""

from dataclasses import replace

import pytest

from rungway_server.domain.engine import ExperimentState, Explanation, Progress, Reason
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.explain import in_words
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.planning import make_plan
from rungway_server.domain.search.preview import BracketPreview, PreviewRow, preview
from rungway_server.domain.search.replan import with_concurrency, with_trials
from rungway_server.domain.search.schedule import expected_seconds


def plan_of(size: int = 20, rounds: int = 4, fraction: float = 0.2) -> Plan:
    """Rounds of five epochs."""
    searcher = {
        "name": "pbt",
        "metric": "loss",
        "population_size": size,
        "num_rounds": rounds,
        "length_per_round": {"epochs": 5},
        "truncate_fraction": fraction,
        "max_concurrent_trials": 0,
    }
    return make_plan(parse({"searcher": searcher})[0].searcher)[0]


def test_each_round_trains_the_whole_population() -> None:
    seen = preview(plan_of())
    rows = (PreviewRow(4, 5), PreviewRow(4, 10), PreviewRow(4, 15), PreviewRow(20, 20))
    assert seen.brackets == (BracketPreview(32, rows, 400, clones=4),)
    assert seen.brackets[0].reaching == tuple(PreviewRow(20, length) for length in (5, 10, 15, 20))
    assert seen.total == rows
    assert (seen.total_length, seen.random_search_length) == (20 * 20, 32 * 20)


@pytest.mark.parametrize(("workers", "seconds"), [(20, 20), (99, 20), (10, 40), (7, 60), (1, 400)])
def test_rounds_come_one_after_the_other(workers: int, seconds: int) -> None:
    assert expected_seconds(plan_of(), workers, 1) == seconds


def test_progress_counts_the_results_of_all_rounds() -> None:
    plan = plan_of(size=4, rounds=2)
    progress = Progress(ExperimentState.RUNNING, 1, 4, 0, [4], [4], [[0, 0]], [[0, 0]], [[0, 0]])
    assert fraction_done(plan, progress) == 0
    assert fraction_done(plan, replace(progress, rung_results=[[3, 0]])) == 3 / 8
    assert fraction_done(plan, replace(progress, rung_results=[[4, 2]])) == 6 / 8
    assert fraction_done(plan, replace(progress, state=ExperimentState.DONE, rung_results=[[4, 2]])) == 1


def test_a_population_keeps_its_size() -> None:
    plan = plan_of()
    assert with_trials(plan, 32, (20,)) is plan
    with pytest.raises(InvalidInput, match="a population keeps its size") as refused:
        with_trials(plan, 40, (20,))
    assert [violation.field for violation in refused.value.violations] == ["max_trials"]
    assert with_concurrency(plan, 3).max_concurrent_trials == 3


def test_a_clone_in_words() -> None:
    why = Explanation(Reason.CLONED, 0, 2, 0, 20, 4, 0.25, parent=7)
    assert in_words(why) == "cloned from trial 7, ranked 0 of 20 at rung 2"
