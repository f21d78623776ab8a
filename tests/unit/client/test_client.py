"""The public names of both clients, and calls about experiments."""

import dataclasses
import inspect
import re
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

import rungway
from rungway import AsyncClient, BestBy, Client, ClientConfig, models
from rungway._core import rpcs
from rungway.v1 import experiment_pb2, experiment_service_pb2, trial_pb2, value_pb2
from rungway.values import to_map
from tests.support.waiting import wait_until
from tests.unit.client.scripted import SERVICES, Abort, ScriptedServer, lost

METHOD_OF = {"PreviewSearch": "preview", "BestTrials": "best", "ListStaleCheckpoints": "stale_checkpoints"}
RPCS = [(service.name, method) for service in SERVICES for method in service.methods]


def method_of(rpc: str) -> str:
    return METHOD_OF.get(rpc, re.sub(r"(?<!^)(?=[A-Z])", "_", rpc).lower())


@pytest.mark.parametrize(("service", "method"), RPCS, ids=lambda each: getattr(each, "name", each))
def test_every_rpc_of_the_protocol_is_called(service: str, method: Any) -> None:
    known = {rpc.name: rpc for rpc in vars(rpcs).values() if isinstance(rpc, rpcs.Rpc)}
    assert known[method.name].service == service
    assert method.output_type == known[method.name].reply.DESCRIPTOR
    for client in (Client, AsyncClient):
        assert callable(getattr(client, method_of(method.name)))


def test_both_clients_have_the_same_methods() -> None:
    def face(client: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in methods if name[0] != "_"}

    assert face(Client) == face(AsyncClient)


def test_runs_of_both_clients_have_the_same_names() -> None:
    def face(run: type) -> set[str]:
        return {name for name in dir(run) if name[0] != "_"}

    assert face(rungway.TrialRun) == face(rungway.AsyncTrialRun)


def test_the_public_names() -> None:
    assert [name for name in rungway.__all__ if not hasattr(rungway, name)] == []
    names = set(rungway.__all__)
    assert names >= {kind.__name__ for kind in rungway.RungwayError.__subclasses__()}
    assert names >= set(models.__all__)
    assert all(getattr(models, name) is getattr(rungway, name) for name in models.__all__)
    assert names >= {"TellReply", "Lease", "Assignment", "Result", "Outcome"}
    assert not names & {"Verdict", "Tally", "Departure"}
    fields = {each: {field.name for field in dataclasses.fields(each)} for each in (rungway.Lease, rungway.Assignment)}
    assert fields[rungway.Lease] == {"trial", "fencing_token"}
    assert fields[rungway.Assignment] >= {"from_length", "next_decision", "to_length"}
    assert "last_length" not in fields[rungway.Assignment]
    assert {"last_reply", "next_decision", "to_length"} <= set(dir(rungway.TrialRun))
    assert "verdict" not in dir(rungway.TrialRun)


def experiment(name: str = "digits", uid: str = "") -> experiment_pb2.Experiment:
    rung = experiment_pb2.Rung(length=3, results=4, passed=1)
    plan = experiment_pb2.Plan(
        brackets=[experiment_pb2.Bracket(rungs=[rung], max_trials=16, started=5, running=1)],
        rule=experiment_pb2.PROMOTION_RULE_ASYNC,
        form=experiment_pb2.DECISION_FORM_PROMOTE,
        divisor=4.0,
        unit="epochs",
    )
    return experiment_pb2.Experiment(
        experiment=name,
        uid=uid,
        config=to_map({"seed": 2**60, "hyperparameters": {"lr": 0.5}}),
        plan=plan,
        state=experiment_pb2.EXPERIMENT_STATE_PAUSED,
        trials=experiment_pb2.TrialCounts(started=5, invalid=1),
        progress=0.25,
        notes=["raised to 2"],
    )


