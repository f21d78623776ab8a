"""Where the recorded original behaved oddly, Rungway does what the table advises instead; each case by its id."""

import pytest

from rungway_server.domain.engine import AskStatus, Decision, Lease, Outcome
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.experiment import parse
from rungway_server.domain.search.fraction_done import fraction_done
from rungway_server.domain.search.planning import make_plan
from tests.model.pair import Engine, tell
from tests.model.play import MakeEngine, document_of, search_of
from tests.reference.tables import Case, cases

TABLE = "rough_edges.json"


def one(name: str) -> pytest.MarkDecorator:
    """Give a test one case of the table."""
    return pytest.mark.parametrize("case", cases(TABLE, id=name))


def engine_of(case: Case, make_engine: MakeEngine) -> Engine:
    search = search_of(case)
    return make_engine(search.config, search.plan)


def ask(engine: Engine, count: int) -> list[Lease]:
    given = [engine.ask("", 1, "worker", now_ms=0) for _ in range(count)]
    return [assignment.lease for answer in given for assignment in answer.assignments]


def refusal(case: Case) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(document_of(case, case["config"]))
    return {violation.field: violation.description for violation in caught.value.violations}


@one("2024-10-repeated-rung-length")
def test_rungs_of_equal_length_are_trained_for_once(case: Case, make_engine: MakeEngine) -> None:
    """The recorded original refuses the result of the second rung. Here the first result counts in both."""
    engine = engine_of(case, make_engine)
    leases = ask(engine, 4)
    told = [event for event in case["events"] if event["event"] == "validated"]
    for event in told[:4]:
        tell(engine, leases[event["trial"]], event["length"], event["metric"])
    assert engine.ask("", 1, "worker", now_ms=0).status is AskStatus.DONE
    assert [list(results) for results in engine.progress().rung_results] == [[4, 1, 0]]
    assert tell(engine, leases[0], told[4]["length"], told[4]["metric"]).decision is Decision.SUPERSEDED


@one("2021-04-zero-starting-trials")
def test_a_budget_that_pays_for_no_trial_is_refused(case: Case) -> None:
    assert "searcher.budget" in refusal(case)


@one("2021-04-bracket-without-trials")
def test_a_budget_that_leaves_a_bracket_empty_is_refused(case: Case) -> None:
    assert refusal(case) == {
        "searcher.budget": "got 12, wanted at least 18, what one trial in each of 2 brackets takes"
    }


@one("2025-03-late-report-after-stop")
@pytest.mark.parametrize(("length", "metric"), [(1, 0.2), (3, 0.05)])
def test_reports_of_a_stopped_trial_are_ignored(
    case: Case, make_engine: MakeEngine, length: int, metric: float
) -> None:
    engine, stopped = stop_the_second(case, make_engine)
    assert tell(engine, stopped, length, metric).decision is Decision.SUPERSEDED
    assert [list(results) for results in engine.progress().rung_results] == [[2, 0, 0]]


@one("2025-03-error-after-stop")
def test_an_error_of_a_stopped_trial_is_ignored(case: Case, make_engine: MakeEngine) -> None:
    engine, stopped = stop_the_second(case, make_engine)
    reply, _ = engine.fail("", stopped, Outcome.ERROR, "late", now_ms=0)
    assert reply.decision is Decision.SUPERSEDED
    assert [list(results) for results in engine.progress().rung_results] == [[2, 0, 0]]


def stop_the_second(case: Case, make_engine: MakeEngine) -> tuple[Engine, Lease]:
    """Two of three trials tell as recorded; the second is stopped."""
    engine = engine_of(case, make_engine)
    leases = ask(engine, 3)
    first, second = [event for event in case["trace"] if event["event"] == "reported"][:2]
    assert tell(engine, leases[0], int(first["time"]), first["metric"]).decision is Decision.CONTINUE
    assert tell(engine, leases[1], int(second["time"]), second["metric"]).decision is Decision.STOP
    return engine, leases[1]


@one("2025-03-report-after-top-rung")
def test_reports_after_the_top_are_ignored(case: Case, make_engine: MakeEngine) -> None:
    engine = engine_of(case, make_engine)
    lease, *_ = ask(engine, 3)
    assert tell(engine, lease, 9, 0.1).decision is Decision.STOP
    assert tell(engine, lease, 10, 0.1).decision is Decision.SUPERSEDED
    assert [list(results) for results in engine.progress().rung_results] == [[1]]


@one("2025-03-random-progress-can-drop")
def test_a_new_trial_does_not_lower_the_progress(case: Case, make_engine: MakeEngine) -> None:
    search = search_of(case)
    engine = make_engine(search.config, search.plan)
    first, _ = ask(engine, 2)
    tell(engine, first, search.plan.max_length, 0.1)
    before = fraction_done(search.plan, engine.progress())
    assert len(ask(engine, 1)) == 1
    assert fraction_done(search.plan, engine.progress()) == before == 0.25


@one("2025-03-no-grid-points")
def test_a_grid_without_parameters_runs_one_trial(case: Case, make_engine: MakeEngine) -> None:
    engine = engine_of(case, make_engine)
    [lease] = ask(engine, 3)
    tell(engine, lease, 1, 0.1)
    assert engine.ask("", 1, "worker", now_ms=0).status is AskStatus.DONE


@one("2025-03-more-brackets-than-trials")
def test_more_brackets_than_trials_are_refused(case: Case) -> None:
    assert "but max_trials is 1" in refusal(case)["searcher.bracket_rungs"]


@one("2025-03-more-brackets-than-concurrency")
def test_concurrency_is_raised_to_the_brackets_and_said(case: Case, make_engine: MakeEngine) -> None:
    assert len(ask(engine_of(case, make_engine), 5)) == sum(event["event"] == "created" for event in case["trace"]) == 3
    _, notes = make_plan(search_of(case).config.searcher)
    assert notes == ("searcher: max_concurrent_trials raised from 1 to 3, one for each bracket",)
