"""The recorded searches of the reference tables, on the reference model and on the store."""

from collections import Counter, deque
from collections.abc import Mapping

import pytest
from _pytest.mark import ParameterSet

from rungway_server.domain.engine import Decision
from rungway_server.domain.ranking import metric_of, sort_key
from tests.model.pair import tell
from tests.model.plans import STOP, async_plan
from tests.model.play import (
    MakeEngine,
    Player,
    Run,
    absolute,
    play_fifo,
    play_picked,
    play_sequential,
    player_of,
    recorded_runs,
)
from tests.reference.tables import Case, cases, load
from tests.support.searches import config_of

POPULATIONS = "pbt_cases.json"
WHOLE_SEARCHES = (
    "asha_promotion_cases.json",
    "asha_stopping_cases.json",
    "adaptive_asha_cases.json",
    "sha_cases.json",
    "adaptive_sync_cases.json",
    "random_grid_cases.json",
    "tournament_cases.json",
)


def of_harness(harness: str) -> list[ParameterSet]:
    """The whole searches driven in one way."""
    driven = [name for name in WHOLE_SEARCHES if any(case.get("harness") == harness for case in load(name))]
    return [case for name in driven for case in cases(name, harness=harness)]


@pytest.mark.parametrize("case", of_harness("fifo"))
def test_fifo(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    play_fifo(player)
    expected = {script["trial"]: absolute(case, script["expect_lengths"]) for script in case["trials"]}
    assert player.lengths() == expected
    assert player.runs == recorded_runs(case)
    assert player.is_done()


@pytest.mark.parametrize("case", of_harness("picked"))
def test_picked(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    play_picked(player)
    lengths = Counter(tuple(lengths) for lengths in player.lengths().values())
    assert lengths == Counter(tuple(absolute(case, lengths)) for lengths in case["expect_multiset"])
    assert player.runs == recorded_runs(case)
    assert player.is_done()


def rounds(runs: list[Run], size: int) -> list[list[Run]]:
    """Who trained in each round; in which order they ended is not compared."""
    return [sorted(runs[start : start + size]) for start in range(0, len(runs), size)]


def own_training(player: Player, length: int) -> list[Run]:
    """The runs with the lengths that trials trained by themselves, as the tables count: a clone begins at nothing."""
    inherited = {trial: lengths[0] - length for trial, lengths in player.lengths().items()}
    return [(trial, total - inherited[trial]) for trial, total in player.runs]


@pytest.mark.parametrize("case", [*cases(POPULATIONS, harness="fifo"), *cases(POPULATIONS, harness="picked")])
def test_populations(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    play = play_fifo if case["harness"] == "fifo" else play_picked
    play(player)
    size, [length] = case["config"]["population_size"], case["config"]["length_per_round"].values()
    assert rounds(own_training(player, length), size) == rounds(recorded_runs(case), size)
    assert {total for _, total in player.runs} == {rung.length for rung in player.search.plan.brackets[0].rungs}
    assert player.is_done()


@pytest.mark.parametrize("case", of_harness("sequential"))
def test_sequential(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(case, make_engine)
    stopped = play_sequential(player)
    assert stopped == {trial["trial"]: trial["expect_stopped_at"] for trial in case["trials"]}
    assert list(stopped) == list(range(player.search.plan.max_trials))
    points = [given.hparams for given in player.given]
    assert points == case.get("expect_params_in_creation_order", points)
    assert player.is_done()


@pytest.mark.parametrize("case", cases("reproducibility_cases.json"))
def test_the_same_seed_and_order_of_events_give_the_same_search(case: Case, make_engine: MakeEngine) -> None:
    searches = [play_in_turn(player_of(case, make_engine)) for _ in range(2)]
    assert searches[0] == searches[1]
    other = play_in_turn(player_of({**case, "seed": case["seed"] + 1}, make_engine))
    assert [(trial, length) for trial, length, _ in other] == [(trial, length) for trial, length, _ in searches[0]]
    assert other != searches[0]


def play_in_turn(player: Player) -> list[tuple[int, int, Mapping[str, object]]]:
    """Some workers in turn tell the constant metric 1. Returns trial, length and configuration of all work given."""
    queue = deque(work for _ in range(7) if (work := player.ask()))
    while queue:
        queue.extend(player.work_after(player.tell(queue.popleft(), 1.0)))
    assert player.is_done()
    return [(given.lease.trial, given.to_length, given.hparams) for given in player.given]


# The smallest building blocks of the stopping rule.


@pytest.mark.parametrize("case", cases("asha_stopping_units.json", kind="insert"))
def test_insert_position(case: Case, make_engine: MakeEngine) -> None:
    metrics = [*case["existing"], case["metric"]]
    plan = async_plan(1, 2, trials=len(metrics), form=STOP)
    engine = make_engine(config_of(plan), plan)
    leases = [given.lease for given in engine.ask("", len(metrics), "worker", now_ms=0).assignments]
    replies = [tell(engine, lease, 1, metric) for lease, metric in zip(leases, metrics, strict=True)]
    assert replies[-1].explanation.rank == case["expect_index"]
    assert replies[-1].explanation.rung_size == len(case["expect_after"])
    assert [trial.best_metric for trial in engine.best(len(metrics))] == case["expect_after"]


@pytest.mark.parametrize("case", cases("asha_stopping_units.json", kind="decision"))
def test_one_decision(case: Case, make_engine: MakeEngine) -> None:
    trials = sorted(map(int, case["level_before"])) or [1]
    plan = async_plan(*case["rungs"], trials=len(trials), divisor=case["divisor"], form=STOP)
    engine = make_engine(config_of(plan), plan)
    given = engine.ask("", len(trials), "worker", now_ms=0).assignments
    leases = dict(zip(trials, [assignment.lease for assignment in given], strict=True))
    for length, board in zip(case["rungs"], case["boards_before"], strict=True):
        for trial, metric in board:
            tell(engine, leases[trial], length, metric)
    report = case["report"]
    reply = tell(engine, leases[report["trial"]], report["time"], report["metric"])
    assert (reply.decision is Decision.STOP) == case["expect_stop"]
    assert [list(sizes) for sizes in engine.progress().rung_results] == [
        [len(board) for board in case["expect_boards"]]
    ]
    levels = {str(trial): engine.trials([lease.trial])[0].rung for trial, lease in leases.items()}
    assert levels == case["expect_level"]
    [first_board, *_] = case["expect_boards"]
    assert reply.explanation.rank == first_board.index([report["trial"], report["metric"]])


@pytest.mark.parametrize("case", cases("asha_stopping_units.json", expect_score=...))
def test_score(case: Case) -> None:
    """What ranks is the metric, negated when larger is better; looking it up by name is the worker's own affair."""
    key = sort_key(case["reported"][case["metric"]], case["smaller_is_better"])
    assert metric_of(key, smaller_is_better=True) == case["expect_score"]
    assert key == sort_key(case["expect_score"], True)
