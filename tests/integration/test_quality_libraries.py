"""Another library plays searches on a table by its own code, where its environment is: `make quality` makes it."""

import asyncio
from dataclasses import replace

import pytest

from loadtests.peers.environments import is_installed
from loadtests.quality.libraries import LIBRARIES, library, play
from loadtests.quality.peers import bars, figures
from rungway_server.service.experiments import plan_search
from rungway_server.simulation.cases import CASES
from rungway_server.simulation.fleet import Fleet
from rungway_server.simulation.pool import Pool, space_of
from rungway_server.simulation.quality import Row
from rungway_server.simulation.records import Job
from rungway_server.simulation.table import Table, TableCurves
from tests.support.small_table import small_table

HALVING = ["Optuna TPE, SuccessiveHalving", "Optuna TPE, Hyperband", "Syne Tune ASHABORE", "Syne Tune BOHB"]
EACH = [*HALVING[:2], pytest.param(HALVING[2], marks=pytest.mark.long), HALVING[3]]
"""One of them takes a minute or two of processor time."""


@pytest.fixture(scope="module")
def small() -> Table:
    """Sixty networks of nine epochs."""
    return small_table()


@pytest.mark.parametrize("name", EACH)
def test_a_library_stops_trials_and_uses_each_row_once(small: Table, name: str) -> None:
    needs(name)
    jobs, rows = asyncio.run(played(small, name))
    assert len(set(rows)) == len(rows) == 60
    assert {job.end for job in jobs if job.told} == {1, 3, 9}
    reached = [len({job.trial for job in jobs if job.told and job.end == length}) for length in (1, 3, 9)]
    assert reached[0] > reached[1] > reached[2] > 0


@pytest.mark.parametrize("name", EACH)
def test_the_same_seed_is_the_same_search(small: Table, name: str) -> None:
    needs(name)
    first, again, *others = asyncio.run(figures(name, small, 4, 12, [3, 3, 4, 5, 6]))
    assert first == again
    assert any(first != other for other in others)
    assert first.cpu_ms > 0


def test_bars_compare_with_the_best_library_of_each_table() -> None:
    ours = Row(first_best=2.0, hits=3, first_top=3.0, rank=2.0, regret=0.1, busy=1.0)
    quick, thorough = replace(ours, first_best=1.0, rank=4.0), replace(ours, first_best=float("inf"), rank=1.0)
    rows = {"auto": ours, HALVING[0]: quick, HALVING[2]: thorough}
    assert [bar.measured for bar in bars({CASES[0]: rows}, 5.0)] == pytest.approx([2, 2, 2, 2])
    assert [bar.measured for bar in bars({CASES[0]: rows | {"auto": thorough}}, 5.0)][:2] == pytest.approx([10, 10])
    assert bars({CASES[0]: {"auto": ours}}, 5.0) == []


async def played(table: Table, name: str) -> tuple[list[Job], list[int]]:
    """The jobs of a search to the last row, and the row of each trial."""
    searcher = {"name": "random", "metric": table.metric, "max_trials": 1, "max_length": 1}
    pool = Pool(table, plan_search({"hyperparameters": space_of(table.columns), "searcher": searcher}).config)
    async with library(name, table.columns) as playing:
        await playing.begin(9, 1)
        jobs = await play(playing, TableCurves(table, 1, rows=pool), pool.give, Fleet(4))
    return jobs, [pool[trial] for trial in sorted({job.trial for job in jobs})]


def needs(name: str) -> None:
    if not is_installed(LIBRARIES[name].environment):
        pytest.skip(
            f"without .venv-peers/{LIBRARIES[name].environment}, which `make quality QUALITY_ARGS=--peers` makes"
        )