def test_an_experiment_is_created_and_read(server: ScriptedServer, client: Client) -> None:
    server.on("CreateExperiment", experiment_service_pb2.CreateExperimentResponse(experiment=experiment()))
    created = client.create_experiment("digits", {"seed": 2**60, "hyperparameters": {"lr": 0.5}})
    assert created.config == {"seed": 2**60, "hyperparameters": {"lr": 0.5}}
    assert (created.experiment, created.state, created.notes) == ("digits", "paused", ("raised to 2",))
    assert created.plan is not None
    assert (created.plan.rule, created.plan.form, created.plan.brackets[0].rungs[0].results) == ("async", "promote", 4)
    assert (created.trials.started, created.trials.invalid) == (5, 1)
    (request,) = server.requests("CreateExperiment")
    assert request.request_id
    assert request.config == to_map({"seed": 2**60, "hyperparameters": {"lr": 0.5}})


def test_an_experiment_begins_with_the_best_of_another(server: ScriptedServer, client: Client) -> None:
    server.on("CreateExperiment", experiment_service_pb2.CreateExperimentResponse(experiment=experiment()))
    client.create_experiment("digits", {})
    client.create_experiment("digits", {}, warm_start_from="old")
    client.create_experiment("digits", {}, warm_start_from="old", warm_start_count=5)
    sent = [(each.warm_start_from, each.warm_start_count) for each in server.requests("CreateExperiment")]
    assert sent == [("", 0), ("old", 1), ("old", 5)]
    with pytest.raises(rungway.InvalidArgument, match="warm_start_count"):
        client.create_experiment("digits", {}, warm_start_from="old", warm_start_count=0)


def test_an_update_sends_what_is_given(server: ScriptedServer, client: Client) -> None:
    server.on("UpdateExperiment", experiment_service_pb2.UpdateExperimentResponse(experiment=experiment()))
    assert client.update_experiment(max_trials=20).experiment == "digits"
    client.update_experiment(max_concurrent_trials=0, experiment="other")
    first, second = server.requests("UpdateExperiment")
    assert (first.experiment, first.max_trials, first.HasField("max_concurrent_trials")) == ("digits", 20, False)
    assert (second.experiment, second.HasField("max_trials")) == ("other", False)
    assert (second.HasField("max_concurrent_trials"), second.max_concurrent_trials) == (True, 0)
    with pytest.raises(rungway.InvalidArgument, match="max_trials"):
        client.update_experiment(max_trials=0)


def test_labels_owner_and_comment_are_sent_as_they_are_given(server: ScriptedServer, client: Client) -> None:
    about = experiment_pb2.Experiment(experiment="digits", labels={"team": "vision"}, owner="zoë", comment="a try")
    server.on("CreateExperiment", experiment_service_pb2.CreateExperimentResponse(experiment=about))
    server.on("UpdateExperiment", experiment_service_pb2.UpdateExperimentResponse(experiment=about))
    server.on("ListExperiments", experiment_service_pb2.ListExperimentsResponse(experiments=[about]))
    made = client.create_experiment("digits", {}, labels={"team": "vision"}, owner="zoë", comment="a try")
    assert (made.labels, made.owner, made.comment) == ({"team": "vision"}, "zoë", "a try")
    client.update_experiment(labels={"team": "audio", "old": None}, comment="")
    client.list_experiments(labels={"team": "vision", "kind": None}, owner="zoë")
    (create,), (update,) = server.requests("CreateExperiment"), server.requests("UpdateExperiment")
    assert (dict(create.labels), create.owner, create.comment) == ({"team": "vision"}, "zoë", "a try")
    assert (dict(update.labels), [*update.remove_labels]) == ({"team": "audio"}, ["old"])
    assert (update.HasField("owner"), update.HasField("comment"), update.comment) == (False, True, "")
    (listed,) = server.requests("ListExperiments")
    assert ([*listed.labels], listed.owner) == (["team=vision", "kind"], "zoë")
    for wrong in (
        {"labels": {"a": 1}},
        {"labels": ["a"]},
        {"labels": {"a": None}},
        {"owner": 3},
        {"comment": "\ud800"},
    ):
        with pytest.raises(rungway.InvalidArgument, match=next(iter(wrong))):
            client.create_experiment("digits", {}, **wrong)
    with pytest.raises(rungway.InvalidArgument, match="without '='"):
        client.list_experiments(labels={"a=b": "c"})


