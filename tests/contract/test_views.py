"""What the page asks for: views over every transport, curves, importance, the caller, a configuration as text."""

import itertools
import json
import math
import urllib.request
from typing import Any

import grpc
import pytest

from rungway.__about__ import __version__
from rungway.v1 import experiment_service_pb2 as experiment_pb
from rungway.v1 import view_service_pb2 as pb
from rungway.v1.search_service_pb2 import TellRequest
from rungway.v1.trial_pb2 import Report, Result
from rungway.v1.view_service_pb2_grpc import ViewServiceStub
from rungway.values import from_map
from tests.support.calls import Calls, calls_to, config, refusal_of, unique_name
from tests.support.service import Service
from tests.support.viewer import Viewer
from tests.support.waiting import SECONDS, wait_until


@pytest.fixture
def stub(calls: Calls) -> ViewServiceStub:
    """ViewService over each transport."""
    return calls.views


def search(calls: Calls, trials: int = 3, **changes: Any) -> str:
    """A search with some trials, of which all but the last have told."""
    name = unique_name("seen")
    calls.create(name, config(max_trials=50, max_concurrent_trials=0, **changes))
    for i in range(trials):
        given = calls.ask(name, 1, worker=f"w{i}").assignments[0]
        if i < trials - 1:
            calls.tell(name, given.lease, (1, float(i)))
    return name


def look(stub: ViewServiceStub, name: str, viewer: Viewer) -> pb.View:
    """Look again at a search."""
    request = pb.GetViewRequest(experiment=name, cursor=viewer.cursor)
    view = stub.GetView(request, timeout=SECONDS).view
    viewer.apply(view)
    return view


def test_a_view_and_what_changes(stub: ViewServiceStub, calls: Calls) -> None:
    name, viewer = search(calls), Viewer()
    first = look(stub, name, viewer)
    assert first.reset
    assert not first.more
    assert first.experiment.HasField("config")
    assert list(first.trials.trial) == [0, 1, 2]
    assert [first.trials.workers[place] for place in first.trials.worker] == ["w0", "w1", "w2"]
    assert math.isnan(first.trials.metric[2])
    assert [deadline > 0 for deadline in first.trials.lease_deadline_ms] == [False, False, True]
    assert {(each.name, each.log) for each in first.trials.parameters} == {("rate", True), ("layers", False)}
    assert sorted(first.results.trial) == [0, 1]
    assert [event.kind for event in first.events].count("assign") == 3
    nothing = look(stub, name, viewer)
    assert (nothing.reset, nothing.cursor, len(nothing.trials.trial), len(nothing.events)) == (
        False,
        first.cursor,
        0,
        0,
    )
    calls.ask(name, 1, worker="w3")
    second = look(stub, name, viewer)
    assert not second.reset
    assert list(second.trials.trial) == [3]
    assert not second.experiment.HasField("config")
    assert second.experiment.trials.started == 4
    fresh = Viewer()
    look(stub, name, fresh)
    assert viewer.known() == fresh.known()
    assert viewer.events == fresh.events


@pytest.mark.parametrize("cursor", ["nonsense", "é" * 500, "a.b.1.1.1", "0.0.9.9.9", "0" * 32 + ".abc.1.3.2"])
def test_an_unknown_cursor_gives_the_whole_view(cursor: str, stub: ViewServiceStub, calls: Calls) -> None:
    name = search(calls)
    view = stub.GetView(pb.GetViewRequest(experiment=name, cursor=cursor), timeout=SECONDS).view
    assert view.reset
    assert len(view.trials.trial) == 3


def test_the_cursor_of_another_search_gives_the_whole_view(stub: ViewServiceStub, calls: Calls) -> None:
    viewer = Viewer()
    look(stub, search(calls), viewer)
    assert look(stub, search(calls, 2), viewer).reset
    assert len(viewer.trials) == 2


def test_a_changed_configuration_comes_with_the_next_view(stub: ViewServiceStub, calls: Calls) -> None:
    name, viewer = search(calls), Viewer()
    look(stub, name, viewer)
    request = experiment_pb.UpdateExperimentRequest(experiment=name, max_trials=70)
    calls.experiments.UpdateExperiment(request, timeout=SECONDS)
    view = look(stub, name, viewer)
    assert not view.reset
    assert from_map(view.experiment.config)["searcher"]["max_trials"] == 70


def test_a_watched_search_is_seen_to_change_and_to_be_created_anew(stub: ViewServiceStub, calls: Calls) -> None:
    name, viewer = search(calls), Viewer()
    stream = stub.WatchView(pb.WatchViewRequest(experiment=name), timeout=SECONDS)
    viewer.apply(next(stream).view)
    assert viewer.resets == 1
    calls.ask(name, 1, worker="w9")
    viewer.apply(next(stream).view)
    assert (viewer.resets, len(viewer.trials)) == (1, 4)
    calls.experiments.DeleteExperiment(experiment_pb.DeleteExperimentRequest(experiment=name), timeout=SECONDS)
    calls.create(name, config())
    viewer.apply(next(stream).view)
    assert (viewer.resets, viewer.trials) == (2, {})
    stream.cancel()


