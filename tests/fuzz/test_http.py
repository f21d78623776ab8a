"""The HTTP port, called with whatever fits its OpenAPI document, and with what does not fit: every answer is one that
the document names, none is a fault, and none reveals internals."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from scripts.openapi import FILE
from tests.fuzz.caller import INSIDE, SECONDS
from tests.fuzz.extent import EXAMPLES, LONG, tried
from tests.support.calls import calls_to, config
from tests.support.service import Service

DOCUMENT = schemathesis.openapi.from_path(str(FILE))
OPERATIONS = {
    f"{method.upper()} {path}": DOCUMENT[path][method.upper()]
    for path, item in DOCUMENT.raw_schema["paths"].items()
    for method in item
}
BY_GET_IN_SHORT = ("z", "GetTrial", "WatchEvents")
"""Ends of what is called by GET in the short form, where POST calls all the others."""
TRIED = [label for label in OPERATIONS if LONG or label.startswith("POST") or label.endswith(BY_GET_IN_SHORT)]
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
STREAM_MS = "200"
"""How long a stream is listened to."""


@pytest.fixture(scope="module")
def session(service: Service) -> Iterator[requests.Session]:
    """A connection to a service with one search; its log has no traceback at the end."""
    with calls_to(service.address) as calls:
        calls.create("known", config(max_trials=1_000_000))
        calls.ask("known", count=8)
    with requests.Session() as found:
        yield found
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("label", TRIED)
def test_calls(label: str, service: Service, session: requests.Session) -> None:
    operation = OPERATIONS[label]
    cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if "Service/" in label:
        cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @settings(tried, max_examples=EXAMPLES if LONG else 4)
    @given(case=cases, known=st.booleans())
    def run(case: Any, known: bool) -> None:
        if known and isinstance(case.body, dict) and "experiment" in case.body:
            case.body["experiment"] = "known"
            case.headers.pop("Rungway-Namespace", None)
        if "Watch" in label or "Export" in label:
            case.headers.update({"Accept": "text/event-stream", "Connect-Timeout-Ms": STREAM_MS})
        response = case.call(base_url=f"http://{service.http}", session=session, timeout=SECONDS)
        case.validate_response(response, checks=CHECKS)
        late = response.status_code == 504 and "Connect-Timeout-Ms" in case.headers
        assert response.status_code < 500 or late, response.text
        said = INSIDE.search(response.text) if response.status_code >= 400 else None
        assert said is None or said[0] in response.request.url + str(response.request.body), response.text

    run()
