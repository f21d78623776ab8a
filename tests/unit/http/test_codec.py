"""JSON of messages: what is written is read back, it is proto3 JSON but for the rules of the package, and nothing else
is understood."""

import json
import math
import re
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rungway.v1.experiment_service_pb2 import CreateExperimentRequest, ListExperimentsResponse, UpdateExperimentRequest
from rungway.v1.search_service_pb2 import AskRequest, FailRequest, TellRequest
from rungway.v1.trial_pb2 import OUTCOME_ERROR, Assignment, Lease, Report, Result
from rungway.v1.value_pb2 import ListValue, MapValue, Value
from rungway.values import MAX_DEPTH, InvalidValue, from_map, to_map
from rungway_server.transport.http.codec import InvalidJson, decode, encode
from tests.fuzz.extent import tried
from tests.fuzz.strange import VALUES, deep
from tests.unit.http.every_kind import EVERY_TYPE, HAS_ANY, HAS_FLOAT, WIRE, has_values, made

ANYTHING = WIRE | {"EveryType": EVERY_TYPE}
PLAIN = [name for name, kind in ANYTHING.items() if not has_values(kind.DESCRIPTOR)]
MARKED = st.sampled_from(["$double", "$int", "$$double", "$$$int", "$", "$$", "double", "$doubles"])
NATURAL: st.SearchStrategy[Any] = VALUES | st.recursive(
    VALUES, lambda inner: st.dictionaries(MARKED, inner, min_size=1, max_size=2), max_leaves=4
)


