"""How much of a search is done: the values of the reference tables, and that it only rises, to 1 at the end and not
before."""

from itertools import pairwise

import pytest

from rungway_server.domain.engine import Lease, Outcome, Report, Result
from rungway_server.domain.search.fraction_done import fraction_done
from tests.model.play import MakeEngine, Player, play_picked, player_of, search_of
from tests.reference.tables import Case, cases, find

OUTCOMES = {"INVALID_HP": Outcome.INVALID, "ERRORED": Outcome.ERROR}


@pytest.mark.parametrize("case", cases("progress_cases.json", expect_progress=...))
def test_progress_after_some_events(case: Case, make_engine: MakeEngine) -> None:
    """Each `created` is an ask. What closes before it told anything has trained to its end."""
    search = search_of(case)
    engine = make_engine(search.config, search.plan)
    leases: list[Lease] = []
    told: set[int] = set()

    def tell(trial: int, length: int, metric: float) -> None:
        told.add(trial)
        engine.tell("", [Result(leases[trial], [Report(length, metric)])], now_ms=0)

    for event in case["events"]:
        match event:
            case {"event": "created"}:
                [assignment] = engine.ask("", 1, "worker", now_ms=0).assignments
                leases.append(assignment.lease)
            case {"event": "reported", "trial": trial, "time": time, "metric": metric}:
                tell(trial, int(time), metric)
            case {"event": "validated", "trial": trial, "length": length, "metric": metric}:
                tell(trial, length, metric)
            case {"event": "early_exit", "trial": trial, "reason": reason}:
                told.add(trial)
                engine.fail("", leases[trial], OUTCOMES[reason], "scripted", now_ms=0)
            case {"event": "closed", "trial": trial} if trial not in told:
                tell(trial, search.plan.max_length, 1.0)
    assert fraction_done(search.plan, engine.progress()) == pytest.approx(case["expect_progress"])


def assert_rises_to_one(player: Player) -> None:
    assert player.progress[0] == 0
    assert player.progress[-1] == 1
    assert all(before <= after for before, after in pairwise(player.progress)), player.progress


@pytest.mark.parametrize("case", cases("progress_cases.json", expect_monotone=True, expect_final=1.0))
def test_progress_of_a_whole_search_rises_to_one(case: Case, make_engine: MakeEngine) -> None:
    player = player_of(find(case["ref"]), make_engine)
    play_picked(player)
    assert player.is_done()
    assert_rises_to_one(player)
