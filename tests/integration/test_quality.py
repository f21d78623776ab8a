"""The measure of how good searches are, on a small table; and budgets, with workers that lose their jobs."""

import math
from dataclasses import replace

import pytest

from rungway_server.service.experiments import plan_search
from rungway_server.simulation.cases import CASES, DECEPTIVE_CASES, MODEL_CASES, Case, misled, named
from rungway_server.simulation.engine import simulate
from rungway_server.simulation.fleet import DropForm, Fleet
from rungway_server.simulation.pool import Pool, space_of
from rungway_server.simulation.quality import DRAWS, SEARCHES, Figures, Row, bars, lines, main, measure, model_bars
from rungway_server.simulation.records import Run
from rungway_server.simulation.stage import run_on_stage, stage
from rungway_server.simulation.synthetic import SyntheticCurves
from rungway_server.simulation.table import Table, TableCurves
from tests.support.small_table import small_table


@pytest.fixture(scope="module")
def small() -> Table:
    """Sixty networks of nine epochs."""
    return small_table()


def test_every_search_is_measured_and_the_same_each_time(small: Table) -> None:
    first, again = (run_on_stage(measure(small, CASES[4], 4, 12, seed=3)) for _ in range(2))
    assert first == again
    assert first.keys() == SEARCHES.keys()
    assert first["random"].busy == pytest.approx(1)
    assert all(1 <= figures.rank <= 61 and figures.regret >= 0 for figures in first.values())
    assert first["auto"].busy == pytest.approx(1)  # whoever waits goes on
    found = {CASES[4]: {name: Row.of([figures, figures]) for name, figures in first.items()}}
    assert len([*lines(found)]) == 2 + len(SEARCHES)


@pytest.mark.parametrize("proposals", ["mixture", "forest", "kde"])
def test_each_row_is_used_once_whoever_proposes(small: Table, proposals: str) -> None:
    """Also those that were proposed, and not used because a better model came: their turn comes again."""
    rows = len(small.values)
    section = {"name": "auto", "proposals": proposals, "metric": "loss", "max_trials": rows, "max_length": 9}
    planned = plan_search({"hyperparameters": space_of(small.columns), "searcher": section, "seed": 3})
    pool = Pool(small, planned.config)

    async def run() -> Run:
        async with stage(compute=pool.compute) as store:
            curves = TableCurves(small, 3, rows=pool)
            return await simulate(store, planned.config, planned.plan, curves, Fleet(4), keep_steps=False)

    trials = {job.trial for job in run_on_stage(run()).jobs}
    assert sorted(pool[trial] for trial in trials) == list(range(rows))


def test_rows_come_again_when_there_are_more_trials(small: Table) -> None:
    section = {"name": "random", "metric": "loss", "max_trials": 100, "max_length": 9}
    pool = Pool(small, plan_search({"hyperparameters": space_of(small.columns), "searcher": section}).config)
    for trial in range(100):
        pool.configured(trial, {})
    assert sorted(pool[trial] for trial in range(60)) == list(range(60))
    assert [pool[trial] for trial in range(60, 100)] == [pool[trial] for trial in range(40)]


def test_first_units_mislead_as_the_case_says(small: Table) -> None:
    worst_first = misled(small, Case("x", reversed_units=1))
    assert worst_first.values[:, 0].argmin() == small.values[:, 0].argmax()
    assert (worst_first.values[:, 1:] == small.values[:, 1:]).all()
    others = misled(small, Case("x", noise_units=2))
    assert sorted(others.values[:, 1]) == sorted(small.values[:, 1])
    assert (others.values[:, :2] != small.values[:, :2]).any()
    moved = misled(small, Case("x", moved=0.1))
    finals, order = small.values[:, -1], small.values[:, -1].argsort(kind="stable")
    if not small.smaller_is_better:
        order = order[::-1]
    best = {*order[:6].tolist()}
    assert all(moved.values[row, -1] in finals[order[30:]] for row in best)
    assert sorted(moved.values[:, -1]) == sorted(finals)
    changed = {*(moved.values != small.values).any(1).nonzero()[0].tolist()}
    assert len(changed) == 12
    assert best < changed
    assert sorted(moved.elapsed[:, -1]) == sorted(small.elapsed[:, -1])


