"""What HTTP has beyond the calls: reading by GET, compression, deadlines, streams as server-sent events."""

import base64
import gzip
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import grpc
import httpx
import pytest

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.experiment_service_pb2 import GetExperimentRequest, GetExperimentResponse
from tests.support.calls import SECONDS, Calls, calls_to, config, refusal_of, unique_name
from tests.support.http_channel import END, ENVELOPE, HttpError, envelopes, error_in
from tests.support.service import Service, services

EXPERIMENTS, SEARCH = "/rungway.v1.ExperimentService", "/rungway.v1.SearchService"
GET, WATCH, ASK, TELL = (
    f"{EXPERIMENTS}/GetExperiment",
    f"{EXPERIMENTS}/WatchEvents",
    f"{SEARCH}/Ask",
    f"{SEARCH}/Tell",
)
EVENTS = {"Accept": "text/event-stream"}
AS_JSON = {"Content-Type": "application/json"}
STREAM = {"Content-Type": "application/connect+json"}


@pytest.fixture(scope="module")
def service(redis_url: str) -> Iterator[Service]:
    with services(redis_url) as (running,):
        yield running


@pytest.fixture(scope="module")
def calls(service: Service) -> Iterator[Calls]:
    with calls_to(service.address) as calls:
        yield calls


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{service.http}", timeout=SECONDS, trust_env=False) as client:
        yield client


@pytest.fixture
def name(calls: Calls) -> str:
    """A search of two trials."""
    name = unique_name("http")
    calls.create(name, config(max_trials=2))
    return name


def ended(calls: Calls, name: str) -> None:
    for lease in [calls.assignment(name).lease for _ in range(2)]:
        calls.tell(name, lease, (1, 0.5))


def query(name: str) -> dict[str, str]:
    return {"encoding": "json", "message": json.dumps({"experiment": name})}


# Reading by GET.


def test_get_answers_304_until_something_changes(http: httpx.Client, calls: Calls, name: str) -> None:
    first = http.get(GET, params=query(name))
    assert first.json()["experiment"]["experiment"] == name
    assert first.headers["cache-control"] == "private, no-cache"
    tag = {"If-None-Match": first.headers["etag"]}
    again = http.get(GET, params=query(name), headers=tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    calls.assignment(name)
    changed = http.get(GET, params=query(name), headers=tag)
    assert (changed.status_code, changed.json()["experiment"]["trials"]["started"]) == (200, 1)
    assert changed.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("compression", ["identity", "gzip"])
def test_get_takes_the_message_in_every_form(compression: str, http: httpx.Client, name: str) -> None:
    data = GetExperimentRequest(experiment=name).SerializeToString()
    packed = gzip.compress(data) if compression == "gzip" else data
    text = base64.urlsafe_b64encode(packed).decode()
    for message in (text, text.rstrip("=")):
        params = {"connect": "v1", "encoding": "proto", "base64": "1", "compression": compression, "message": message}
        answer = http.get(GET, params=params)
        assert answer.headers["content-type"] == "application/proto"
        assert GetExperimentResponse.FromString(answer.content).experiment.experiment == name


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"encoding": "xml"}, "encoding"),
        ({"base64": "2"}, "base64"),
        ({"base64": "1", "message": "!"}, "message"),
        ({"mesage": "{}"}, "mesage"),
        ({"message": "{"}, "request"),
        ({"message": '{"experimnt":"e"}'}, "experimnt"),
        ({"compression": "gzip", "message": "e"}, "request"),
    ],
)
def test_get_names_what_is_wrong_with_the_query(params: dict[str, str], field: str, http: httpx.Client) -> None:
    refusal = refusal_of(error_in(http.get(GET, params=params)))
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))


def test_get_changes_nothing(http: httpx.Client, calls: Calls, name: str) -> None:
    answer = http.get(ASK, params=query(name))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    request = pb.ListTrialsRequest(experiment=name)
    assert list(calls.experiments.ListTrials(request, timeout=SECONDS).trials) == []


# Messages.


