"""The log that travels with an experiment, and the contract of Katib."""

import hashlib

import pytest
from google.protobuf import descriptor_pb2
from hypothesis import given
from hypothesis import strategies as st

from rungway_server.katib.log import BadLog, Begin, Fate, Issue, Log, Outcome, read_log
from rungway_server.katib.wire import api_pb2 as pb

_COUNTS = st.integers(0, 10**8 - 1)
_EVENTS = st.one_of(
    st.builds(Begin, _COUNTS, _COUNTS),
    st.builds(Issue, _COUNTS, st.text("0123456789abcdef", min_size=4, max_size=4)),
    st.builds(Outcome, _COUNTS, st.sampled_from([Fate.FAILED, Fate.MISSING, Fate.DELETED]), st.just(0.0)),
    st.builds(Outcome, _COUNTS, st.just(Fate.TOLD), st.floats(allow_nan=False, allow_infinity=False)),
)


@given(st.text("0123456789abcdef", min_size=6, max_size=6), st.integers(0, 2**31 - 1), st.lists(_EVENTS))
def test_a_log_reads_back_equal(search_id: str, seed: int, events: list[Begin | Issue | Outcome]) -> None:
    log = Log(search_id, seed, tuple(events))
    assert read_log(str(log)) == log


@pytest.mark.parametrize(
    "text", ["", "1", "1:abc:1|", "9:abcdef:1|", "1:abcdef:1|x", "1:abcdef:1|0=", "1:abcdef:1|0=a", "1:abcdef:1|a1"]
)
def test_what_is_no_log_is_refused(text: str) -> None:
    with pytest.raises(BadLog, match="rungway-log"):
        read_log(text)


def test_the_contract_is_that_of_katib() -> None:
    """The hash is that of the descriptor in katib_api_pb2 of the Python package kubeflow-katib 0.19.0."""
    file = descriptor_pb2.FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    for message in file.message_type:
        fill(message)
    assert (
        hashlib.sha256(file.SerializeToString(deterministic=True)).hexdigest()
        == "e97c661194fd9993442f33ca0b3b914db2f4fb289a0ea4b08f0ea1b118d380a5"
    )


def fill(message: descriptor_pb2.DescriptorProto) -> None:
    """Add the names for JSON, which one generator writes down and another does not."""
    for nested in message.nested_type:
        fill(nested)
    for field in message.field:
        if not message.options.map_entry or field.name in ("key", "value"):
            first, *rest = field.name.split("_")
            field.json_name = first + "".join(word.capitalize() for word in rest)
