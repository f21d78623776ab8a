"""The HTTP port as a channel of grpc: stubs, and so all tests of calls, reach the service through it unchanged.

Written from the Connect protocol alone, but for the codec of JSON, which has tests of its own. Every error is checked
on its way: the HTTP status is the one of its code, `debug` says what `value` does, Retry-After is there when waiting
helps.
"""

import base64
import json
import struct
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self

import grpc
import httpx
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from rungway_server.transport.http import codec
from tests.support.waiting import SECONDS

ENVELOPE = struct.Struct(">BI")
END = 2
"""Flag of the envelope that ends a stream."""
_STATUS = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}
_OTHERS = {("invalid_argument", 413), ("unimplemented", 404), ("unimplemented", 405), ("unimplemented", 415)}
"""Where HTTP has a better status than the protocol's table."""
_DETAILS = {
    f"google.rpc.{kind.DESCRIPTOR.name}": kind
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
}


class HttpError(grpc.RpcError):
    """An error of the Connect protocol as one of grpc, so that `refusal_of` reads it."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self._code = grpc.StatusCode[str(error["code"]).upper().replace("CANCELED", "CANCELLED")]
        self._status = status_pb2.Status(code=self._code.value[0], message=error.get("message", ""))
        for detail in error.get("details", ()):
            value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4), validate=True)
            assert "=" not in detail["value"]
            assert detail["debug"] == json_format.MessageToDict(_DETAILS[detail["type"]].FromString(value))
            self._status.details.append(AnyMessage(type_url=f"type.googleapis.com/{detail['type']}", value=value))

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return str(self._status.message)

    def trailing_metadata(self) -> Any:
        return (("grpc-status-details-bin", self._status.SerializeToString()),)


class HttpChannel(grpc.Channel):
    """Calls the rpcs of the service at this address as JSON or protobuf."""

    def __init__(self, address: str, *, as_json: bool) -> None:
        self._client = httpx.Client(base_url=f"http://{address}", timeout=SECONDS, trust_env=False)
        self._form = Form(as_json)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def unary_unary(self, method: str, *serializers: Any, **named: Any) -> Any:
        """A function that calls the rpc of this path. Raises HttpError."""
        write, read = _serializers(*serializers, **named)

        def call(request: Any, timeout: float | None = None, metadata: Sequence[tuple[str, str]] = ()) -> Any:
            headers = headers_of(metadata, timeout) | {"Content-Type": f"application/{self._form.name}"}
            body = self._form.written(method, write(request))
            response = self._client.post(method, content=body, headers=headers)
            if response.status_code != 200:
                raise error_in(response)
            assert response.headers["content-type"] == headers["Content-Type"]
            return read(self._form.read(method, response.content))

        return call

    def unary_stream(self, method: str, *serializers: Any, **named: Any) -> Any:
        """A function that calls the streaming rpc of this path. Its iterator raises HttpError."""
        write, read = _serializers(*serializers, **named)

        def call(request: Any, timeout: float | None = None, metadata: Sequence[tuple[str, str]] = ()) -> "_Stream":
            kind = f"application/connect+{self._form.name}"
            headers = headers_of(metadata, timeout) | {"Content-Type": kind}
            body = self._form.written(method, write(request))
            sent = self._client.build_request(
                "POST", method, content=ENVELOPE.pack(0, len(body)) + body, headers=headers
            )
            return _Stream(self._client, sent, lambda data: read(self._form.read(method, data)))

        return call

    def stream_unary(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError

    stream_stream = subscribe = unsubscribe = stream_unary


class Form:
    """How messages are written: as JSON or protobuf."""

    def __init__(self, as_json: bool) -> None:
        self.name = "json" if as_json else "proto"
        self._as_json = as_json

    def written(self, path: str, data: bytes) -> bytes:
        """A request that is given as protobuf. What no rpc reads stays as it is."""
        kind = _kind(path, "input_type") if self._as_json else None
        return codec.encode(kind.FromString(data)) if kind else data

    def read(self, path: str, data: bytes) -> bytes:
        """An answer as protobuf."""
        kind = _kind(path, "output_type") if self._as_json else None
        return codec.decode(data, kind).SerializeToString() if kind else data


class _Stream:
    """The messages of a stream; it is opened by the first that is asked for."""

    def __init__(self, client: httpx.Client, request: httpx.Request, read: Callable[[bytes], Any]) -> None:
        self._client, self._request, self._read = client, request, read
        self._messages = self._received()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._messages)

    def cancel(self) -> None:
        self._messages.close()

    def _received(self) -> Generator[Any, None, None]:
        response = self._client.send(self._request, stream=True)
        try:
            if response.status_code != 200:
                response.read()
                raise error_in(response)
            assert response.headers["content-type"] == self._request.headers["content-type"]
            for flags, data in envelopes(response.iter_raw()):
                if flags == END:
                    if error := json.loads(data).get("error"):
                        raise HttpError(error)
                    return
                yield self._read(data)
            raise AssertionError("the stream has no end")
        finally:
            response.close()


def envelopes(chunks: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """The flags and data of each envelope of a stream. Fails if it ends in the middle of one."""
    held = b""
    for chunk in chunks:
        held += chunk
        while len(held) >= ENVELOPE.size:
            flags, length = ENVELOPE.unpack_from(held)
            if len(held) < ENVELOPE.size + length:
                break
            yield flags, held[ENVELOPE.size : ENVELOPE.size + length]
            held = held[ENVELOPE.size + length :]
    assert held == b""


def headers_of(metadata: Sequence[tuple[str, str]], timeout: float | None) -> dict[str, str]:
    """The headers of a call with this metadata and deadline (seconds)."""
    given = {"Connect-Timeout-Ms": str(round(timeout * 1000))} if timeout is not None else {}
    stripped = {name: value.strip() for name, value in metadata}  # as HTTP does; httpx refuses to
    return {**stripped, "Connect-Protocol-Version": "1", **given}


def error_in(response: httpx.Response) -> HttpError:
    """The error in a response that was read and is not 200."""
    headers, body = response.headers, response.content
    assert headers["content-type"] == "application/json", body[:200]
    found = json.loads(body)
    error = HttpError(found)
    status = response.status_code
    assert status == _STATUS[found["code"]] or (found["code"], status) in _OTHERS
    waits = any(detail["type"] == "google.rpc.RetryInfo" for detail in found.get("details", ()))
    assert ("retry-after" in headers) == waits
    assert not waits or int(headers["retry-after"]) >= 1
    return error


def _kind(path: str, which: str) -> type[Message] | None:
    """The class of the request or answer of an rpc; None if there is no such rpc."""
    service, _, method = path.strip("/").partition("/")
    found = Default().FindServiceByName(service).methods_by_name.get(method)
    return GetMessageClass(getattr(found, which)) if found else None


def _serializers(
    request_serializer: Callable[[Any], bytes] = bytes,
    response_deserializer: Callable[[bytes], Any] = bytes,
    _registered_method: bool = False,
) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    return request_serializer, response_deserializer
