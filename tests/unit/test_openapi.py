"""The OpenAPI document of the HTTP port: valid, up to date, and whole."""

import json
from typing import Any

import pytest
from openapi_spec_validator import validate

from rungway_server.service.access import ROLES
from rungway_server.service.tokens import Role
from scripts import openapi
from scripts.openapi_examples import EXAMPLES
from tests.contract.every_rpc import STREAMS, descriptors

DOCUMENT: dict[str, Any] = json.loads(openapi.FILE.read_text(encoding="utf-8"))
PATHS: dict[str, Any] = DOCUMENT["paths"]
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def test_it_is_up_to_date() -> None:
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.text(), "make proto"


def test_it_is_valid() -> None:
    validate(DOCUMENT)


def test_every_rpc_is_there_with_its_role_and_an_example() -> None:
    assert {path.removeprefix("/") for path in PATHS if "Service/" in path} == descriptors()
    assert {path for path in PATHS if "Service/" not in path} == {"/livez", "/readyz", "/openapi.json"}
    for rpc in descriptors():
        post = PATHS[f"/{rpc}"]["post"]
        assert post["security"][0] == {"bearer": [ROLES[rpc].word]}
        assert post["requestBody"]["content"]["application/json"]["example"] == EXAMPLES[rpc.partition("/")[2]]
        assert ("text/event-stream" in post["responses"]["200"]["content"]) is rpc.endswith(STREAMS)
        assert len(post["summary"]) > 10
    assert len(EXAMPLES) == len(descriptors())


def test_what_reads_is_there_by_get_too() -> None:
    by_get = {path.removeprefix("/") for path, item in PATHS.items() if "get" in item and "Service/" in path}
    assert by_get == {rpc for rpc in descriptors() if ROLES[rpc] is Role.READ}
    assert "304" in PATHS["/rungway.v1.ExperimentService/GetTrial"]["get"]["responses"]


def test_everything_has_a_description() -> None:
    for name, schema in SCHEMAS.items():
        assert schema["description"], name
        for field, inner in schema.get("properties", {}).items():
            assert inner.get("description") or field.startswith("$"), f"{name}.{field}"


def test_requests_are_closed_and_answers_are_open() -> None:
    assert SCHEMAS["AskRequest"]["additionalProperties"] is False
    assert SCHEMAS["Report"]["additionalProperties"] is False
    assert "additionalProperties" not in SCHEMAS["Trial"]


@pytest.mark.parametrize(
    ("message", "field", "bounds"),
    [
        ("AskRequest", "count", {"minimum": 0, "maximum": 64}),
        ("TellRequest", "results", {"minItems": 1, "maxItems": 256}),
        ("Result", "reports", {"maxItems": 4096}),
        ("Lease", "fence", {"minimum": 0, "maximum": 2**63 - 1}),
        ("Experiment", "revision", {"minimum": -(2**63), "maximum": 2**63 - 1}),
    ],
)
def test_bounds(message: str, field: str, bounds: dict[str, int]) -> None:
    assert bounds.items() <= SCHEMAS[message]["properties"][field].items()


def test_nothing_of_a_version_or_a_host() -> None:
    text = openapi.FILE.read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    assert DOCUMENT["servers"] == [{"url": "."}]
    assert DOCUMENT["info"]["version"] == "v1"