def wire(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("name", ANYTHING)
def test_what_is_written_is_read_back(name: str) -> None:
    @tried
    @given(message=made(ANYTHING[name]))
    def run(message: Message) -> None:
        assert wire(decode(encode(message), type(message))) == wire(message)

    run()


@pytest.mark.parametrize("name", PLAIN)
def test_proto3_json_but_for_integers(name: str) -> None:
    """Integers of 64 bits, which json_format writes as texts, are numbers."""

    @tried
    @given(message=made(ANYTHING[name]))
    def run(message: Message) -> None:
        theirs = json_format.MessageToJson(message, always_print_fields_with_no_presence=True)
        assert numbers(json.loads(encode(message))) == numbers(json.loads(theirs))
        assert wire(decode(theirs.encode(), type(message))) == wire(message)
        assert wire(json_format.Parse(encode(message), type(message)())) == wire(message)

    run()


def numbers(tree: Any) -> Any:
    """A tree of JSON with texts of digits as numbers."""
    if isinstance(tree, dict):
        return {key: numbers(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return list(map(numbers, tree))
    return int(tree) if isinstance(tree, str) and re.fullmatch(r"-?\d+", tree, re.ASCII) else tree


@tried
@given(value=NATURAL)
def test_values_keep_every_bit(value: Any) -> None:
    for message in (to_map({"v": value}), ListValue(items=[to_map({"v": value}).entries["v"]])):
        text = encode(message)
        assert wire(decode(text, type(message))) == wire(message)
        assert b"NaN" not in text.replace(b'{"$double":"NaN"}', b"") or b"NaN" in repr(value).encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (5e-324, "5e-324"),
        (2**53 - 1, "9007199254740991"),
        (2**53, '{"$int":"9007199254740992"}'),
        (-(2**63), '{"$int":"-9223372036854775808"}'),
        (math.nan, '{"$double":"NaN"}'),
        (math.inf, '{"$double":"Infinity"}'),
        (-math.inf, '{"$double":"-Infinity"}'),
        ("NaN", '"NaN"'),
        ("é\0\u2028🎲", '"é\\u0000\u2028🎲"'),
        ([], "[]"),
        ({}, "{}"),
        ([1, [2.0, None]], "[1,[2.0,null]]"),
        ({"b": 1, "a": {"c": "x"}}, '{"a":{"c":"x"},"b":1}'),
        ({"$double": "NaN"}, '{"$$double":"NaN"}'),
        ({"$int": 1}, '{"$$int":1}'),
        ({"$$int": 1}, '{"$$$int":1}'),
        ({"$double": 1, "x": 2}, '{"$double":1,"x":2}'),
        ({"$other": 1}, '{"$other":1}'),
    ],
)
def test_natural_values(value: Any, text: str) -> None:
    message = to_map({"v": value}).entries["v"]
    assert encode(message).decode() == text
    assert wire(decode(text.encode(), Value)) == wire(message)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e2", 100.0),
        ("-0", 0),
        ("9223372036854775807", 2**63 - 1),
        ('{"$double": 1}', 1.0),
        ('{"$double": "-1e3"}', -1000.0),
        ('{"$int": 5}', 5),
        ('{"$int": 5.0}', 5),
        (' [ "\\ud83c\\udfb2" ] ', ["🎲"]),
    ],
)
def test_further_forms_of_values(text: str, value: Any) -> None:
    assert wire(decode(text.encode(), Value)) == wire(to_map({"v": value}).entries["v"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"requestId": "a", "count": 3}', AskRequest(request_id="a", count=3)),
        ('{"request_id": "a", "count": 3.0}', AskRequest(request_id="a", count=3)),
        ('{"requestId": null, "count": "3"}', AskRequest(count=3)),
        ('{"count": 3e0}', AskRequest(count=3)),
        ('{"length": 1, "metric": "-Infinity"}', Report(length=1, metric=-math.inf)),
        ('{"metric": 0}', Report(metric=0)),
        ('{"metric": "0.25"}', Report(metric=0.25)),
        ('{"outcome": "OUTCOME_ERROR"}', FailRequest(outcome=OUTCOME_ERROR)),
        ('{"outcome": 5}', FailRequest(outcome=OUTCOME_ERROR)),
        ('{"config": {}}', CreateExperimentRequest(config=MapValue())),
        ('{"config": null}', CreateExperimentRequest()),
        ('{"oneBytes": "-_8", "value": null}', EVERY_TYPE(one_bytes=b"\xfb\xff", value=Value())),
        (
            '{"oneBytes": "+/8=", "oneUint64": 18446744073709551615}',
            EVERY_TYPE(one_bytes=b"\xfb\xff", one_uint64=2**64 - 1),
        ),
        ('{"leaseDuration": "-1.5s"}', Assignment(lease_duration=Duration(seconds=-1, nanos=-500_000_000))),
        ('{"leaseDeadline": "1970-01-01T01:00:00.25+01:00"}', Assignment(lease_deadline=Timestamp(nanos=250_000_000))),
        ("{}", AskRequest()),
    ],
)
def test_forms_of_fields(text: str, message: Message) -> None:
    assert wire(decode(text.encode(), type(message))) == wire(message)


def test_fields_are_written_in_camel_case_with_zeros_and_without_unset_messages() -> None:
    result = Result(lease=Lease(fence=2**60), reports=[Report(metric=0)])
    tell = TellRequest(experiment="e", request_id="a", results=[result])
    assert encode(tell) == (
        b'{"experiment":"e","requestId":"a","results":[{"reports":[{"length":0,"metrics":{},"metric":0.0}],'
        b'"checkpoint":"","finished":false,"lease":{"trial":0,"fence":1152921504606846976}}]}'
    )
    later: Any = 99
    assert b'"outcome":99' in encode(FailRequest(outcome=later))
    assert encode(Report(metric=math.nan)) == b'{"length":0,"metrics":{},"metric":"NaN"}'


