"""The recorded runs of the reference tables, on the reference model and on the store."""

from collections import Counter
from collections.abc import Callable

import pytest
from _pytest.mark import ParameterSet

from rungway_server.domain.decisions import Decision, Lease, Report, Result, Verdict
from rungway_server.domain.plan import Plan
from rungway_server.domain.ranking import metric_of, sort_key
from tests.model.pair import Engine
from tests.model.plans import STOP, async_plan
from tests.model.play import (
    Player,
    absolute,
    plan_of,
    plan_trials,
    play_fifo,
    play_picked,
    play_sequential,
    recorded_runs,
)
from tests.model.reference import ReferenceModel
from tests.reference.tables import Case, cases

PROMOTION, STOPPING, ADAPTIVE = "asha_promotion_cases.json", "asha_stopping_cases.json", "adaptive_asha_cases.json"
MakeEngine = Callable[[Plan, bool], Engine]


@pytest.fixture(params=["model", "store"])
def make_engine(request: pytest.FixtureRequest) -> MakeEngine:
    """Makes an engine of a plan and the direction of the metric."""
    if request.param == "store":
        workbench = request.getfixturevalue("workbench")
        return lambda plan, smaller: workbench.engine(plan, smaller_is_better=smaller)
    return lambda plan, smaller: ReferenceModel(
        plan, lease_ms=1000, max_restarts=0, smaller_is_better=smaller, first_fence=1, hparams=str
    )


def of_harness(harness: str, *files: str) -> list[ParameterSet]:
    return [case for file in files for case in cases(file, harness=harness)]


def player_of(case: Case, make_engine: MakeEngine) -> Player:
    return Player(make_engine(plan_of(case), case["config"]["smaller_is_better"]), case)


@pytest.mark.parametrize("case", of_harness("fifo", PROMOTION, STOPPING, ADAPTIVE))
def test_fifo(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    play_fifo(player)
    expected = {script["trial"]: absolute(case, script["expect_lengths"]) for script in case["trials"]}
    assert player.lengths() == expected
    assert player.runs == recorded_runs(case)
    assert player.is_done()


@pytest.mark.parametrize("case", of_harness("picked", PROMOTION, STOPPING))
def test_picked(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    play_picked(player)
    lengths = Counter(tuple(lengths) for lengths in player.lengths().values())
    assert lengths == Counter(tuple(absolute(case, lengths)) for lengths in case["expect_multiset"])
    assert player.runs == recorded_runs(case)
    assert player.is_done()


@pytest.mark.parametrize("case", of_harness("sequential", STOPPING, ADAPTIVE))
def test_sequential(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    stopped = play_sequential(player)
    assert stopped == {trial["trial"]: trial["expect_stopped_at"] for trial in case["trials"]}
    assert list(stopped) == list(plan_trials(case))
    assert player.is_done()


# The smallest building blocks of the stopping rule.


def tell_one(engine: Engine, lease: Lease, length: int, metric: float) -> Verdict:
    [verdict] = engine.tell("", [Result(lease, [Report(length, metric)])], now_ms=0).verdicts
    return verdict


@pytest.mark.parametrize("case", cases("asha_stopping_units.json", kind="insert"))
def test_insert_position(case: Case, make_engine: MakeEngine) -> None:
    metrics = [*case["existing"], case["metric"]]
    engine = make_engine(async_plan(1, 2, trials=len(metrics), form=STOP), True)
    leases = [given.lease for given in engine.ask("", len(metrics), "worker", now_ms=0).assignments]
    verdicts = [tell_one(engine, lease, 1, metric) for lease, metric in zip(leases, metrics, strict=True)]
    assert verdicts[-1].explanation.rank == case["expect_index"]
    assert verdicts[-1].explanation.rung_size == len(case["expect_after"])
    assert [trial.best_metric for trial in engine.best(len(metrics))] == case["expect_after"]


@pytest.mark.parametrize("case", cases("asha_stopping_units.json", kind="decision"))
def test_one_decision(case: Case, make_engine: MakeEngine) -> None:
    trials = sorted(map(int, case["level_before"])) or [1]
    plan = async_plan(*case["rungs"], trials=len(trials), divisor=case["divisor"], form=STOP)
    engine = make_engine(plan, True)
    given = engine.ask("", len(trials), "worker", now_ms=0).assignments
    leases = dict(zip(trials, [assignment.lease for assignment in given], strict=True))
    for length, board in zip(case["rungs"], case["boards_before"], strict=True):
        for trial, metric in board:
            tell_one(engine, leases[trial], length, metric)
    report = case["report"]
    verdict = tell_one(engine, leases[report["trial"]], report["time"], report["metric"])
    assert (verdict.decision is Decision.STOP) == case["expect_stop"]
    assert [list(sizes) for sizes in engine.tally().rung_results] == [[len(board) for board in case["expect_boards"]]]
    levels = {str(trial): engine.trials([lease.trial])[0].rung for trial, lease in leases.items()}
    assert levels == case["expect_level"]
    [first_board, *_] = case["expect_boards"]
    assert verdict.explanation.rank == first_board.index([report["trial"], report["metric"]])


@pytest.mark.parametrize("case", cases("asha_stopping_units.json", kind="metric"))
def test_score(case: Case) -> None:
    """What ranks is the metric, negated when larger is better; looking it up by name is the worker's own affair."""
    key = sort_key(case["reported"][case["metric"]], case["smaller_is_better"])
    assert metric_of(key, smaller_is_better=True) == case["expect_score"]
    assert key == sort_key(case["expect_score"], True)
