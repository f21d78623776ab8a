"""What a call may raise, and what a training loop may raise.

RungwayError
├── InvalidArgument      one or more fields of a request are wrong: `violations` lists them
├── NotFound             no such experiment or trial
├── AlreadyExists        the id is taken, or a request_id was used for another request
│   └── ConfigDiffers    the experiment that is there has another configuration: `differences` lists where
├── FailedPrecondition   the state of the experiment (or of the client) does not allow the call
├── PermissionDenied     the caller may not do this
├── Unauthenticated      the token is missing or wrong
├── ResourceExhausted    a limit is reached; `retry_after` (seconds) says when to try again, if that helps
├── Unavailable          the service did not answer in time; nothing was changed
├── DeadlineExceeded     the time given by the caller is over; nothing was changed
├── OutcomeUnknown       no answer in time, and the call may or may not have been executed
├── Unimplemented        the service does not offer this (yet)
└── InternalError        a bug or damage in the service

Raised by a training loop inside `with trial:`:
InvalidConfiguration     the configuration makes no sense: a new trial replaces it
Diverged                 training diverged: the trial ranks worst
Preempted                the worker must leave: the trial is requeued at no cost
"""

import os
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, cast

import grpc
from google.protobuf.message import DecodeError

from rungway.v1 import errors_pb2


class RungwayError(Exception):
    """Base of everything a call raises."""

    default_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        details: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        """The gRPC status code."""
        self.reason = reason
        """Why, as one word in UPPER_SNAKE_CASE (docs/errors.md); empty when the service did not say."""
        self.details = dict(details or {})
        """The values that the message mentions, by name."""
        self.retry_after = retry_after
        """Seconds to wait before the next attempt; None when the service did not say."""
        self.attempts = 1
        """How many attempts the call took."""


class InvalidArgument(RungwayError):
    """One or more fields of a request are wrong; `violations` lists each as (field, description)."""

    default_code = grpc.StatusCode.INVALID_ARGUMENT
    violations: Sequence[tuple[str, str]] = ()
    """Path of each wrong field, and what is wrong."""

    @classmethod
    def one(cls, field: str, description: str) -> "InvalidArgument":
        """An error found by the client itself, with a single wrong field."""
        error = cls(f"{field}: {description}", reason="INVALID_FIELD")
        error.violations = [(field, description)]
        return error


class NotFound(RungwayError):
    """No such experiment or trial."""

    default_code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(RungwayError):
    """The id is taken, or a request_id was used for another request."""

    default_code = grpc.StatusCode.ALREADY_EXISTS


class ConfigDiffers(AlreadyExists):
    """The experiment that is there has another configuration than the one given."""

    differences: Sequence[tuple[str, str]] = ()
    """Path of each field with another value ("searcher.max_trials"), and both values ("stored 20, given 30")."""


class FailedPrecondition(RungwayError):
    """The state of the experiment, or of the client, does not allow the call."""

    default_code = grpc.StatusCode.FAILED_PRECONDITION


class PermissionDenied(RungwayError):
    """The caller may not do this."""

    default_code = grpc.StatusCode.PERMISSION_DENIED


class Unauthenticated(RungwayError):
    """The token is missing or wrong."""

    default_code = grpc.StatusCode.UNAUTHENTICATED


class ResourceExhausted(RungwayError):
    """A limit is reached; `retry_after` says when to try again, if that helps."""

    default_code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(RungwayError):
    """The service did not answer in time; nothing was changed."""

    default_code = grpc.StatusCode.UNAVAILABLE


class StreamSilent(Unavailable):
    """Nothing came over a stream for so long that its connection may be lost."""


class DeadlineExceeded(RungwayError):
    """The time given by the caller is over; nothing was changed."""

    default_code = grpc.StatusCode.DEADLINE_EXCEEDED


class OutcomeUnknown(RungwayError):
    """No answer in time: the call may or may not have been executed.

    Repeat it with `request_id` to learn its outcome: calls with the same id have one effect and get the same answer.
    """

    default_code = grpc.StatusCode.UNAVAILABLE
    request_id: str = ""
    """The request id of the call."""


class Unimplemented(RungwayError):
    """The service does not offer this (yet)."""

    default_code = grpc.StatusCode.UNIMPLEMENTED


class InternalError(RungwayError):
    """A bug or damage in the service."""

    default_code = grpc.StatusCode.INTERNAL


class InvalidConfiguration(Exception):
    """Raise it when the configuration makes no sense: its results are removed and a new trial replaces it."""


class Diverged(Exception):
    """Raise it when training diverged: the trial ranks after every result and is never run again."""


class Preempted(Exception):
    """Raise it when the worker must leave: the trial is requeued at no cost.

    `checkpoint` is where the state at the last reported length was saved; None = no new checkpoint. A checkpoint that
    is refused counts as a failure of the trial.
    """

    def __init__(self, message: str = "", *, checkpoint: str | os.PathLike[str] | None = None) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


ERROR_BY_STATUS: Final[Mapping[grpc.StatusCode, type[RungwayError]]] = {
    grpc.StatusCode.CANCELLED: Unavailable,  # by the other side: a server that shuts down does this
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: FailedPrecondition,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: InternalError,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
}
"""The exception for each status."""

_DETAILS_KEY = "grpc-status-details-bin"
_BAD_REQUEST = "google.rpc.BadRequest"


def from_rpc_error(failure: grpc.RpcError) -> RungwayError:
    """The typed error behind what grpc or grpc.aio raised."""
    call = cast("grpc.Call", failure)
    trailers = call.trailing_metadata() or ()
    binary = next((value for key, value in trailers if key == _DETAILS_KEY), b"")
    return from_status(call.code(), call.details() or call.code().name, cast("bytes", binary))


def from_status(code: grpc.StatusCode, message: str, binary: bytes = b"") -> RungwayError:
    """The typed error for a status; `binary` is an encoded google.rpc.Status. Parts it cannot read are left out."""
    error = ERROR_BY_STATUS.get(code, InternalError)(message, code=code)
    try:
        details = [
            (detail.type_url.rpartition("/")[2], detail.value)
            for detail in errors_pb2.RpcStatus.FromString(binary).details
        ]
        if _is_about_fields(details) and isinstance(error, AlreadyExists):
            error = ConfigDiffers(message, code=code)
        for name, value in details:
            _add_detail(error, name, value)
    except DecodeError:
        error.details.setdefault("undecoded", _DETAILS_KEY)
    return error


def _add_detail(error: RungwayError, name: str, value: bytes) -> None:
    if name == "google.rpc.ErrorInfo":
        info = errors_pb2.ErrorInfo.FromString(value)
        error.reason = info.reason
        error.details.update(info.metadata)
    elif name == "google.rpc.RetryInfo":
        error.retry_after = errors_pb2.RetryInfo.FromString(value).retry_delay.ToNanoseconds() / 1e9
    elif name == _BAD_REQUEST and isinstance(error, InvalidArgument | ConfigDiffers):
        request = errors_pb2.BadRequest.FromString(value)
        fields = [(violation.field, violation.description) for violation in request.field_violations]
        if isinstance(error, InvalidArgument):
            error.violations = fields
        else:
            error.differences = fields


def _is_about_fields(details: Sequence[tuple[str, bytes]]) -> bool:
    return any(name == _BAD_REQUEST for name, _ in details)
