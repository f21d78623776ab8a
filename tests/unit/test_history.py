"""The checks of tests/support/history.py find broken promises."""

import pytest

from rungway.v1 import trial_pb2
from tests.support.history import Call, Held, History, check_events, most_at_once


def held(trial: int, fencing_token: int, since: float, until: float | None, *, new: bool = True) -> Held:
    reason = trial_pb2.REASON_NEW_TRIAL if new else trial_pb2.REASON_PROMOTED
    assignment = trial_pb2.Assignment(
        lease=trial_pb2.Lease(trial=trial, fence=fencing_token), explanation=trial_pb2.Explanation(reason=reason)
    )
    assignment.lease_deadline.FromSeconds(100)
    return Held(assignment, since, until)


GOOD = [held(0, 1, 1.0, 2.0), held(1, 2, 1.0, 3.0), held(0, 3, 2.0, 4.0, new=False)]


def test_a_good_history_passes() -> None:
    calls = [Call(0.0, 1.0, 1, True), Call(0.5, 1.5, 2, True), Call(2.0, 3.0, 3, True), Call(4.0, 5.0, 3, False)]
    History(calls=calls, held=GOOD).check(max_trials=2, cap=2)
    History(held=GOOD, invalid={1}).check(max_trials=1, cap=2)


@pytest.mark.parametrize(
    ("leases", "trials", "cap"),
    [
        pytest.param([*GOOD, held(2, 4, 9.0, 10.0)], 2, 2, id="one trial too many"),
        pytest.param(GOOD, 3, 2, id="one trial too few"),
        pytest.param([held(0, 1, 1.0, 2.0), held(0, 2, 3.0, 4.0)], 1, 2, id="a trial started twice"),
        pytest.param([held(0, 1, 1.0, 2.0), held(1, 1, 3.0, 4.0)], 2, 2, id="a fencing token used twice"),
        pytest.param([held(0, 2, 1.0, 2.0), held(0, 1, 3.0, 4.0, new=False)], 1, 2, id="a smaller fencing token"),
        pytest.param([held(0, 1, 1.0, 2.0), held(0, 2, 1.9, 4.0, new=False)], 1, 2, id="held twice"),
        pytest.param([held(0, 1, 1.0, None), held(0, 2, 99.0, None, new=False)], 1, 2, id="held before it expired"),
        pytest.param(GOOD, 2, 1, id="above the cap"),
    ],
)
def test_a_bad_lease_is_found(leases: list[Held], trials: int, cap: int) -> None:
    with pytest.raises(AssertionError):
        History(held=leases).check(trials, cap)


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([Call(0.0, 1.0, 5, True), Call(2.0, 3.0, 4, True)], id="later and yet before"),
        pytest.param([Call(0.0, 1.0, 5, True), Call(0.0, 1.0, 5, True)], id="two changes, one revision"),
        pytest.param([Call(0.0, 1.0, 5, True), Call(2.0, 3.0, 4, False)], id="an old answer"),
    ],
)
def test_a_bad_order_is_found(calls: list[Call]) -> None:
    with pytest.raises(AssertionError):
        History(calls=calls).check_order()


@pytest.mark.parametrize(
    ("events", "trials", "cap"),
    [
        pytest.param(["assign 0 new_trial", "assign 0 requeued"], 1, 0, id="held twice"),
        pytest.param(["assign 0 new_trial", "assign 1 new_trial", "stop 0 x", "stop 1 x"], 2, 1, id="above the cap"),
        pytest.param(["assign 0 new_trial", "stop 0 completed"], 2, 0, id="too few"),
        pytest.param(["assign 0 new_trial", "stop 0 x", "assign 1 new_trial", "stop 1 x"], 1, 0, id="too many"),
        pytest.param(["assign 0 new_trial"], 1, 0, id="a lease left over"),
    ],
)
def test_a_bad_log_is_found(events: list[str], trials: int, cap: int) -> None:
    with pytest.raises((AssertionError, KeyError)):
        check_events([event.split(" ") for event in events], trials, cap)


def test_intervals_that_touch_do_not_overlap() -> None:
    assert most_at_once([(1, 2), (2, 3), (1.5, 2.5)]) == 2
    assert most_at_once([]) == 0
