"""The examples of the OpenAPI document are sent to a service; the answers have the schemas of the document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import schemathesis

from scripts import openapi
from scripts.openapi_examples import EXAMPLES, EXPERIMENT, LEASE
from tests.contract.every_rpc import SEARCH, STREAMS, VIEWS
from tests.support.redis_server import redis_on_socket
from tests.support.service import services
from tests.support.waiting import SECONDS

DOCUMENT = schemathesis.openapi.from_path(str(openapi.FILE))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client of a service."""
    with (
        redis_on_socket() as url,
        services(url) as (service,),
        httpx.Client(base_url=f"http://{service.http}", timeout=SECONDS) as client,
    ):
        yield client


def send(http: httpx.Client, rpc: str, request: Mapping[str, Any], method: str = "POST") -> Any:
    """The answer to a call, which has a schema of the document; the answers to a stream."""
    (path,) = (path for path in DOCUMENT if path.endswith(f"Service/{rpc}"))
    operation = DOCUMENT[path][method]
    headers = {"Accept": "text/event-stream" if rpc in STREAMS else "application/json"}
    if rpc == "WatchView":  # never ends
        with http.stream("POST", path, json=dict(request), headers=headers) as events:
            assert events.status_code == 200
            line = next(line for line in events.iter_lines() if line.startswith("data: "))
            return [json.loads(line.removeprefix("data: "))]
    if method == "GET":
        query = {"encoding": "json", "message": json.dumps(request)}
        case, response = operation.Case(query=query), http.get(path, params=query, headers=headers)
    else:
        case = operation.Case(body=dict(request), media_type="application/json")
        response = http.post(path, json=dict(request), headers=headers)
    case.validate_response(response)
    assert response.status_code == 200, response.text
    if rpc not in STREAMS:
        return response.json()
    lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def leased(http: httpx.Client, request: Any) -> Any:
    """The request with a lease of today in place of that of the examples."""
    found: list[Any] = []

    def replaced(part: Any) -> Any:
        if part == LEASE:
            found.extend(() if found else send(http, "Ask", {"experiment": EXPERIMENT})["assignments"])
            return found[0]["lease"]
        if isinstance(part, dict):
            return {key: replaced(value) for key, value in part.items()}
        return [replaced(item) for item in part] if isinstance(part, list) else part

    return replaced(request)


def external(http: httpx.Client) -> str:
    """The search of the examples once more, as one that takes proposals from elsewhere."""
    made = dict(EXAMPLES["CreateExperiment"]["config"])
    config = made | {"searcher": {**made["searcher"], "proposals": "external"}}
    return str(send(http, "CreateExperiment", {"experiment": "external", "config": config})["experiment"]["experiment"])


def test_every_example_is_accepted_and_answered_as_the_document_says(http: httpx.Client) -> None:
    answers = {}
    for rpc, request in EXAMPLES.items():
        if rpc == "AddProposals":
            request = {**request, "experiment": external(http)}
        answers[rpc] = send(http, rpc, leased(http, request))
        if "get" in DOCUMENT.raw_schema["paths"][f"/rungway.v1.{service_of(rpc)}/{rpc}"] and rpc not in STREAMS:
            assert timeless(send(http, rpc, request, "GET")) == timeless(answers[rpc])
    assert answers["Ask"]["status"] == "ASK_STATUS_ASSIGNED"
    assert answers["Heartbeat"]["leases"][0]["decision"] == "DECISION_CONTINUE"
    assert answers["Tell"]["verdicts"][0]["decision"] in ("DECISION_CONTINUE", "DECISION_PAUSE")
    assert answers["Release"]["verdicts"][0]["explanation"]["reason"] == "REASON_PREEMPTED"
    assert answers["Fail"]["verdict"]["decision"] == "DECISION_STOP"
    assert answers["WatchEvents"][-2]["event"]["kind"] == "stopped"
    assert answers["ExportExperiment"][0]["text"].startswith('{"rungway_export"')


def service_of(rpc: str) -> str:
    """The service of an rpc."""
    if rpc in VIEWS:
        return "ViewService"
    return "SearchService" if rpc in SEARCH else "ExperimentService"


def timeless(answer: Any) -> Any:
    """An answer without the time at which a view, or the workers, were read."""
    if "time" in answer:
        return {**answer, "time": ""}
    return {"view": {**answer["view"], "time": ""}} if "view" in answer else answer


def test_the_service_serves_the_document(http: httpx.Client) -> None:
    served = http.get("/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert served.content == openapi.FILE.read_bytes()


def test_a_stream_without_its_form_says_what_to_send(http: httpx.Client) -> None:
    refused = http.post("/rungway.v1.ExperimentService/WatchEvents", json={"experiment": EXPERIMENT})
    assert refused.status_code == 415
    assert refused.json()["message"].endswith("; or Accept: text/event-stream")