def test_json_that_is_no_request_is_refused_with_its_path(http: httpx.Client, name: str) -> None:
    body = {"experiment": name, "results": [{"reports": [{"length": 1, "metrik": 0.5}]}]}
    refusal = refusal_of(error_in(http.post(TELL, json=body)))
    path, problem = (
        "results[0].reports[0].metrik",
        "unknown field, wanted one of length, metric, metrics, cost; probably meant: metric",
    )
    assert (refusal.reason, dict(refusal.violations)) == ("INVALID_FIELD", {path: problem})
    broken = refusal_of(error_in(http.post(TELL, content=b"{", headers=AS_JSON)))
    assert (broken.reason, broken.fields) == ("UNREADABLE_REQUEST", ("request",))


def test_a_search_written_by_hand(http: httpx.Client) -> None:
    """The configuration is natural JSON in both directions, and numbers keep their kind."""
    name, space = unique_name("hand"), {"x": {"type": "const", "val": [1, 1.0, 2**60, None, "NaN"]}}
    made = http.post(f"{EXPERIMENTS}/CreateExperiment", json={"experiment": name, "config": config(space=space)})
    assert made.status_code == 200
    (given,) = http.post(ASK, json={"experiment": name}).json()["assignments"]
    assert given["hparams"] == {"x": [1, 1.0, {"$int": str(2**60)}, None, "NaN"]}
    assert [type(each) for each in given["hparams"]["x"][:2]] == [int, float]
    result = {"lease": given["lease"], "reports": [{"length": 1, "metric": "NaN"}]}
    told = http.post(TELL, json={"experiment": name, "results": [result]}).json()
    assert told["verdicts"][0]["explanation"]["reason"] == "REASON_COMPLETED"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip", "gzip"), ("br, GZIP;q=0.5", "gzip"), ("identity", ""), ("gzip;q=0", ""), ("br", "")],
)
def test_large_replies_are_compressed_for_those_who_accept_it(accepted: str, encoding: str, http: httpx.Client) -> None:
    space = {f"p{i}": {"type": "int", "minval": 1, "maxval": 9} for i in range(300)}
    preview, small = f"{EXPERIMENTS}/PreviewSearch", f"{EXPERIMENTS}/ListExperiments"
    body = gzip.compress(json.dumps({"config": config(space=space)}).encode())
    headers = AS_JSON | {"Content-Encoding": "gzip", "Accept-Encoding": accepted}
    answer = http.post(preview, content=body, headers=headers)
    assert answer.headers.get("content-encoding", "") == encoding
    assert len(answer.json()["preview"]["config"]["hyperparameters"]) == 300
    few = http.post(small, json={"pageSize": 1}, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in few.headers


# Deadlines.


def test_a_call_ends_at_its_deadline(http: httpx.Client, name: str) -> None:
    body = {"experiment": name}
    late = error_in(http.post(ASK, json=body, headers={"Connect-Timeout-Ms": "0"}))
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert http.post(ASK, json=body, headers={"Connect-Timeout-Ms": "100000"}).status_code == 200
    for wrong in ("", "1s", "-1", "1" * 11):
        refusal = refusal_of(error_in(http.post(ASK, json=body, headers={"Connect-Timeout-Ms": wrong})))
        assert refusal.fields == ("connect-timeout-ms",)


def test_a_stream_ends_at_its_deadline(http: httpx.Client, calls: Calls, name: str) -> None:
    calls.assignment(name)
    headers = {"Connect-Timeout-Ms": "1500"}
    *messages, end = connect_stream(http, name, headers)
    assert {each["event"]["kind"] for each in messages} <= {"assign"}
    assert end["error"]["code"] == "deadline_exceeded"
    *events, last = list(server_sent(http, name, headers))
    assert {each["event"] for each in events} <= {"message"}
    assert (last["event"], json.loads(last["data"])["code"]) == ("error", "deadline_exceeded")


def connect_stream(http: httpx.Client, name: str, headers: dict[str, str] | None = None) -> list[Any]:
    """The messages of the event log as a stream of the Connect protocol, and its end."""
    body = json.dumps({"experiment": name}).encode()
    sent = ENVELOPE.pack(0, len(body)) + body
    with http.stream("POST", WATCH, content=sent, headers=STREAM | (headers or {})) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, STREAM["Content-Type"])
        found = list(envelopes(response.iter_raw()))
    assert [flags for flags, _ in found] == [0] * (len(found) - 1) + [END]
    return [json.loads(data) for _, data in found]