def test_a_service_that_does_not_know_labels_is_told_from_one_that_does(server: ScriptedServer, client: Client) -> None:
    server.on("CreateExperiment", experiment_service_pb2.CreateExperimentResponse(experiment=experiment()))
    server.on("UpdateExperiment", experiment_service_pb2.UpdateExperimentResponse(experiment=experiment()))
    server.on("ListExperiments", experiment_service_pb2.ListExperimentsResponse(experiments=[experiment()]))
    calls: list[Callable[[], object]] = [
        lambda: client.create_experiment("digits", {}, owner="zoë"),
        lambda: client.create_experiment("digits", {}, comment="a try"),
        lambda: client.update_experiment(labels={"a": ""}),
        lambda: client.list_experiments(labels={"a": "b"}),
        lambda: client.list_experiments(labels={"a": None}),
    ]
    for call in calls:
        with pytest.raises(rungway.Unimplemented, match="labels"):
            call()
    assert client.update_experiment(labels={"a": None}, comment="").labels == {}  # as is one that has none left


def test_a_configuration_is_enqueued_once(server: ScriptedServer, client: Client) -> None:
    queued = experiment_service_pb2.EnqueueTrialResponse(position=2)
    server.on("EnqueueTrial", lost(queued), queued)
    hparams = {"lr": 1.0, "layers": 3, "optimizer": {"name": "adam"}}
    assert client.enqueue_trial(hparams) == 2
    first, second = server.requests("EnqueueTrial")
    assert first == second
    assert first.request_id
    assert first.hparams == to_map(hparams)
    client.enqueue_trial(hparams, request_id="mine", experiment="other")
    assert [server.requests("EnqueueTrial")[-1].request_id, server.requests("EnqueueTrial")[-1].experiment] == [
        "mine",
        "other",
    ]
    with pytest.raises(rungway.InvalidArgument, match="hparams"):
        client.enqueue_trial([1])  # type: ignore[arg-type]


def test_a_configuration_that_cannot_be_sent_is_named(server: ScriptedServer, client: Client) -> None:
    with pytest.raises(rungway.InvalidArgument) as caught:
        client.create_experiment("digits", {"searcher": {"max_trials": object()}})
    assert caught.value.violations[0][0] == "searcher.max_trials"
    assert server.calls == []


@pytest.mark.parametrize("verb", ["Pause", "Resume", "Stop", "Get"])
def test_verbs_on_an_experiment(server: ScriptedServer, client: Client, verb: str) -> None:
    reply = getattr(experiment_service_pb2, f"{verb}ExperimentResponse")
    server.on(f"{verb}Experiment", reply(experiment=experiment()))
    call = getattr(client, f"{verb.lower()}_experiment")
    assert call().experiment == "digits"
    call("other")
    assert [request.experiment for request in server.requests(f"{verb}Experiment")] == ["digits", "other"]


def test_lists_are_read_page_by_page(server: ScriptedServer, client: Client) -> None:
    def page(request: experiment_service_pb2.ListTrialsRequest) -> experiment_service_pb2.ListTrialsResponse:
        first = int(request.page_token or 0)
        trials = [trial_pb2.Trial(trial=number) for number in range(first, min(first + request.page_size, 450))]
        token = str(first + len(trials)) if first + len(trials) < 450 else ""
        return experiment_service_pb2.ListTrialsResponse(trials=trials, next_page_token=token)

    server.on("ListTrials", page)
    assert [trial.trial for trial in client.list_trials()] == list(range(450))
    assert [trial.trial for trial in client.list_trials(3)] == [0, 1, 2]
    assert server.requests("ListTrials")[-1].page_size == 3
    assert [trial.trial for trial in client.list_trials(2, after=440)] == [440, 441]
    assert [trial.trial for trial in client.list_trials(after=448)] == [448, 449]
    assert len(server.requests("ListTrials")) == 6
    page_of_one = experiment_service_pb2.ListExperimentsResponse(experiments=[experiment("a")], next_page_token="t")
    last_page = experiment_service_pb2.ListExperimentsResponse(experiments=[experiment("b")])
    server.on("ListExperiments", page_of_one, last_page)
    assert [each.experiment for each in client.list_experiments()] == ["a", "b"]