def test_a_watch_goes_on_from_a_cursor_and_ends_with_its_search(stub: ViewServiceStub, calls: Calls) -> None:
    name, viewer = search(calls), Viewer()
    look(stub, name, viewer)
    calls.ask(name, 1)
    stream = stub.WatchView(pb.WatchViewRequest(experiment=name, cursor=viewer.cursor), timeout=SECONDS)
    viewer.apply(next(stream).view)
    assert (viewer.resets, len(viewer.trials)) == (1, 4)
    calls.experiments.DeleteExperiment(experiment_pb.DeleteExperimentRequest(experiment=name), timeout=SECONDS)
    with pytest.raises(grpc.RpcError) as ended:
        list(stream)
    assert refusal_of(ended.value).reason == "EXPERIMENT_NOT_FOUND"


def test_a_browser_resumes_by_the_id_of_the_last_event(service: Service, calls: Calls) -> None:
    """Server-sent events: `id` is the cursor, and Last-Event-ID goes on after it."""
    name = search(calls)
    first, cursor = _first_event(service, name, {})
    assert first["reset"]
    calls.ask(name, 1)
    second, _ = _first_event(service, name, {"Last-Event-ID": cursor})
    assert not second["reset"]
    assert second["trials"]["trial"] == [3]


def _first_event(service: Service, name: str, headers: dict[str, str]) -> tuple[Any, str]:
    """The first view of a stream of server-sent events, and its id."""
    request = urllib.request.Request(
        f"http://{service.http}/rungway.v1.ViewService/WatchView",
        json.dumps({"experiment": name}).encode(),
        {"Content-Type": "application/json", "Accept": "text/event-stream", **headers},
    )
    found = ""
    with urllib.request.urlopen(request, timeout=SECONDS) as lines:
        for line in map(bytes.decode, lines):
            if line.startswith("id: "):
                found = line[4:].strip()
            if line.startswith("data: "):
                return json.loads(line[6:])["view"], found
    raise AssertionError("the stream has ended")


@pytest.fixture(scope="session")  # a session, not a module: the transports are taken one after the other
def wide(service: Service) -> str:
    """A search of 640 trials with many parameters, so that a part of its view has few rows."""
    name = unique_name("wide")
    space = {f"p{i}": {"type": "double", "minval": 0.0, "maxval": 1.0} for i in range(900)}
    with calls_to(service.address) as calls:
        calls.create(name, config(space=space, max_trials=2_000, max_concurrent_trials=0))
        for _ in range(10):
            calls.ask(name, 64)
    return name


def test_many_trials_come_in_parts(stub: ViewServiceStub, wide: str) -> None:
    viewer = Viewer()
    parts = [look(stub, wide, viewer)]
    while parts[-1].more:
        parts.append(look(stub, wide, viewer))
    assert [part.reset for part in parts] == [True] + [False] * (len(parts) - 1)
    assert len(parts) > 1
    assert sorted(viewer.trials) == list(range(640))
    assert all(part.ByteSize() < 4 << 20 for part in parts)
    stream = stub.WatchView(pb.WatchViewRequest(experiment=wide), timeout=SECONDS)
    watched = Viewer()
    for message in itertools.islice(stream, len(parts)):
        watched.apply(message.view)
    stream.cancel()
    assert watched.known() == viewer.known()


def test_curves_are_thinned(stub: ViewServiceStub, calls: Calls) -> None:
    name = unique_name("curves")
    calls.create(name, config(max_trials=9, max_length={"epochs": 2_000}, max_concurrent_trials=0))
    given = calls.ask(name, 2).assignments
    last = given[0].next_decision_length - 1
    reports = [(length, float(-1000 if length == 77 else length)) for length in range(1, last + 1)]
    calls.tell(name, given[0].lease, *reports)
    request = pb.GetCurvesRequest(experiment=name, trials=[1, 0, 99], max_points=20)
    curves = stub.GetCurves(request, timeout=SECONDS).curves
    assert [curve.trial for curve in curves] == [1, 0, 99]
    assert [len(curves[0].length), len(curves[2].length)] == [0, 0]
    shown = dict(zip(curves[1].length, curves[1].metric, strict=True))
    assert len(shown) <= 20
    assert {1, last, 77} <= set(shown)
    assert shown[77] == -1000