_INT32 = "wanted an integer from -2147483648 to 2147483647"
_INT64 = "wanted an integer from -9223372036854775808 to 9223372036854775807"
_DOUBLE = 'wanted a number, or the text "NaN", "Infinity" or "-Infinity"'
_ANY = 'wanted null, true, false, a text, a number ({"$double": "NaN"} for none), an array or an object'
_ASK = "unknown field, wanted one of experiment, requestId, count, worker, wait, waited"
_TIME, _SECONDS = 'wanted a time such as "2026-01-31T12:00:00.5Z"', 'wanted a number of seconds such as "1.5s"'
BAD: tuple[tuple[type[Message], str | bytes, str, str], ...] = (
    (AskRequest, "", "", "is empty"),
    (AskRequest, "{", "", "is not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))"),
    (AskRequest, "{} x", "", "is not JSON (Extra data: line 1 column 4 (char 3))"),
    (AskRequest, '{"worker": "a\nb"}', "", "is not JSON (Invalid control character at: line 1 column 14 (char 13))"),
    (AskRequest, b"\xef\xbb\xbf{}", "", "begins with a byte order mark, wanted plain UTF-8"),
    (AskRequest, b'{"worker": "\xff"}', "", "is not UTF-8 (byte 12)"),
    (AskRequest, b'{"worker": "\xed\xa0\x80"}', "", "is not UTF-8 (byte 12)"),
    (AskRequest, "{}".encode("utf-16"), "", "is not UTF-8 (byte 0)"),
    (AskRequest, "[" * 1_000_000, "", "is nested too deep"),
    (AskRequest, '{"a":' * 200_000, "", "is nested too deep"),
    (CreateExperimentRequest, '{"config":' + '{"a":[' * 200_000, "", "is nested too deep"),
    (AskRequest, "null", "", "got null, wanted an object"),
    (AskRequest, "[{}]", "", "got an array, wanted an object"),
    (AskRequest, '"{}"', "", 'got "{}", wanted an object'),
    (AskRequest, '{"worker": 1}', "worker", "got 1, wanted a text"),
    (AskRequest, '{"worker": ["a"]}', "worker", "got an array, wanted a text"),
    (AskRequest, '{"worker": "\\ud800"}', "worker", 'got "\\ud800", wanted a text without half a surrogate pair'),
    (AskRequest, '{"count": 3.5}', "count", f"got 3.5, {_INT32}"),
    (AskRequest, '{"count": 2147483648}', "count", f"got 2147483648, {_INT32}"),
    (AskRequest, '{"count": "1e3"}', "count", f'got "1e3", {_INT32}'),
    (AskRequest, '{"count": "x"}', "count", f'got "x", {_INT32}'),
    (AskRequest, '{"count": true}', "count", f"got true, {_INT32}"),
    (AskRequest, '{"count": 1e300}', "count", f"got 1e+300, {_INT32}"),
    (AskRequest, '{"count": 1e999}', "count", f"got 1e999, which no double can hold, {_INT32}"),
    (AskRequest, '{"count": NaN}', "count", f"got NaN, which is not JSON, {_INT32}"),
    (AskRequest, f'{{"count": {"9" * 900_000}}}', "count", f"got an integer of 900000 digits, {_INT32}"),
    (AskRequest, f'{{"count": {"9" * 300}}}', "count", f"got {'9' * 40}…, {_INT32}"),
    (AskRequest, f'{{"count": "{"9" * 5000}"}}', "count", f'got "{"9" * 40}…", {_INT32}'),
    (AskRequest, '{"wroker": "a"}', "wroker", f"{_ASK}; probably meant: worker"),
    (AskRequest, '{"requesId": "a"}', "requesId", f"{_ASK}; probably meant: requestId"),
    (AskRequest, '{"reqest_id": "a"}', "reqest_id", f"{_ASK}; probably meant: request_id"),
    (AskRequest, '{"": 1}', "", _ASK),
    (AskRequest, '{"\\ud800\\u001b": null}', '"\\ud800\\u001b"', _ASK),
    (AskRequest, f'{{"{"x" * 500_000}": 1}}', f'"{"x" * 40}…"', _ASK),
    (AskRequest, '{"worker": "a", "worker": "a"}', "worker", "is given twice"),
    (AskRequest, '{"requestId": "a", "request_id": null}', "request_id",
     "is given together with requestId, wanted one of them: they are two names of one field"),
    (TellRequest, '{"results": {}}', "results", "got an object, wanted an array"),
    (TellRequest, '{"results": [{}, null]}', "results[1]", "got null, wanted an object"),
    (TellRequest, '{"results": [{"reports": [{}, {"metric": []}]}]}', "results[0].reports[1].metric",
     f"got an array, {_DOUBLE}"),
    (TellRequest, '{"results": [{}, {"reports": [{"length": "a"}]}]}', "results[1].reports[0].length",
     f'got "a", {_INT64}'),
    (TellRequest, '{"results": [{"lease": {"fence": 1, "fence": 2}}]}', "results[0].lease.fence", "is given twice"),
    (TellRequest, '{"results": [{"finished": 1}]}', "results[0].finished", "got 1, wanted true or false"),
    (Report, '{"length": 9223372036854775808}', "length", f"got 9223372036854775808, {_INT64}"),
    (Report, '{"metric": NaN}', "metric", f"got NaN, which is not JSON, {_DOUBLE}"),
    (Report, '{"metric": -Infinity}', "metric", f"got -Infinity, which is not JSON, {_DOUBLE}"),
    (Report, '{"metric": "nan"}', "metric", f'got "nan", {_DOUBLE}'),
    (Report, '{"metric": -1e999}', "metric", f"got -1e999, which no double can hold, {_DOUBLE}"),
    (Report, '{"metric": "1e999"}', "metric", f'got "1e999", {_DOUBLE}'),
    (Report, f'{{"metric": {"9" * 310}}}', "metric", f"got {'9' * 40}…, {_DOUBLE}"),
    (Report, '{"metric": {"$double": "NaN"}}', "metric", f"got an object, {_DOUBLE}"),
    (FailRequest, '{"outcome": "ERROR"}', "outcome",
     'got "ERROR", wanted a name of Outcome; the nearest is OUTCOME_ERROR'),
    (FailRequest, '{"outcome": "outcome_diverge"}', "outcome",
     'got "outcome_diverge", wanted a name of Outcome; the nearest is OUTCOME_DIVERGED'),
    (FailRequest, '{"outcome": 2147483648}', "outcome", f"got 2147483648, {_INT32}"),
    (FailRequest, '{"outcome": true}', "outcome", "got true, wanted a name of Outcome, or its number"),
    (CreateExperimentRequest, '{"config": [1]}', "config", "got an array, wanted an object"),
    (CreateExperimentRequest, '{"config": {"a": [1, NaN]}}', "config.a[1]", f"got NaN, which is not JSON, {_ANY}"),
    (CreateExperimentRequest, '{"config": {"a": 1e999}}', "config.a", f"got 1e999, which no double can hold, {_ANY}"),
    (CreateExperimentRequest, '{"config": {"a": 9223372036854775808}}', "config.a",
     f"got 9223372036854775808, {_INT64}"),
    (CreateExperimentRequest, '{"config": {"a": {"b": 1, "b": 1}}}', "config.a.b", "is given twice"),
    (CreateExperimentRequest, '{"config": {"\\udfff": 1}}', 'config."\\udfff"',
     'got "\\udfff", wanted a text without half a surrogate pair'),
    (CreateExperimentRequest, '{"config": {"a": {"$double": "nan"}}}', "config.a.$double", f'got "nan", {_DOUBLE}'),
    (CreateExperimentRequest, '{"config": {"a": {"$int": "x"}}}', "config.a.$int", f'got "x", {_INT64}'),
    (CreateExperimentRequest, '{"config": {"$int": 1}}', "config", "got a number ($int), wanted an object"),
    (UpdateExperimentRequest, '{"maxTrials": {}}', "maxTrials", f"got an object, {_INT64}"),
    (EVERY_TYPE, '{"this": "a", "that": 1}', "that", "is given together with this, wanted one of them"),
    (EVERY_TYPE, '{"oneUint32": -1}', "oneUint32", "got -1, wanted an integer from 0 to 4294967295"),
    (EVERY_TYPE, '{"oneBytes": "a"}', "oneBytes", 'got "a", wanted bytes in base64'),
    (EVERY_TYPE, '{"colours": ["COLOUR_RED", "GREN"]}', "colours[1]",
     'got "GREN", wanted a name of Colour; the nearest is COLOUR_GREEN'),
    (EVERY_TYPE, '{"numbers": [1, null]}', "numbers[1]", f"got null, {_DOUBLE}"),
    (EVERY_TYPE, '{"byName": {"a": null}}', "byName.a", f"got null, {_INT32}"),
    (EVERY_TYPE, '{"byName": []}', "byName", "got an array, wanted an object"),
    (Assignment, '{"leaseDeadline": "yesterday"}', "leaseDeadline", f'got "yesterday", {_TIME}'),
    (Assignment, '{"leaseDeadline": "2026-02-30T00:00:00Z"}', "leaseDeadline", f'got "2026-02-30T00:00:00Z", {_TIME}'),
    (Assignment, '{"leaseDeadline": 0}', "leaseDeadline", f"got 0, {_TIME}"),
    (Assignment, '{"leaseDuration": "1m"}', "leaseDuration", f'got "1m", {_SECONDS}'),
    (Assignment, '{"leaseDuration": "999999999999s"}', "leaseDuration", f'got "999999999999s", {_SECONDS}'),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "path", "problem"), BAD, ids=[str(row[1])[:50] for row in BAD])
