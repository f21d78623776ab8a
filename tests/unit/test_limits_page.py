"""docs/limits.md gives the bounds of calls and files that the code checks."""

import re
from pathlib import Path

import pytest

from rungway_server.domain import engine
from rungway_server.domain.documents import text
from rungway_server.domain.search import config as searcher_config
from rungway_server.domain.search import ladder, planning
from rungway_server.service import checks, experiments, search
from rungway_server.store.redis import reads, store

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()


def row(what: str) -> str:
    """The limit of a row, by the beginning of its first cell."""
    found = re.search(rf"^\| {re.escape(what)}[^|]*\| ([^|]*) \|$", PAGE, re.MULTILINE)
    assert found, f"docs/limits.md has no row {what!r}"
    return found[1]


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("`worker`", f"{search.LONGEST_WORKER:,} bytes"),
        ("`checkpoint`", f"{search.LONGEST_CHECKPOINT:,} bytes"),
        ("`checkpoint`", f"{search.LONGEST_MESSAGE:,} bytes"),
        ("`count` of an ask", f"{search.MOST_PER_ASK:,}"),
        ("results, releases or leases in a call", f"{search.MOST_PER_CALL:,}"),
        ("reports of a call", f"{search.MOST_REPORTS:,}"),
        (
            "further metrics of a report",
            f"{checks.MOST_METRICS}; 1 to {checks.LONGEST_METRIC} bytes, not that of the searcher's metric",
        ),
        ("names of further metrics in an experiment", f"{engine.MOST_FURTHER_NAMES}"),
        ("further values of a call", f"{checks.MOST_FURTHER:,}"),
        (
            "further metrics in the curve",
            f"those of its last reports, as far as they take {reads.MOST_FURTHER_BYTES >> 10} KiB; an export has all",
        ),
        (
            "results, releases or leases in one step",
            f"{store.TRIALS_AT_ONCE}, of a tell also at most {store.STEPS_AT_ONCE} / rungs (at least 1); see below",
        ),
        ("`warm_start_count` times parameters", f"{experiments.MOST_VALUES:,}"),
        ("rungs of a bracket, brackets", f"{ladder.MAX_RUNGS}; {planning.MAX_ALL_RUNGS}"),
        ("`count` of best trials", f"{engine.MOST_BEST:,}"),
        ("JSON of one configuration", f"{experiments.LARGEST_CONFIGURATION // 1024} KiB"),
        ("`max_trials`", f"{searcher_config.MAX_TRIALS:,}"),
    ],
)
def test_a_limit_of_the_page_is_that_of_the_code(what: str, limit: str) -> None:
    assert row(what) == limit


def test_the_limits_of_files_are_those_of_the_code() -> None:
    assert f"{text.MAX_BYTES >> 20} MiB, {text.MAX_DEPTH} levels, {text.MAX_VALUES:,} values" in PAGE
