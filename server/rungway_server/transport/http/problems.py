"""Errors as HTTP answers: the google.rpc.Status of gRPC in the JSON of the Connect protocol."""

import base64
import json
from collections.abc import Mapping

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from rungway_server.transport.http.replies import Header, Reply

_HTTP_STATUS: Mapping[int, int] = {
    code_pb2.CANCELLED: 499,
    code_pb2.INVALID_ARGUMENT: 400,
    code_pb2.DEADLINE_EXCEEDED: 504,
    code_pb2.NOT_FOUND: 404,
    code_pb2.ALREADY_EXISTS: 409,
    code_pb2.PERMISSION_DENIED: 403,
    code_pb2.RESOURCE_EXHAUSTED: 429,
    code_pb2.FAILED_PRECONDITION: 400,
    code_pb2.ABORTED: 409,
    code_pb2.OUT_OF_RANGE: 400,
    code_pb2.UNIMPLEMENTED: 501,
    code_pb2.UNAVAILABLE: 503,
    code_pb2.UNAUTHENTICATED: 401,
}
"""Connect protocol, "Error codes"; any other code is 500."""
_DETAILS: Mapping[str, type[Message]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
}


class Refused(Exception):
    """A call was refused with this status."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


def error_object(status: status_pb2.Status) -> dict[str, object]:
    """The error as the Connect protocol writes it."""
    code = code_pb2.Code.Name(status.code).lower().replace("cancelled", "canceled")
    found: dict[str, object] = {"code": code, "message": status.message}
    if status.details:
        found["details"] = [_detail(each.type_url.rpartition("/")[2], each.value) for each in status.details]
    return found


def _detail(name: str, value: bytes) -> dict[str, object]:
    detail: dict[str, object] = {"type": name, "value": base64.b64encode(value).decode().rstrip("=")}
    if kind := _DETAILS.get(name):
        detail["debug"] = MessageToDict(kind.FromString(value))
    return detail


def error_reply(status: status_pb2.Status, http_status: int | None = None) -> Reply:
    """The error as a reply; `http_status` other than the one of the code, where HTTP has a better one."""
    headers: list[Header] = []
    if (seconds := _retry_seconds(status)) is not None:
        headers.append((b"retry-after", str(seconds).encode()))
    if status.code == code_pb2.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    body = json.dumps(error_object(status), ensure_ascii=False, separators=(",", ":")).encode()
    reply = Reply(http_status or _HTTP_STATUS.get(status.code, 500), b"application/json", body, headers)
    reply.error = status
    return reply


def _retry_seconds(status: status_pb2.Status) -> int | None:
    """Whole seconds, at least 1, after which a repeated call may succeed; None = the status does not say."""
    for each in status.details:
        if each.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            delay = error_details_pb2.RetryInfo.FromString(each.value).retry_delay
            return max(1, int(-(-delay.ToNanoseconds() // 1_000_000_000)))
    return None
