import logging
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from rungway import ClientConfig, InvalidArgument, OutcomeUnknown, ResourceExhausted, RungwayError, Unavailable
from rungway._core import errors
from rungway._core.calls import call
from rungway._core.flow import Attempt, Effect, Flow, Sleep, drive
from rungway._core.retry import Retry, is_transient
from rungway._core.rpcs import GET_EXPERIMENT, TELL
from rungway.v1 import experiment_service_pb2, search_service_pb2

CONFIG = ClientConfig(target="x:1", backoff_initial=1.0, backoff_multiplier=2.0, backoff_max=5.0, attempt_timeout=10.0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def retry(clock: Clock, *, limit: float | None = None, request_id: str | None = "r1", luck: float = 1.0) -> Retry:
    return Retry(CONFIG, "Tell", limit=limit, request_id=request_id, clock=clock, rng=lambda: luck)


def test_the_ceiling_doubles_up_to_its_maximum() -> None:
    tries = retry(Clock())
    assert [tries.delay_after(Unavailable("x")) for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_wait_is_any_part_of_the_ceiling() -> None:
    assert retry(Clock(), luck=0.0).delay_after(Unavailable("x")) == 0.0
    assert retry(Clock(), luck=0.25).delay_after(Unavailable("x")) == 0.25


def test_a_wait_is_at_least_what_the_service_says() -> None:
    assert retry(Clock(), luck=0.5).delay_after(Unavailable("x", retry_after=3.0)) == 3.5


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_which_codes_are_transient(code: grpc.StatusCode) -> None:
    codes = grpc.StatusCode
    passing = {codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED, codes.CANCELLED, codes.RESOURCE_EXHAUSTED}
    assert is_transient(errors.from_status(code, "x")) == (code in passing)


def test_a_limit_is_transient_only_when_waiting_helps() -> None:
    assert is_transient(ResourceExhausted("shed", reason="OVERLOADED", retry_after=0.1))
    assert not is_transient(ResourceExhausted("too many trials", reason="TRIAL_LIMIT"))


def test_an_attempt_never_outlasts_the_call() -> None:
    clock = Clock()
    tries = retry(clock, limit=12.0)
    assert tries.timeout() == 10.0
    clock.now = 8.0
    assert tries.timeout() == 4.0


def test_giving_up_says_whether_the_call_may_have_been_executed() -> None:
    clock = Clock()
    changes, reads, refused = (retry(clock, limit=5.0, request_id=each) for each in ("r1", None, "r1"))
    clock.now = 4.5
    with pytest.raises(OutcomeUnknown) as unknown:
        changes.delay_after(Unavailable("gone", reason="STORE_UNAVAILABLE", details={"a": "b"}))
    assert (unknown.value.request_id, unknown.value.reason) == ("r1", "STORE_UNAVAILABLE")
    assert "gone" in str(unknown.value)
    with pytest.raises(Unavailable):
        reads.delay_after(errors.DeadlineExceeded("slow"))
    with pytest.raises(ResourceExhausted):
        refused.delay_after(ResourceExhausted("shed", retry_after=0.1))


def test_the_outcome_stays_unknown_when_a_later_attempt_was_refused() -> None:
    clock = Clock()
    tries = retry(clock, limit=5.0)
    tries.delay_after(Unavailable("reply lost"))
    clock.now = 4.9
    with pytest.raises(OutcomeUnknown):
        tries.delay_after(ResourceExhausted("shed", retry_after=1.0))


def test_an_outage_is_logged_in_one_line_and_its_end_in_another(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    tries = retry(clock)
    with caplog.at_level(logging.WARNING, "rungway"):
        for clock.now in range(0, 100):
            tries.delay_after(Unavailable("gone"))
        tries.answered()
        tries.answered()
    assert len(caplog.records) == 2
    assert "x:1 has not answered Tell for 5 s" in caplog.messages[0]
    assert "answers again after 99 s" in caplog.messages[-1]


def by_hand(flow: Flow[Any], answers: list[Message | RungwayError]) -> tuple[Any, list[Effect]]:
    """Drives a flow with these answers to its attempts; also what it did."""
    done: list[Effect] = []

    def perform(effect: Effect) -> Message | None:
        done.append(effect)
        if isinstance(effect, Sleep):
            return None
        answer = answers.pop(0)
        if isinstance(answer, RungwayError):
            raise answer
        return answer

    return drive(flow, perform), done


def test_every_attempt_is_the_same_request() -> None:
    request = search_service_pb2.TellRequest(request_id="r1")
    reply = search_service_pb2.TellResponse(revision=7)
    answered, done = by_hand(call(CONFIG, TELL, request, limit=None), [Unavailable("1"), Unavailable("2"), reply])
    assert answered is reply
    attempts = [effect for effect in done if isinstance(effect, Attempt)]
    assert [attempt.request for attempt in attempts] == [request] * 3
    assert [type(effect) for effect in done] == [Attempt, Sleep, Attempt, Sleep, Attempt]


def test_other_errors_are_raised_at_once_with_the_number_of_attempts() -> None:
    request = experiment_service_pb2.GetExperimentRequest(experiment="digits")
    with pytest.raises(errors.NotFound) as caught:
        by_hand(call(CONFIG, GET_EXPERIMENT, request, limit=60.0), [Unavailable("1"), errors.NotFound("2")])
    assert caught.value.attempts == 2


def test_a_request_too_large_is_never_sent() -> None:
    request = search_service_pb2.FailRequest(message="x" * (1 << 20))
    with pytest.raises(InvalidArgument, match="wanted at most 1048576"):
        by_hand(call(CONFIG, TELL, request, limit=None), [])
