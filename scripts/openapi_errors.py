"""How the OpenAPI document describes refusals: the status of each, its reasons, and the JSON of an error."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.openapi_schemas import Json

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"

_STATUSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "400": (
        "The request is wrong, or does not fit the state of the search.",
        ("invalid_argument", "failed_precondition", "out_of_range"),
    ),
    "401": ("No valid token.", ("unauthenticated",)),
    "403": ("The token does not allow it, or a browser called from another site.", ("permission_denied",)),
    "404": ("It is not there.", ("not_found", "unimplemented")),
    "409": ("It is there already.", ("already_exists", "aborted")),
    "413": ("The body is too large.", ()),
    "415": ("The body has another content type or coding than the ones listed.", ("unimplemented", "invalid_argument")),
    "429": ("Too much at once: repeat it later.", ("resource_exhausted",)),
    "500": ("A fault of the service.", ("internal", "unknown", "data_loss")),
    "503": ("The service, or Redis behind it, does not answer: repeat it later.", ("unavailable",)),
    "504": ("The deadline of the call is over.", ("deadline_exceeded",)),
}
"""Each status of a refusal: what it means, and the codes of Connect that have it."""
_OTHERS = {"REQUEST_TOO_LARGE": "413"}
"""Reasons with another status than that of their code."""
_LATER = ("429", "503")


def refusals() -> Iterator[tuple[str, Json]]:
    """The response of each status."""
    every = {reason: _OTHERS.get(reason, code) for reason, (code, _) in _reasons().items()}
    for status, (meaning, codes) in _STATUSES.items():
        reasons = [f"`{reason}`" for reason, found in every.items() if found in (status, *codes)]
        text = f"{meaning} Reasons: {', '.join(reasons)}." if reasons else meaning
        schema = {"$ref": "#/components/schemas/Error"}
        response: Json = {"description": text, "content": {"application/json": {"schema": schema}}}
        if status in _LATER:
            response["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
        yield status, response


def error_schemas() -> Json:
    """The schemas of an error."""
    codes = sorted({code for _, codes in _STATUSES.values() for code in codes} | {"canceled"})
    reasons = "\n".join(f"- `{reason}`: {meaning}" for reason, (_, meaning) in _reasons().items())
    violation = _object(
        "One field.",
        {"field": _text("Its path."), "description": _text("What is wrong with it.")},
        optional=("field",),  # the name of a field may be an empty text
    )
    details = {
        "ErrorInfo": _object(
            "Why, for programs.",
            {
                "reason": _text(reasons, enum=list(_reasons())),
                "domain": _text("Always the same.", const="rungway"),
                "metadata": {
                    "description": "What the message mentions, by name.",
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                },
            },
            optional=("metadata",),
        ),
        "BadRequest": _object(
            "Which fields are wrong.",
            {"fieldViolations": {"description": "Each of them.", "type": "array", "items": violation}},
        ),
        "RetryInfo": _object("When to try again.", {"retryDelay": _text("Seconds, such as `1s`.")}),
    }
    detail = _object(
        "A message of google.rpc: `ErrorInfo` always where the service itself refuses, `BadRequest` and `RetryInfo`"
        " where they apply.",
        {
            "type": _text("Its name.", enum=[f"google.rpc.{name}" for name in details]),
            "value": _text("Its bytes, in base64 without padding."),
            "debug": {
                "description": "The same as JSON.",
                "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in details],
            },
        },
    )
    several = {"type": "array", "items": {"$ref": "#/components/schemas/ErrorDetail"}, "description": "For programs."}
    error = _object(
        "Why a call was refused. A refused call has changed nothing.",
        {"code": _text("The status.", enum=codes), "message": _text("For a developer."), "details": several},
        optional=("message", "details"),
    )
    return {"Error": error, "ErrorDetail": detail, **details}


def _text(description: str, **more: object) -> Json:
    return {"description": description, "type": "string", **more}


def _object(description: str, properties: Json, optional: tuple[str, ...] = ()) -> Json:
    required = [name for name in properties if name not in optional]
    return {"description": description, "type": "object", "required": required, "properties": properties}


def _reasons() -> Mapping[str, tuple[str, str]]:
    """Each reason of the service in docs/errors.md: its code in Connect's spelling, and what it means."""
    page = _PAGE.read_text(encoding="utf-8").split("## Reasons of the service\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \|", page, re.MULTILINE)
    return {reason: (status.lower(), meaning) for reason, status, meaning in rows}
