"""What an answer over HTTP means: a reply, a refusal of the service, or the words of something in between."""

import binascii
import html
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage

from rungway._core.calls import MAX_REPLY_BYTES
from rungway._core.errors import FailedPrecondition, RungwayError, Unavailable, from_status
from rungway._core.http import REFUSAL, UNARY, Answer, parsed
from rungway._core.rpcs import Reply, Rpc
from rungway.v1 import errors_pb2

_CODES: Final = {code.name.lower(): code for code in grpc.StatusCode if code is not grpc.StatusCode.OK}
_CODES["canceled"] = grpc.StatusCode.CANCELLED
"""How the Connect protocol writes the codes of gRPC."""
_TYPE_URL = "type.googleapis.com/"
_LONGEST_WORDS = 200
_LONGEST_WAIT = 60.0
"""Seconds; a proxy that says more is asked again after this."""
_UNSEEN = re.compile(r"<!--.*?-->|<(script|style|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def reply_in(rpc: Rpc[Reply], answer: Answer) -> Reply:
    """The reply that is the whole body of an answer. Raises the error of any other answer."""
    if answer.status == HTTPStatus.OK and answer.kind == UNARY:
        return parsed(rpc, answer.body())
    raise refusal(answer)


def refusal(answer: Answer) -> RungwayError:
    """The error of an answer that is not a reply."""
    if answer.status != HTTPStatus.OK and answer.kind == REFUSAL:
        error = _typed(_document(answer.beginning(MAX_REPLY_BYTES)) or {})
        if error:
            return error
    said = f"{answer.url} answered {_phrase(answer.status)}"
    if 300 <= answer.status < 400:
        target = one_line(answer.location.partition("?")[0]) or "nowhere"
        return _not_rungway(
            f"{said}, a redirect to {target}, which is not followed: if the service is there, set target"
        )
    words = _words(answer)
    if answer.status < 300:
        kind = one_line(answer.kind) or "without a type"
        return _not_rungway(f"{said} with another page ({kind}), perhaps one to sign in: {words or 'it is empty'}")
    wait = min(float(answer.retry_after), _LONGEST_WAIT) if re.fullmatch("[0-9]{1,6}", answer.retry_after) else None
    return Unavailable(f"{said}: {words}" if words else said, retry_after=wait)


def check_end(end: bytes | None) -> None:
    """Raises the error with which a stream ended, if any; None = it broke off."""
    if end is None:
        raise Unavailable("the stream broke off")
    document = _document(end)
    if document is None:
        raise Unavailable("the end of the stream is unreadable")
    if (error := document.get("error")) is not None:
        raise (_typed(error) if isinstance(error, dict) else None) or Unavailable("the stream ended with an error")


def one_line(text: str) -> str:
    """A text that somebody else wrote, for a line of a message: printable, in one line, not long."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST_WORDS else line[:_LONGEST_WORDS].rstrip() + "…"


def _typed(document: Mapping[str, Any]) -> RungwayError | None:
    code = document.get("code")
    status = _CODES.get(code) if isinstance(code, str) else None
    if status is None:
        return None
    details = document.get("details")
    found = [_detail(each) for each in details] if isinstance(details, list) else []
    packed = errors_pb2.RpcStatus(details=[each for each in found if each is not None])
    return from_status(status, str(document.get("message") or status.name), packed.SerializeToString())


def _detail(detail: object) -> AnyMessage | None:
    if not isinstance(detail, dict):
        return None
    name, value = detail.get("type"), detail.get("value")
    if not (isinstance(name, str) and isinstance(value, str)):
        return None
    try:
        return AnyMessage(type_url=_TYPE_URL + name, value=b64decode(value + "=" * (-len(value) % 4)))
    except (binascii.Error, ValueError):
        return None


def _not_rungway(text: str) -> RungwayError:
    return FailedPrecondition(text, reason="NOT_RUNGWAY")


def _words(answer: Answer) -> str:
    """What a page says, without its tags: its title where it has one."""
    text = answer.beginning().decode(errors="replace")
    if "html" in answer.kind or text.lstrip()[:1] == "<":
        title = _TITLE.search(text)
        text = title[1] if title and title[1].strip() else _UNSEEN.sub(" ", text)
        text = html.unescape(_TAG.sub(" ", text))
    return one_line(text)


def _document(text: bytes) -> dict[str, Any] | None:
    """The JSON object in a text; None for anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
