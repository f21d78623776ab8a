"""JSON schemas of the messages, in the JSON that the HTTP port speaks (docs/http.md)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from rungway_server.domain.engine import MOST_BEST
from rungway_server.service.checks import MOST_METRICS
from rungway_server.service.search import (
    LONGEST_CHECKPOINT,
    LONGEST_MESSAGE,
    LONGEST_WORKER,
    MOST_PER_ASK,
    MOST_PER_CALL,
    MOST_REPORTS,
)

Json = dict[str, Any]

_NAME: Json = {"pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "maxLength": 63}
_REQUEST_ID: Json = {"maxLength": 64}
_PAGE: Json = {"minimum": 0}
_COUNTED: Json = {"minimum": 0}
_MANY: Json = {"minItems": 1, "maxItems": MOST_PER_CALL}

_BOUNDS: Mapping[str, Json] = {
    "AskRequest.count": {"minimum": 0, "maximum": MOST_PER_ASK},
    "AskRequest.worker": {"maxLength": LONGEST_WORKER},
    "BestTrialsRequest.count": {"minimum": 0, "maximum": MOST_BEST},
    "CreateExperimentRequest.warm_start_count": {"minimum": 0, "maximum": MOST_BEST},
    "ExplainTrialRequest.page_size": _PAGE,
    "ExplainTrialRequest.trial": _COUNTED,
    "FailRequest.message": {"maxLength": LONGEST_MESSAGE},
    "GetTrialRequest.trial": _COUNTED,
    "HeartbeatRequest.leases": _MANY,
    "Lease.fence": _COUNTED,
    "Lease.trial": _COUNTED,
    "ListExperimentsRequest.page_size": _PAGE,
    "ListTrialsRequest.page_size": _PAGE,
    "Release.checkpoint": {"maxLength": LONGEST_CHECKPOINT},
    "Release.checkpoint_length": _COUNTED,
    "ReleaseRequest.releases": _MANY,
    "Report.length": {"minimum": 1},
    "Report.metrics": {"maxProperties": MOST_METRICS},
    "Result.checkpoint": {"maxLength": LONGEST_CHECKPOINT},
    "Result.reports": {"maxItems": MOST_REPORTS},
    "TellRequest.results": _MANY,
    "UpdateExperimentRequest.max_concurrent_trials": _COUNTED,
    "UpdateExperimentRequest.max_trials": {"minimum": 1},
    "UpdateExperimentRequest.retention_days": {"minimum": 0},
}
"""What the service accepts in a field of a request, beside its type; texts have limits in bytes."""

_NEEDED: Mapping[str, tuple[str, ...]] = {
    "CreateExperimentRequest": ("config",),
    "FailRequest": ("lease", "outcome"),
    "HeartbeatRequest": ("leases",),
    "PreviewSearchRequest": ("config",),
    "Release": ("lease",),
    "ReleaseRequest": ("releases",),
    "Report": ("length", "metric"),
    "Result": ("lease",),
    "TellRequest": ("results",),
}
"""Fields that a request must have, beside `experiment`."""

_INT64 = (-(2**63), 2**63 - 1)
_INTEGERS: Mapping[int, tuple[int, int]] = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: _INT64,
}
_WORDS_OF_DOUBLES = ("NaN", "Infinity", "-Infinity")

_INT_TEXT: Json = {"anyOf": [{"type": "string", "pattern": "^-?[0-9]{1,19}$"}, {"type": "integer"}]}


def _tagged(key: str, value: Json) -> Json:
    return {"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": False}


_VALUES: Json = {
    "MapValue": {
        "description": "A mapping with text keys, as a JSON object.",
        "type": "object",
        "additionalProperties": {"$ref": "#/components/schemas/Value"},
    },
    "Value": {
        "description": "One value, as plain JSON. A number with a point or an exponent is a double, any other number"
        " an integer of 64 bits; both are kept exactly.",
        "anyOf": [
            {"type": ["null", "boolean", "string"]},
            {"type": "integer", "minimum": _INT64[0], "maximum": _INT64[1]},
            {"type": "number"},
            {"$ref": "#/components/schemas/TaggedNumber"},
            {"type": "array", "items": {"$ref": "#/components/schemas/Value"}},
            {"$ref": "#/components/schemas/MapValue"},
        ],
    },
    "TaggedNumber": {
        "description": "A number inside a value that JSON has no number for: a double that is not finite, or in answers"
        " an integer beyond 2^53, which JavaScript would round. Any number is read in this form. An object whose only"
        " key is really `$double` or `$int` gets one more `$`: `$$double`.",
        "oneOf": [_tagged("$double", {"$ref": "#/components/schemas/Double"}), _tagged("$int", _INT_TEXT)],
    },
    "Double": {
        "description": "A number, or the text of one that is not finite.",
        "anyOf": [{"type": "number"}, {"enum": list(_WORDS_OF_DOUBLES)}],
    },
}
_TIMES: Mapping[str, Json] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "examples": ["1.5s"]},
}


def schemas(requests: Iterable[Descriptor], answers: Iterable[Descriptor], comments: Mapping[str, str]) -> Json:
    """The schema of each message and enum in reach, by its short name. Messages in reach of a request are closed: the
    service refuses fields that it does not know. In answers a newer service may send more."""
    closed = {message.full_name: message for message in _in_reach(requests)}
    every = closed | {message.full_name: message for message in _in_reach(answers)}
    made = {
        message.name: _message(message, comments, closed=name in closed)
        for name, message in every.items()
        if message.name not in _VALUES
    }
    enums = {enum.name: enum for message in every.values() for enum in _enums(message)}
    made |= {name: _enum(enum, comments) for name, enum in enums.items()}
    return dict(sorted((made | _VALUES).items()))


def _in_reach(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    """These messages and those inside them, each once."""
    line, seen = list(messages), set[str]()
    while line:
        message = line.pop()
        if message.full_name in seen or message.full_name in _TIMES:
            continue
        seen.add(message.full_name)
        yield message
        if message.name not in _VALUES:
            inner = [field.message_type for field in message.fields if field.message_type]
            line += [each for each in inner if not each.GetOptions().map_entry]


def _enums(message: Descriptor) -> Iterator[EnumDescriptor]:
    return (field.enum_type for field in message.fields if field.enum_type)


def _message(message: Descriptor, comments: Mapping[str, str], *, closed: bool) -> Json:
    schema: Json = {
        "description": comments[message.full_name],
        "type": "object",
        "properties": {field.json_name: _field(field, comments, closed) for field in message.fields},
    }
    is_there = _is_needed if closed else _is_always_there
    if needed := [field.json_name for field in message.fields if is_there(field)]:
        schema["required"] = needed
    if closed:
        schema["additionalProperties"] = False
    return schema


def _is_needed(field: FieldDescriptor) -> bool:
    return field.name == "experiment" or field.name in _NEEDED.get(_owner(field), ())


def _field(field: FieldDescriptor, comments: Mapping[str, str], closed: bool) -> Json:
    bounds = dict(_bounds(field)) if closed else {}
    if field.message_type and field.message_type.GetOptions().map_entry:
        values = _one(field.message_type.fields_by_name["value"])
        schema: Json = {"type": "object", "additionalProperties": values} | bounds
    elif field.is_repeated:
        schema = {"type": "array", "items": _one(field)} | bounds
    else:
        schema = _one(field) | bounds
    return schema | {"description": comments[field.full_name]}


def _bounds(field: FieldDescriptor) -> Json:
    if field.name == "request_id":
        return _REQUEST_ID
    if field.name == "experiment":
        return _NAME
    return _BOUNDS.get(f"{_owner(field)}.{field.name}", {})


def _is_always_there(field: FieldDescriptor) -> bool:
    """Whether every answer with its message has it, empty or not."""
    return not field.has_presence


def _owner(field: FieldDescriptor) -> str:
    return field.full_name.split(".")[-2]


def _one(field: FieldDescriptor) -> Json:
    """The schema of one value of this field."""
    if field.message_type:
        return dict(
            _TIMES.get(field.message_type.full_name, {"$ref": f"#/components/schemas/{field.message_type.name}"})
        )
    if field.enum_type:
        return {"$ref": f"#/components/schemas/{field.enum_type.name}"}
    if field.type in _INTEGERS:
        low, high = _INTEGERS[field.type]
        return {"type": "integer", "format": "int32" if high < 2**31 else "int64", "minimum": low, "maximum": high}
    return {
        FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
        FieldDescriptor.TYPE_STRING: {"type": "string"},
        FieldDescriptor.TYPE_DOUBLE: {"$ref": "#/components/schemas/Double"},
    }[field.type]


def _enum(enum: EnumDescriptor, comments: Mapping[str, str]) -> Json:
    lines = [f"- `{value.name}`: {comments[f'{enum.full_name}.{value.name}']}" for value in enum.values]
    return {
        "description": "\n".join([comments[enum.full_name], "", *lines]),
        "type": "string",
        "enum": [value.name for value in enum.values],
    }