def test_trials_are_read_with_their_missing_parts(server: ScriptedServer, client: Client) -> None:
    trial = trial_pb2.Trial(
        trial=17,
        state=trial_pb2.TRIAL_STATE_FAILED,
        outcome=trial_pb2.OUTCOME_DIVERGED,
        hparams=value_pb2.MapValue(entries={"lr": value_pb2.Value(double_value=0.1)}),
        metric=float("inf"),
        curve=[trial_pb2.Report(length=1, metric=0.5), trial_pb2.Report(length=2, metric=float("inf"))],
    )
    server.on("GetTrial", experiment_service_pb2.GetTrialResponse(trial=trial))
    found = client.get_trial(17)
    assert (found.trial, found.state, found.outcome, found.hparams) == (17, "failed", "diverged", {"lr": 0.1})
    assert (found.metric, found.best_metric) == (float("inf"), None)
    assert [(report.length, report.metric) for report in found.curve or ()] == [(1, 0.5), (2, float("inf"))]


def test_best_is_one_or_many_or_none(server: ScriptedServer, client: Client) -> None:
    two = experiment_service_pb2.BestTrialsResponse(trials=[trial_pb2.Trial(trial=4), trial_pb2.Trial(trial=2)])
    server.on("BestTrials", two)
    assert [trial.trial for trial in client.best(2)] == [4, 2]
    best = client.best()
    assert best is not None
    assert best.trial == 4
    server.on("BestTrials", experiment_service_pb2.BestTrialsResponse())
    assert client.best() is None
    assert client.best(5) == []


@pytest.mark.parametrize("by", [*BestBy, "last"])
def test_the_best_by_a_result(by: str, server: ScriptedServer, client: Client) -> None:
    def answer(request: experiment_service_pb2.BestTrialsRequest) -> experiment_service_pb2.BestTrialsResponse:
        return experiment_service_pb2.BestTrialsResponse(trials=[trial_pb2.Trial(trial=4)], by=request.by)

    server.on("BestTrials", answer)
    assert [trial.trial for trial in client.best(2, by=by)] == [4]
    [request] = server.requests("BestTrials")
    wanted = {"best": "BEST_BY_UNSPECIFIED", "last": "BEST_BY_LAST", "final": "BEST_BY_FINAL"}[by]
    assert experiment_service_pb2.BestBy.Name(request.by) == wanted


def test_a_service_that_knows_only_the_best_at_any_length(server: ScriptedServer, client: Client) -> None:
    server.on("BestTrials", experiment_service_pb2.BestTrialsResponse(trials=[trial_pb2.Trial(trial=4)]))
    assert client.best(by="best")
    with pytest.raises(rungway.Unimplemented, match="by='final'"):
        client.best(by="final")


def test_a_service_that_does_not_know_results_of_enqueued_trials(server: ScriptedServer, client: Client) -> None:
    server.on("EnqueueTrial", experiment_service_pb2.EnqueueTrialResponse(position=2))
    assert client.enqueue_trial({"x": 1}) == 2
    with pytest.raises(rungway.Unimplemented, match="will train this configuration"):
        client.enqueue_trial({"x": 1}, metric=0.5, length=9)


def test_the_best_by_a_result_that_is_none(client: Client) -> None:
    with pytest.raises(rungway.InvalidArgument, match="wanted one of 'best', 'last', 'final'") as refused:
        client.best(by="worst")
    assert refused.value.violations[0][0] == "by"


def test_a_preview_is_read(server: ScriptedServer, client: Client) -> None:
    row = experiment_pb2.PreviewRow(trials=12, length=3)
    preview = experiment_pb2.Preview(
        plan=experiment().plan,
        brackets=[experiment_pb2.BracketPreview(max_trials=16, rows=[row])],
        total=[row],
        total_length=36,
        random_search_length=144,
    )
    server.on("PreviewSearch", experiment_service_pb2.PreviewSearchResponse(preview=preview))
    read = client.preview({"searcher": {"name": "random"}})
    assert (read.total_length, read.random_search_length) == (36, 144)
    assert [(each.trials, each.length) for each in read.brackets[0].rows] == [(12, 3)]


def test_words_of_a_newer_service_are_tolerated(server: ScriptedServer, client: Client) -> None:
    trial = trial_pb2.Trial(trial=1)
    trial.MergeFromString(b"\x10\x63\x70\x63")  # state = 99, outcome = 99
    server.on("GetTrial", experiment_service_pb2.GetTrialResponse(trial=trial))
    assert (client.get_trial(1).state, client.get_trial(1).outcome) == ("unknown", "unknown")


