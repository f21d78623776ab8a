import pickle

import grpc
import pytest

from rungway._core import errors
from tests.unit.client.scripted import Abort

STATUSES = [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
def test_every_status_has_its_exception(status: grpc.StatusCode) -> None:
    error = errors.from_status(status, "text")
    assert type(error) is errors.ERROR_BY_STATUS[status]
    assert error.code is status
    assert str(error) == "text"


NOT_BY_NAME = {
    "CANCELLED": errors.Unavailable,
    "UNKNOWN": errors.InternalError,
    "INTERNAL": errors.InternalError,
    "DATA_LOSS": errors.InternalError,
    "ABORTED": errors.FailedPrecondition,
    "OUT_OF_RANGE": errors.InvalidArgument,
}


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
def test_exceptions_are_named_after_their_status(status: grpc.StatusCode) -> None:
    named = getattr(errors, status.name.title().replace("_", ""), None)
    assert errors.ERROR_BY_STATUS[status] is NOT_BY_NAME.get(status.name, named)


def test_no_exception_is_forgotten() -> None:
    by_client_alone = {errors.OutcomeUnknown}
    assert set(errors.RungwayError.__subclasses__()) == set(errors.ERROR_BY_STATUS.values()) | by_client_alone


def test_the_docstring_draws_the_tree() -> None:
    for kind in errors.RungwayError.__subclasses__():
        assert f"── {kind.__name__} " in (errors.__doc__ or "")


def test_details_are_read() -> None:
    violations = (("searcher.max_trials", "got 0, wanted at least 1"), ("seed", "got 'x', wanted an integer"))
    abort = Abort(grpc.StatusCode.INVALID_ARGUMENT, reason="INVALID_FIELD", metadata={"a": "1"}, violations=violations)
    error = errors.from_status(abort.code, abort.message, abort.status_bytes())
    assert isinstance(error, errors.InvalidArgument)
    assert (error.reason, error.details, error.retry_after) == ("INVALID_FIELD", {"a": "1"}, None)
    assert list(error.violations) == list(violations)


def test_retry_info_is_read() -> None:
    abort = Abort(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=1.5)
    assert errors.from_status(abort.code, "full", abort.status_bytes()).retry_after == 1.5


def test_details_that_cannot_be_read_do_not_hide_the_error() -> None:
    error = errors.from_status(grpc.StatusCode.NOT_FOUND, "there is no experiment 'x'", b"\xff\xff\xff")
    assert isinstance(error, errors.NotFound)
    assert str(error) == "there is no experiment 'x'"


def test_errors_survive_pickling() -> None:
    error = errors.InvalidArgument.one("metric", "wanted a real number")
    error.attempts = 3
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.code, copy.violations, copy.attempts) == (str(error), error.code, error.violations, 3)
    assert pickle.loads(pickle.dumps(errors.Preempted("bye", checkpoint="path"))).checkpoint == "path"
