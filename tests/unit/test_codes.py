"""The words of the engine are the same in proto, Python and Lua, and each has a text."""

from enum import StrEnum

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from rungway.v1 import experiment_pb2, trial_pb2
from rungway_server.domain.engine import Decision, ExperimentState, Explanation, Outcome, Reason, TrialState
from rungway_server.domain.explain import in_words
from rungway_server.store.redis.layout.codes import CODES, WORDS

NEVER_STORED = {Reason.BETWEEN_RUNGS, Reason.LEASE_LOST, Reason.CONCURRENCY_LIMIT, Reason.WAITING_FOR_RESULTS}
"""Reasons of replies that are neither remembered nor logged."""


AS_WORDS = {
    Reason.GOING_ON,
    Reason.BLIND,
    Reason.BUDGET_SPENT,
    Reason.PROMOTED_AMONG_OWN,
    Reason.RUNG_FULL,
    Reason.OUTRANKED,
}
"""Reasons of searches of layouts 12 to 14 alone: they are stored as words, so that the numbers of layout 6 stay."""


@pytest.mark.parametrize(
    ("proto", "python"),
    [
        (trial_pb2.Reason, Reason),
        (trial_pb2.Decision, Decision),
        (trial_pb2.Outcome, Outcome),
        (trial_pb2.TrialState, TrialState),
        (experiment_pb2.ExperimentState, ExperimentState),
    ],
)
def test_python_has_the_words_of_the_proto(proto: EnumTypeWrapper, python: type[StrEnum]) -> None:
    """Only the service reports an experiment as unreadable, never the engine."""
    words = {name.removeprefix(prefix_of(python)).lower() for name, _ in proto.items()} - {"unspecified", "unreadable"}
    assert {str(word) for word in python} == words
    assert all(word.name.lower() == word for word in python)


def prefix_of(kind: type[StrEnum]) -> str:
    """The prefix of the values of the proto enum."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in kind.__name__)[1:].upper() + "_"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_text(reason: Reason) -> None:
    assert in_words(Explanation(reason, 0, 1, 2, 9, 3, 0.5, 4))


def test_every_reason_that_is_stored_has_a_number() -> None:
    assert set(Reason) - NEVER_STORED - AS_WORDS <= set(CODES)
    assert not (NEVER_STORED | AS_WORDS) & set(CODES)
    assert len(WORDS) == len(CODES)