def test_a_typed_failure_arrives_with_its_details(server: ScriptedServer, client: Client) -> None:
    why = Abort(grpc.StatusCode.NOT_FOUND, reason="EXPERIMENT_NOT_FOUND", metadata={"experiment": "digits"})
    server.on("GetExperiment", why)
    with pytest.raises(rungway.NotFound) as caught:
        client.get_experiment()
    assert (caught.value.reason, caught.value.details) == ("EXPERIMENT_NOT_FOUND", {"experiment": "digits"})
    assert len(server.requests("GetExperiment")) == 1


def test_a_delete_whose_reply_was_lost_has_succeeded(server: ScriptedServer, client: Client) -> None:
    gone = Abort(grpc.StatusCode.NOT_FOUND)
    server.on("DeleteExperiment", lost(experiment_service_pb2.DeleteExperimentResponse()), gone)
    client.delete_experiment()
    with pytest.raises(rungway.NotFound):
        client.delete_experiment()


@pytest.mark.parametrize("known", ["one", ""])
def test_a_repeated_delete_names_the_experiment_that_was_there(
    known: str, server: ScriptedServer, client: Client
) -> None:
    """ "" is what an older service says."""
    found = experiment_service_pb2.GetExperimentResponse(experiment=experiment(uid=known))
    other = experiment_service_pb2.GetExperimentResponse(experiment=experiment(uid="another"))
    server.on("GetExperiment", found, other)
    gone = Abort(grpc.StatusCode.NOT_FOUND)
    server.on("DeleteExperiment", lost(experiment_service_pb2.DeleteExperimentResponse()), gone)
    client.delete_experiment()
    assert [request.uid for request in server.requests("DeleteExperiment")] == [known, known]


@pytest.mark.parametrize("reason", ["NEWER_SCHEMA", "OLDER_SCHEMA", "INTERNAL"])
def test_what_cannot_be_read_can_be_deleted(reason: str, server: ScriptedServer, client: Client) -> None:
    code = grpc.StatusCode.INTERNAL if reason == "INTERNAL" else grpc.StatusCode.FAILED_PRECONDITION
    server.on("GetExperiment", Abort(code, reason=reason))
    server.on("DeleteExperiment", experiment_service_pb2.DeleteExperimentResponse())
    client.delete_experiment()
    assert [request.uid for request in server.requests("DeleteExperiment")] == [""]


def test_a_stop_whose_reply_was_lost_has_succeeded(server: ScriptedServer, client: Client) -> None:
    ended = Abort(grpc.StatusCode.FAILED_PRECONDITION, reason="WRONG_STATE", metadata={"state": "stopped"})
    server.on("StopExperiment", lost(experiment_service_pb2.StopExperimentResponse()), ended)
    server.on("GetExperiment", experiment_service_pb2.GetExperimentResponse(experiment=experiment()))
    assert client.stop_experiment().experiment == "digits"
    with pytest.raises(rungway.FailedPrecondition):
        client.stop_experiment()


def test_a_read_gives_up_after_its_time(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    server.stop()
    with pytest.raises(rungway.Unavailable, match="gave no answer to GetExperiment"):
        connect(total_timeout=0.3).get_experiment()


def test_a_closed_client_says_so(server: ScriptedServer, config: ClientConfig) -> None:
    client = Client(config=config)
    client.close()
    client.close()
    with pytest.raises(rungway.FailedPrecondition, match="closed") as caught:
        client.get_experiment()
    assert caught.value.reason == "CLIENT_CLOSED"


def test_closing_breaks_off_a_wait(server: ScriptedServer, connect: Callable[..., Client]) -> None:
    server.on("Ask", Abort(grpc.StatusCode.UNAVAILABLE, retry_after=30.0))
    client = connect()
    raised: list[Exception] = []

    def ask() -> None:
        try:
            client.ask()
        except rungway.RungwayError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: server.requests("Ask"))
    client.close()
    thread.join(2)
    assert [type(error) for error in raised] == [rungway.FailedPrecondition]
