"""Further metrics in the clients: sent with their reports, refused by name, and the searcher's metric by its name."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

import rungway
from rungway import AsyncClient, Client, ClientConfig, InvalidArgument, Report, Result
from rungway._core.outbox import MOST_REPORTS, Outbox
from rungway._core.requests import tell as tell_request
from rungway.models.work import Assignment
from rungway.v1 import experiment_pb2, experiment_service_pb2, trial_pb2
from rungway.values import to_map
from tests.support.waiting import wait_until
from tests.unit.client.scripted import DONE, Abort, Ladder, ScriptedServer, assigned, assignment, lost


def told(server: ScriptedServer) -> list[tuple[int, float, dict[str, float], float | None]]:
    """The reports of all tells."""
    return [
        (each.length, each.metric, dict(each.metrics), each.cost if each.HasField("cost") else None)
        for request in server.requests("Tell")
        for result in request.results
        for each in result.reports
    ]


def experiment(metric: object) -> experiment_service_pb2.GetExperimentResponse:
    config = to_map({"searcher": {"name": "random", "metric": metric}})
    return experiment_service_pb2.GetExperimentResponse(experiment=experiment_pb2.Experiment(config=config))


def test_reports_that_are_held_back_carry_them(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    for trial in client.trials():
        with trial:
            trial.report(1, 0.5, metrics={"acc": np.float32(0.25), "n": 3}, cost=1)
            trial.report(2, 0.4)
            trial.report(3, 0.3, metrics={"nan": float("inf")})
            trial.release()
    assert told(server) == [(1, 0.5, {"acc": 0.25, "n": 3.0}, 1.0), (2, 0.4, {}, None), (3, 0.3, {"nan": np.inf}, None)]
    assert len(server.requests("Tell")) == 1


def test_a_repeat_after_a_lost_reply_is_the_same_request(
    server: ScriptedServer, client: Client, ladder: Ladder
) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    server.on("Tell", lost(ladder.tell), ladder.tell)
    for trial in client.trials():
        with trial:
            trial.report(1, 0.5, metrics={"acc": 0.25})
            trial.report(3, 0.5, metrics={"acc": 0.5}, cost=2.5)
            trial.release()
    first, second = server.requests("Tell")[:2]
    assert first == second
    assert [dict(each.metrics) for each in second.results[0].reports] == [{"acc": 0.25}, {"acc": 0.5}]
    assert len(ladder.told) == 2


def test_those_told_in_the_background_too(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    server.on("Ask", assigned(assignment(0)), DONE)
    with connect(report_interval=0.01).trial() as trial:
        trial.report(1, 0.5, metrics={"acc": 0.25})
        wait_until(lambda: server.requests("Tell"))
        trial.release()
    assert told(server) == [(1, 0.5, {"acc": 0.25}, None)]


def test_tell_has_them_as_well(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    given = client.ask()
    assert given
    client.tell(given, 0.5, length=1, metrics={"acc": 0.25}, cost=0)
    client.tell_many([Result(given, [Report(2, 0.5, {"acc": 0.5}, 1.5)])])
    assert told(server) == [(1, 0.5, {"acc": 0.25}, 0.0), (2, 0.5, {"acc": 0.5}, 1.5)]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"metrics": {"acc": "0.5"}}, "metrics['acc']"),
    ({"metrics": {"acc": None}}, "metrics['acc']"),
    ({"metrics": {"acc": True}}, "metrics['acc']"),
    ({"metrics": {"acc": np.bool_(True)}}, "metrics['acc']"),
    ({"metrics": {"acc": [0.5]}}, "metrics['acc']"),
    ({"metrics": {"acc": 1j}}, "metrics['acc']"),
    ({"metrics": {1: 0.5}}, "metrics"),
    ({"metrics": {"": 0.5}}, "metrics"),
    ({"metrics": {"ä" * 65: 0.5}}, "metrics"),
    ({"metrics": {f"m{k}": 0.5 for k in range(33)}}, "metrics"),
    ({"metrics": [("acc", 0.5)]}, "metrics"),
    ({"cost": -1}, "cost"),
    ({"cost": float("nan")}, "cost"),
    ({"cost": float("inf")}, "cost"),
    ({"cost": "1"}, "cost"),
    ({"cost": True}, "cost"),
]


@pytest.mark.parametrize(("given", "field"), WRONG)
def test_anything_else_is_refused_by_name(
    server: ScriptedServer, client: Client, given: dict[str, Any], field: str
) -> None:
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        with pytest.raises(InvalidArgument) as refused:
            trial.report(1, 0.5, **given)
        trial.release()
    assert [name for name, _ in refused.value.violations] == [field]
    assert server.requests("Tell") == []


async def test_of_a_mapping_the_searchers_metric_is_taken(server: ScriptedServer, config: ClientConfig) -> None:
    """The service is asked for its name once, by either client."""
    server.on("GetExperiment", experiment("loss"))
    for number in (0, 1):
        server.on("Ask", assigned(assignment(number)), assigned(assignment(number, fencing_token=2)), DONE)
        if number:
            async with AsyncClient(config=config) as client:
                async with client.trial() as trial:
                    await trial.report(1, {"acc": 0.25, "loss": 0.5})
                    await trial.report(3, {"acc": 0.5, "loss": 0.25}, metrics={"lr": 0.1}, cost=1)
                    await trial.release()
                given = await client.ask()
                assert given
                await client.tell(given, {"loss": 0.125})
        else:
            with Client(config=config) as sync:
                with sync.trial() as run:
                    run.report(1, {"acc": 0.25, "loss": 0.5})
                    run.report(3, {"acc": 0.5, "loss": 0.25}, metrics={"lr": 0.1}, cost=1)
                    run.release()
                given = sync.ask()
                assert given
                sync.tell(given, {"loss": 0.125})
        assert told(server)[-3:] == [
            (1, 0.5, {"acc": 0.25}, None),
            (3, 0.25, {"acc": 0.5, "lr": 0.1}, 1.0),
            (3, 0.125, {}, None),
        ]
    assert len(server.requests("GetExperiment")) == 2


@pytest.mark.parametrize(
    ("metric", "metrics", "field", "words"),
    [
        ({"acc": 0.5, "lr": 0.1}, None, "metric", "got 'acc', 'lr', wanted the searcher's metric 'loss' too"),
        ({}, None, "metric", "got no names"),
        ({"loss": 0.5, "lr": 0.1}, {"lr": 0.2}, "metrics", "got 'lr', which `metric` has as well"),
        ({"loss": "0.5"}, None, "metric", "wanted a real number"),
        ({"loss": 0.5, "lr": None}, None, "metrics['lr']", "wanted a real number"),
        ({"loss": 0.5}, 3, "metrics", "wanted a mapping"),
    ],
)
def test_a_wrong_mapping_is_refused_by_name(
    server: ScriptedServer, client: Client, metric: Any, metrics: Any, field: str, words: str
) -> None:
    server.on("GetExperiment", experiment("loss"))
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        with pytest.raises(InvalidArgument) as refused:
            trial.report(1, metric, metrics=metrics)
        trial.release()
    [(name, found)] = refused.value.violations
    assert (name, words in found) == (field, True), found


def test_a_mapping_may_change_after_its_report(server: ScriptedServer, client: Client) -> None:
    server.on("Ask", assigned(assignment(0)))
    metrics: dict[str, object] = {"acc": 0.25}
    with client.trial() as trial:
        trial.report(1, 0.5, metrics=metrics)  # held back
        metrics["acc"] = "no number"
        trial.report(3, 0.5, metrics={"acc": 0.5})
    assert told(server) == [(1, 0.5, {"acc": 0.25}, None), (3, 0.5, {"acc": 0.5}, None)]


@pytest.mark.parametrize("unnamed", [experiment(7), experiment_service_pb2.GetExperimentResponse()])
def test_a_service_that_does_not_say_the_name(server: ScriptedServer, client: Client, unnamed: Any) -> None:
    server.on("GetExperiment", unnamed)
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        with pytest.raises(rungway.FailedPrecondition, match="give `metric` as a number") as refused:
            trial.report(1, {"loss": 0.5})
        trial.release()
    assert refused.value.reason == "METRIC_UNKNOWN"


def test_a_caller_who_may_not_ask_for_the_name_hears_why(server: ScriptedServer, client: Client) -> None:
    server.on("GetExperiment", Abort(grpc.StatusCode.PERMISSION_DENIED, reason="PERMISSION_DENIED"))
    server.on("Ask", assigned(assignment(0)))
    with client.trial() as trial:
        with pytest.raises(rungway.PermissionDenied):
            trial.report(1, {"loss": 0.5})
        trial.release()


@pytest.mark.parametrize("names", [[], ["a"], [f"m{k}" for k in range(30)], [f"{k:0128d}" for k in range(32)]])
def test_a_parcel_stays_within_the_limits_of_a_call(names: list[str]) -> None:
    given = Assignment.from_proto(trial_pb2.Assignment())
    outbox = Outbox(given)
    for length in range(1, 3 * MOST_REPORTS):
        outbox.add(Report(length, 0.5, dict.fromkeys(names, 0.5)), "")
    count = 0
    while parcel := outbox.head():
        assert tell_request("e", "", [parcel.result]).ByteSize() < 1 << 20
        assert sum(len(each.metrics) + bool(each.metrics) for each in parcel.result.reports) <= 4_096
        assert 1 <= len(parcel.result.reports) <= MOST_REPORTS
        count += len(parcel.result.reports)
        outbox.answered()
    assert count == 3 * MOST_REPORTS - 1


def test_a_report_is_hashable_and_equal_by_all_it_has() -> None:
    one, other = Report(1, 0.5, {"a": 1.0}), Report(1, 0.5, {"a": 2.0})
    assert len({one, other, Report(1, 0.5, {"a": 1.0})}) == 2