def test_refusals(kind: type[Message], text: str | bytes, path: str, problem: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        decode(text.encode() if isinstance(text, str) else text, kind)
    assert (refused.value.path, refused.value.problem) == (path, problem)
    assert len(str(refused.value)) < 500
    str(refused.value).encode()


def test_as_deep_as_the_wire() -> None:
    """What is accepted can be sent as protobuf in every message; what is too deep for a configuration is refused in
    the same words as there."""
    with pytest.raises(InvalidValue) as theirs:
        from_map(decode(json.dumps({"a": deep(MAX_DEPTH)}).encode(), MapValue))
    with pytest.raises(InvalidJson) as ours:
        decode(json.dumps({"a": deep(99)}).encode(), MapValue)
    assert ours.value.problem == theirs.value.problem == "nested deeper than 20 levels"
    nested = '{"a":' * 30 + "1" + "}" * 30
    read = decode(f'{{"experiments": [{{"config": {nested}}}]}}'.encode(), ListExperimentsResponse)
    assert ListExperimentsResponse.FromString(wire(read)) == read


@tried
@given(data=st.data())
def test_no_bytes_are_anything_but_a_message_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(ANYTHING.values())))
    good = encode(data.draw(made(kind)))
    cut = data.draw(st.integers(0, len(good)))
    odd = data.draw(
        st.binary(max_size=8) | st.sampled_from([b"NaN", b"1e999", b"null", b"[]", b"{}", b'"', b"\\ud800"])
    )
    for text in (odd, good[:cut], good[:cut] + odd + good[cut:], good[:cut] + odd + good[cut + len(odd) :]):
        check(text, kind)


@tried
@given(tree=VALUES, data=st.data())
def test_no_json_is_anything_but_a_message_or_refused(tree: Any, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(ANYTHING.values())))
    check(json.dumps(tree).encode(), kind)
    fields = st.sampled_from([field.json_name for field in kind.DESCRIPTOR.fields] or ["x"])
    check(json.dumps(data.draw(st.dictionaries(fields, VALUES))).encode(), kind)


def check(text: bytes, kind: type[Message]) -> None:
    try:
        message = decode(text, kind)
    except InvalidJson:
        return
    assert kind.FromString(wire(message)) is not None
    assert wire(decode(encode(message), kind)) == wire(message)


@pytest.mark.parametrize("kind", [HAS_FLOAT, HAS_ANY])
def test_types_that_the_wire_does_not_use(kind: type[Message]) -> None:
    with pytest.raises(TypeError, match="JSON of this port"):
        decode(b"{}", kind)
    with pytest.raises(TypeError, match="JSON of this port"):
        encode(kind())
