"""Errors on the wire: a table from error to status code, and a google.rpc.Status for each failure."""

import functools
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from rungway_server import logs, tracing
from rungway_server.domain import errors
from rungway_server.transport import call_log
from rungway_server.transport.messages import Unreadable

DOMAIN = "rungway"

STATUS: dict[type[errors.RungwayError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownExperiment: grpc.StatusCode.NOT_FOUND,
    errors.UnknownTrial: grpc.StatusCode.NOT_FOUND,
    errors.ExperimentExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.ConfigDiffers: grpc.StatusCode.ALREADY_EXISTS,
    errors.RequestIdReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.WrongState: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NoTrialsLeft: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NewerSchema: grpc.StatusCode.FAILED_PRECONDITION,
    errors.OlderSchema: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.CrossSite: grpc.StatusCode.PERMISSION_DENIED,
    errors.UnknownHost: grpc.StatusCode.PERMISSION_DENIED,
    errors.QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.StoreFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ServiceStopping: grpc.StatusCode.UNAVAILABLE,
}

_FAULTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)
"""Statuses that a span of ours shows as an error; the others are a matter of the caller."""
_RETRY_SECONDS = 1
_LONGEST_TEXT = 800
"""Longest message of a failure (bytes). Clients refuse trailers above 8 KB, and the message is in them twice."""
_MOST_VIOLATIONS = 2_400
"""Most bytes of all field violations of a failure together."""
_LONGEST_PATH = 500
_log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]
Request = TypeVar("Request")
Response = TypeVar("Response")
Servicer = TypeVar("Servicer")


def typed_errors(
    method: Callable[[Servicer, Request, Context], Awaitable[Response]],
) -> Callable[[Servicer, Request, Context], Awaitable[Response]]:
    """Wraps an rpc so that callers get typed errors, and no details of unexpected ones. Each call that is refused is a
    line in the log; at the level debug each that is served is one, too."""

    @functools.wraps(method)
    async def wrapped(servicer: Servicer, request: Request, context: Context) -> Response:
        if not tracing.is_on():
            return await served(servicer, request, context)
        with tracing.call(_service(servicer), method.__name__, context):
            tracing.describe(**call_log.subject("", call_log.caller_of(context), request))
            return await served(servicer, request, context)

    async def served(servicer: Servicer, request: Request, context: Context) -> Response:
        began = time.perf_counter() if logs.is_debug() else 0
        try:
            if isinstance(request, Unreadable):
                raise errors.InvalidInput.one("request", request.problem, reason="UNREADABLE_REQUEST")
            response = await method(servicer, request, context)
        except Exception as error:
            await refuse(context, error, method.__name__, request=request)
        if began:
            caller = call_log.caller_of(context)
            call_log.served(method.__name__, caller, request, response, time.perf_counter() - began)
        return response

    return wrapped


def _service(servicer: object) -> str:
    """The full name of the service that a servicer serves: that of the generated class above it."""
    return f"rungway.v1.{type(servicer).__mro__[1].__name__.removesuffix('Servicer')}"


async def refuse(context: Context, error: Exception, rpc: str, *, namespace: str = "", request: Any = None) -> NoReturn:
    """Abort a call with this error; see `status_of`. `namespace`: the one that the caller named, if it was not
    admitted."""
    if isinstance(error, grpc.aio.InternalError):  # the caller has gone, so nothing can be written
        raise error
    status = status_of(error, rpc, call_log.caller_of(context, namespace), request)
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort_with_status returned")


def status_of(error: Exception, rpc: str, caller: call_log.Caller, request: Any = None) -> status_pb2.Status:
    """The status of an error: typed, or for an unexpected one an incident number. The log gets a line of the call, and
    with an incident the error."""
    if isinstance(error, errors.RungwayError):
        call_log.refused(error, rpc, caller, request)
        tracing.failed(error.reason, str(error), fault=STATUS[type(error)] in _FAULTS)
        return _status(STATUS[type(error)], str(error), _details(error))
    incident = secrets.token_hex(6)
    _log.error("unexpected_error", **call_log.subject(rpc, caller, request), incident=incident, exc_info=error)
    tracing.failed("INTERNAL", f"incident {incident}", fault=True)
    text = f"unexpected error; the server's log has it as incident {incident}"
    return _status(grpc.StatusCode.INTERNAL, text, [_info("INTERNAL", {"incident": incident})])


def _info(reason: str, metadata: dict[str, str]) -> Message:
    info: Message = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    return info


def _details(error: errors.RungwayError) -> list[Message]:
    details = [_info(error.reason, error.details)]
    if isinstance(error, errors.InvalidInput | errors.ConfigDiffers):
        fields = error.violations if isinstance(error, errors.InvalidInput) else error.differences
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in _that_fit(fields)
        ]
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if isinstance(error, errors.StoreUnavailable | errors.ServiceStopping | errors.Overloaded):
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=_RETRY_SECONDS)))
    if isinstance(error, errors.QuotaExceeded) and error.retry_seconds:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_seconds * 1e9) + 1)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _that_fit(violations: Sequence[errors.Violation]) -> Iterator[errors.Violation]:
    """The first violations, as many as fit into a trailer, and the number of the others."""
    room = _MOST_VIOLATIONS
    for i, violation in enumerate(violations):
        field, description = _cut(violation.field, _LONGEST_PATH), _cut(violation.description, _LONGEST_TEXT)
        room -= len(field.encode()) + len(description.encode())
        if room < 0:
            yield errors.Violation("request", f"{len(violations) - i} more violations are not listed")
            return
        yield errors.Violation(field, description)


def _cut(text: str, longest: int) -> str:
    """The text, shortened to so many bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= longest else encoded[: longest - 3].decode(errors="ignore") + "…"


def _status(code: grpc.StatusCode, text: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code.value[0], message=_cut(text, _LONGEST_TEXT), details=packed)
