"""Writes server/rungway_server/transport/http/openapi.json from the protos and their comments.

`make proto` runs it. With `--check` it changes nothing and fails if the file is out of date (`make lint`).
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from rungway_server.service.access import ROLES
from rungway_server.transport.http.routes import RESUMES
from scripts import protos
from scripts.openapi_errors import error_schemas, refusals
from scripts.openapi_examples import EXAMPLES
from scripts.openapi_schemas import Json, schemas

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "server" / "rungway_server" / "transport" / "http" / "openapi.json"

_ABOUT = """Hyperparameter search as a service. Every call is a POST of JSON to its path; those that read one thing \
are GETs, too. `application/proto` in both directions works as well, and is what the Python client sends.

- JSON is that of proto3, but a configuration (`Value`, `MapValue`) is plain JSON, and integers of 64 bits are \
numbers. Fields may be written as here or as in the protos (`request_id`). Requests may leave out what is empty or 0, \
or have null there. A field that the call does not have is refused.
- A number that is not finite is the text `"NaN"`, `"Infinity"` or `"-Infinity"`; inside a configuration it is \
`{"$double": "NaN"}`, and an integer beyond 2^53 is `{"$int": "9007199254740993"}` in answers.
- An error is the `Error` below, with a status of HTTP and a `reason`. 429 and 503 say when to try again \
(`Retry-After`). Repeat a call with its `requestId`: it has one effect and one answer.
- With tokens on, send `Authorization: Bearer rwy_…`. `Rungway-Namespace` names a namespace.
"""

_ALWAYS = ("400", "401", "403", "413", "415", "429", "500", "503", "504")


def document() -> Json:
    """The whole OpenAPI document."""
    files = protos.built(ROOT)
    comments = protos.comments(files)
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    services = [
        pool.FindServiceByName(f"{file.package}.{each.name}") for file in protos.own(files) for each in file.service
    ]
    methods = [method for service in services for method in service.methods]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rungway", "version": "v1", "description": _ABOUT},
        "servers": [{"url": "."}],
        "security": [{"bearer": []}, {}],
        "tags": [{"name": each.name, "description": comments[each.full_name]} for each in services],
        "paths": dict(_paths(services, comments)) | _PAGES,
        "components": {
            "schemas": schemas([m.input_type for m in methods], [m.output_type for m in methods], comments)
            | error_schemas(),
            "responses": dict(refusals()),
            "headers": _HEADERS,
            "parameters": _PARAMETERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token: `rungway token create`."}
            },
        },
    }


def _paths(services: list[ServiceDescriptor], comments: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
    for service in services:
        for method in service.methods:
            rpc = f"{service.full_name}/{method.name}"
            item: Json = {"post": _post(method, comments)}
            if ROLES[rpc].word == "read":
                item["get"] = _get(method, comments)
            yield f"/{rpc}", item


def _post(method: MethodDescriptor, comments: Mapping[str, str]) -> Json:
    request = _schema(method.input_type.name) | {"example": EXAMPLES[method.name]}
    return _operation(method, comments) | {
        "operationId": method.name,
        "parameters": _parameters(method, _COMMON),
        "requestBody": {"required": True, "content": {"application/json": request}},
    }


def _get(method: MethodDescriptor, comments: Mapping[str, str]) -> Json:
    message = {
        "name": "message",
        "in": "query",
        "required": True,
        "description": "The request.",
        "content": {"application/json": _schema(method.input_type.name) | {"example": EXAMPLES[method.name]}},
    }
    operation, refs = _operation(method, comments), _COMMON
    if not method.server_streaming:
        refs = (*_COMMON, "IfNoneMatch")
        operation["responses"]["200"]["headers"] = {"ETag": {"$ref": "#/components/headers/ETag"}}
        operation["responses"] |= {"304": {"description": "As it was when it had this `ETag`."}}
    parameters = [message, {"$ref": "#/components/parameters/Encoding"}, *_parameters(method, refs)]
    return operation | {"operationId": f"{method.name}ByGet", "parameters": parameters}


_COMMON: tuple[str, ...] = ("Namespace", "Timeout")


def _parameters(method: MethodDescriptor, names: tuple[str, ...]) -> list[Json]:
    """References to the parameters of these names; a stream that can be resumed has one more."""
    resumes = method.server_streaming and not RESUMES.isdisjoint(method.input_type.fields_by_name)
    return [{"$ref": f"#/components/parameters/{name}"} for name in (*names, *(("LastEventId",) if resumes else ()))]


def _operation(method: MethodDescriptor, comments: Mapping[str, str]) -> Json:
    """What POST and GET of an rpc have in common."""
    role = ROLES[f"{method.containing_service.full_name}/{method.name}"].word
    said = comments[method.full_name]
    if method.server_streaming:
        said += _STREAM
        good = {"text/event-stream": {"schema": _event(method.output_type.name)}}
    else:
        good = {"application/json": _schema(method.output_type.name)}
    statuses = [*_ALWAYS, "404"] + (["409"] if _may_clash(method) else [])
    return {
        "tags": [method.containing_service.name],
        "summary": said.partition(". ")[0].rstrip("."),
        "description": f"{said}\n\nNeeds the role `{role}`.",
        "security": [{"bearer": [role]}, {}],
        "responses": {"200": {"description": comments[method.output_type.full_name], "content": good}}
        | {status: {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)},
    }


_STREAM = (
    " A stream of server-sent events with `Accept: text/event-stream`: `data:` is the JSON of a message, a refusal"
    " on the way is the event `error`, and the stream ends by itself. `application/connect+json` has the same as"
    " Connect's envelopes."
)


def _event(message: str) -> Json:
    """The schema of one event of a stream."""
    kinds = [{"$ref": f"#/components/schemas/{message}"}, {"$ref": "#/components/schemas/Error"}, {"const": {}}]
    return {
        "description": "One event. `message`: the next one; `error`: the stream was refused on the way; `end`: it is"
        " complete.",
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string", "description": "For `Last-Event-ID`, where the stream can be resumed."},
            "event": {"enum": ["message", "error", "end"]},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": kinds}},
        },
    }


def _may_clash(method: MethodDescriptor) -> bool:
    return "request_id" in method.input_type.fields_by_name


def _schema(name: str) -> Json:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


_HEADERS: Json = {
    "RetryAfter": {"description": "Seconds to wait, at least 1.", "schema": {"type": "integer", "minimum": 1}},
    "ETag": {"description": "For `If-None-Match` of the next GET.", "schema": {"type": "string"}},
}
_PARAMETERS: Json = {
    "Namespace": {
        "name": "Rungway-Namespace",
        "in": "header",
        "description": "The namespace of the call, where the token does not name it.",
        "schema": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
    },
    "Timeout": {
        "name": "Connect-Timeout-Ms",
        "in": "header",
        "description": "Deadline of the call in milliseconds.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,10}$"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` that you have: the answer is 304 if it is still the same.",
        "schema": {"type": "string", "pattern": '^(W/)?"[!#-~]*"$'},
    },
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The `id:` of the last event that was read: the stream goes on after it.",
        "schema": {"type": "string", "pattern": "^[0-9a-f.-]+$"},
    },
    "Encoding": {
        "name": "encoding",
        "in": "query",
        "description": "What `message` is: JSON as here. `proto`, with `base64=1`, is a message of protobuf.",
        "schema": {"const": "json"},
    },
}
_TEXT: Json = {"text/plain": {"schema": {"type": "string"}}}


def _page(name: str, summary: str, answers: Mapping[str, str], content: Json) -> Json:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "security": [],
            "responses": {status: {"description": meaning, "content": content} for status, meaning in answers.items()},
        }
    }


_PAGES: Json = {
    "/livez": _page("livez", "Whether the process lives", {"200": "It does."}, _TEXT),
    "/readyz": _page(
        "readyz",
        "Whether calls are served",
        {"200": "They are.", "503": "Redis does not answer, or the service is about to end."},
        _TEXT,
    ),
    "/openapi.json": _page(
        "openapi", "This document", {"200": "It."}, {"application/json": {"schema": {"type": "object"}}}
    ),
}


def text() -> str:
    """The file."""
    return json.dumps(document(), ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    """Write the file; with `--check`, only report whether it is out of date."""
    made = text()
    if FILE.exists() and FILE.read_text(encoding="utf-8") == made:
        return 0
    if "--check" in sys.argv:
        print(f"{FILE.relative_to(ROOT)} is out of date: make proto")
        return 1
    FILE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