def test_curves_of_further_metrics(stub: ViewServiceStub, calls: Calls) -> None:
    name = unique_name("further")
    calls.create(name, config(max_trials=9, max_length={"epochs": 2_000}, max_concurrent_trials=0))
    given = calls.ask(name, 2).assignments
    request = pb.GetCurvesRequest(experiment=name, trials=[1, 0, 99], max_points=20)
    none = stub.GetCurves(request, timeout=SECONDS)
    assert (list(none.metrics), none.has_cost) == ([], False)
    reports = [
        Report(
            length=length,
            metric=0.5,
            metrics={"lr": 1 / length, "spike": float(length == 77)} if length % 2 else {"lr": 1 / length},
            cost=2.0 if length == 5 else None,
        )
        for length in range(1, 500)
    ]
    result = Result(lease=given[0].lease, reports=reports)
    calls.search.Tell(TellRequest(experiment=name, results=[result]), timeout=SECONDS)
    calls.tell(name, given[1].lease, (1, 0.5))

    def shown(**which: Any) -> list[dict[int, float]]:
        request = pb.GetCurvesRequest(experiment=name, trials=[1, 0, 99], max_points=20, **which)
        found = stub.GetCurves(request, timeout=SECONDS)
        assert (list(found.metrics), found.has_cost) == (["lr", "spike"], True)
        assert [curve.trial for curve in found.curves] == [1, 0, 99]
        return [dict(zip(curve.length, curve.metric, strict=True)) for curve in found.curves]

    nobody, spiky, unknown = shown(metric="spike")
    assert (nobody, unknown) == ({}, {})
    assert len(spiky) <= 20
    assert all(length % 2 for length in spiky)
    assert (spiky[1], spiky[77], spiky[499]) == (0.0, 1.0, 0.0)
    assert shown(metric="lr")[1][499] == 1 / 499
    assert shown(cost=True)[1] == {5: 2.0}
    assert shown(metric="another") == [{}, {}, {}]
    assert shown()[1][499] == 0.5


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"metric": "a", "cost": True}, "cost"),
        ({"trials": []}, "trials"),
        ({"trials": range(501)}, "trials"),
        ({"trials": [-1]}, "trials"),
        ({"max_points": 1}, "max_points"),
        ({"max_points": 257}, "max_points"),
        ({"max_points": -1}, "max_points"),
    ],
)
def test_curves_that_nobody_can_draw(changes: dict[str, Any], field: str, stub: ViewServiceStub, calls: Calls) -> None:
    request = pb.GetCurvesRequest(**{"experiment": search(calls), "trials": [0], **changes})
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetCurves(request, timeout=SECONDS)
    assert refusal_of(refused.value).fields == (field,)


def test_importance(stub: ViewServiceStub, calls: Calls) -> None:
    """Too early at first; then what decides is named first, in all brackets and in one with its rungs."""
    name = unique_name("importance")
    calls.create(name, config(max_trials=100, max_concurrent_trials=0))
    early = stub.GetImportance(pb.GetImportanceRequest(experiment=name), timeout=SECONDS)
    assert early.too_early == "0 trials have a result, 40 are needed"
    while given := calls.ask(name, 50).assignments:
        for each in given:
            rate = from_map(each.hparams)["rate"]
            calls.tell(name, each.lease, (each.to_length, abs(math.log10(rate) + 2)))
    wait_until(lambda: not stub.GetImportance(pb.GetImportanceRequest(experiment=name), timeout=SECONDS).too_early)
    found = stub.GetImportance(pb.GetImportanceRequest(experiment=name, bracket=0), timeout=SECONDS)
    assert [each.name for each in found.parameters] == ["rate", "layers"]
    assert found.parameters[0].importance > 0.7
    assert found.trials == 100
    assert len(found.parameters[0].by_rung) >= 1
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetImportance(pb.GetImportanceRequest(experiment=name, bracket=7), timeout=SECONDS)
    assert refusal_of(refused.value).fields == ("bracket",)


def test_without_tokens_everybody_is_an_administrator(stub: ViewServiceStub) -> None:
    caller = stub.GetCaller(pb.GetCallerRequest(), timeout=SECONDS)
    assert caller == pb.GetCallerResponse(
        namespace="default", role="admin", every_namespace=True, tokens=False, version=__version__
    )


@pytest.mark.parametrize(
    "text",
    ["a: 1e-3\nb: {c: [off, 2]}\n", '{"a": 1e-3, "b": {"c": ["off", 2]}}', "{a: 1e-3, b: {c: [off, 2]}}"],
    ids=["yaml", "json", "flow"],
)
def test_a_configuration_is_read_from_its_text(text: str, stub: ViewServiceStub) -> None:
    found = stub.ReadConfig(pb.ReadConfigRequest(text=text), timeout=SECONDS)
    assert from_map(found.config) == {"a": 1e-3, "b": {"c": ["off", 2]}}


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in itertools.pairwise("abcdefghi")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3"),
        ('{"a": 1,\n "b": }', "line 2"),
        ("a: 1\na: 2\n", "line 2"),
        ("", "empty"),
        ("- 1\n", "a list"),
        (BOMB, "more than 100,000 values"),
        ("[" * 5_000, "nested"),
        ("a: 99999999999999999999\n", "64 bits"),
    ],
    ids=["yaml", "json", "twice", "empty", "list", "bomb", "deep", "number"],
)
def test_a_text_that_is_no_configuration(text: str, words: str, stub: ViewServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ReadConfig(pb.ReadConfigRequest(text=text), timeout=SECONDS)
    refusal = refusal_of(refused.value)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in refusal.message