def server_sent(
    http: httpx.Client, name: str, headers: dict[str, str] | None = None
) -> Generator[dict[str, str], None, None]:
    """The server-sent events of the event log: fields by name, `event` is "message" where it is not said."""
    with http.stream("GET", WATCH, params=query(name), headers=EVENTS | (headers or {})) as response:
        if response.status_code != 200:
            response.read()
            raise error_in(response)
        assert response.headers["content-type"] == "text/event-stream"
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            if line and not line.startswith(":"):
                field, _, value = line.partition(": ")
                fields[field] = value
            elif fields:
                yield {"event": "message"} | fields
                fields = {}


# Streams.


def test_server_sent_events_go_on_where_they_were_cut_off(http: httpx.Client, calls: Calls, name: str) -> None:
    ended(calls, name)
    *events, end = list(server_sent(http, name))
    assert end == {"event": "end", "data": "{}"}
    over_grpc = list(calls.experiments.WatchEvents(pb.WatchEventsRequest(experiment=name), timeout=SECONDS))
    assert [each["id"] for each in events] == [each.event.event_id for each in over_grpc]
    assert all(json.loads(each["data"])["event"]["eventId"] == each["id"] for each in events)
    assert len(events) >= 5
    for cut in (1, 3, len(events)):
        rest = list(server_sent(http, name, {"Last-Event-ID": events[cut - 1]["id"]}))
        assert rest == [*events[cut:], end]


def test_events_arrive_as_they_happen(http: httpx.Client, calls: Calls, name: str) -> None:
    lease = calls.assignment(name).lease
    with closing(server_sent(http, name)) as events:
        assert json.loads(next(events)["data"])["event"]["kind"] == "assign"
        calls.tell(name, lease, (1, 0.5))
        assert json.loads(next(events)["data"])["event"]["kind"] == "stop"


@pytest.mark.parametrize("form", ["events", "connect"])
def test_an_error_in_the_middle_ends_a_stream_with_it(form: str, http: httpx.Client, calls: Calls, name: str) -> None:
    calls.assignment(name)
    delete = pb.DeleteExperimentRequest(experiment=name)
    if form == "events":
        events = server_sent(http, name)
        assert next(events)["event"] == "message"
        calls.experiments.DeleteExperiment(delete, timeout=SECONDS)
        (last,) = events
        assert last["event"] == "error"
        error = json.loads(last["data"])
    else:
        body = json.dumps({"experiment": name}).encode()
        with http.stream("POST", WATCH, content=ENVELOPE.pack(0, len(body)) + body, headers=STREAM) as response:
            found = envelopes(response.iter_raw())
            assert next(found)[0] == 0
            calls.experiments.DeleteExperiment(delete, timeout=SECONDS)
            ((flags, data),) = found
        assert flags == END
        error = json.loads(data)["error"]
    refusal = refusal_of(HttpError(error))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "EXPERIMENT_NOT_FOUND")


def test_a_refusal_before_the_first_event(http: httpx.Client) -> None:
    """As server-sent events with the HTTP status, so that a browser does not try again; else at the end of a stream."""
    nobody = unique_name("nobody")
    with pytest.raises(HttpError) as refused:
        list(server_sent(http, nobody))
    (end,) = connect_stream(http, nobody)
    assert refusal_of(refused.value) == refusal_of(HttpError(end["error"]))
    assert refusal_of(refused.value).reason == "EXPERIMENT_NOT_FOUND"


def test_a_compressed_request_of_a_stream(http: httpx.Client, calls: Calls, name: str) -> None:
    ended(calls, name)
    packed = gzip.compress(json.dumps({"experiment": name}).encode())
    headers = STREAM | {"Connect-Content-Encoding": "gzip"}
    answer = http.post(WATCH, content=ENVELOPE.pack(1, len(packed)) + packed, headers=headers)
    assert list(envelopes(iter([answer.content])))[-1] == (END, b"{}")