def test_a_name_that_no_table_has_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["quality", "--only", "GRU65"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr()
    assert "--only: no table has 'GRU65' in its name: taskset_a" in told.err
    assert not told.out
    assert named(CASES, ["digits", "ogbg"]) == [case for case in CASES if "digits" in case.name or "ogbg" in case.name]


def test_a_bar_that_is_missed_says_so() -> None:
    row = Row(first_best=2.0, hits=3, first_top=3.0, rank=4.0, regret=0.1, busy=1.0)
    easy, pool, stream = CASES[0], CASES[5], CASES[6]
    found = {case: dict.fromkeys(SEARCHES, row) for case in (easy, pool, stream)}
    assert [bar.line().endswith("| yes |") for bar in bars(found, 8)] == [True] * 6
    found[easy] = found[easy] | {"auto": replace(row, first_best=2.3)}
    found[pool] = found[pool] | {"auto": replace(row, regret=0.2, busy=0.5)}
    assert [bar.line().endswith("| yes |") for bar in bars(found, 8)] == [False, True, True, False, False, True]


def test_auto_is_measured_against_draws() -> None:
    run = Figures(first_best=2.0, first_top=3.0, rank=4, regret=0.1, busy=1.0)
    gru, fashion = MODEL_CASES[0], MODEL_CASES[2]
    found: dict[Case, dict[str, list[Figures]]] = {case: {DRAWS: [run], "auto": [run]} for case in MODEL_CASES[:3]}
    found[gru]["auto"] = [replace(run, first_best=1.0, rank=1)]
    found[fashion] = {DRAWS: [replace(run, first_best=math.inf)], "auto": [replace(run, first_top=math.inf)]}
    measured = [bar.measured for bar in model_bars(found, horizon=5.0)]
    assert measured[:4] == pytest.approx([(1 / 2 * 2 / 10) ** (1 / 3), 1, (1 / 4) ** (1 / 3), 1])
    assert measured[4:] == [3, math.inf]
    kc1 = next(case for case in MODEL_CASES if case.task == "167181:kc1")
    found = {kc1: {DRAWS: [run, run], "auto": [run, replace(run, first_best=math.inf)]}}
    assert [bar.measured for bar in model_bars(found, horizon=5.0)][4:] == [pytest.approx(4), 0.5]
    found = {DECEPTIVE_CASES[0]: {DRAWS: [run], "auto": [replace(run, first_best=2 * run.first_best)]}}
    (worst,) = model_bars(found, horizon=5.0)
    assert (worst.most, worst.measured) == pytest.approx((1.7, 2))


@pytest.mark.parametrize("name", ["random", "async_halving", "adaptive_asha", "stopping", "auto"])
def test_a_budget_is_passed_by_less_than_one_assignment(name: str) -> None:
    """Eight workers, some of whose jobs are lost. What is trained again counts again."""
    more: dict[str, object] = {"num_rungs": 3} if name in ("async_halving", "stopping") else {}
    more |= {"stop_once": True} if name == "stopping" else {}
    more |= {"name": "async_halving" if name == "stopping" else name, "metric": "loss", "max_trials": "unlimited"}
    more |= {"max_length": {"epochs": 27}, "budget": {"epochs": 400}, "max_concurrent_trials": 0}
    planned = plan_search({"searcher": more, "lease_seconds": 5, "pause_after_failures": 0})
    curves = SyntheticCurves("power", 1, 27, 100, seconds_per_unit=1.0)
    fleet = Fleet(8, drop_probability=0.02, drop_form=DropForm.TOLD)

    async def run() -> Run:
        async with stage() as store:
            return await simulate(store, planned.config, planned.plan, curves, fleet, keep_steps=False)

    found = run_on_stage(run())
    assert found.done
    trained = sum(job.end - job.start for job in found.jobs if job.told)
    assert 400 <= trained < 400 + planned.plan.max_length
