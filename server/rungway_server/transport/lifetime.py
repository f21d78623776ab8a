"""The validity of a certificate: two fields that the standard library does not parse."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_BLOCK = re.compile("-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.+?)-----END", re.DOTALL)
"""A certificate in PEM, under each of the labels that OpenSSL accepts."""
_VERSION, _UTC_TIME = 0xA0, 0x17
"""Tags of DER (X.690): the optional version, and UTCTime, whose year has two digits."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The period in which a certificate is valid (UTC)."""

    begins: datetime
    ends: datetime


def lifetimes(pem: str) -> list[Lifetime]:
    """The lifetimes of all certificates in a text, in order. Raises ValueError if one is malformed, or there is
    none."""
    try:
        found = [_lifetime(base64.b64decode(block)) for block in _BLOCK.findall(pem)]
    except (IndexError, StopIteration) as error:
        raise ValueError("a certificate is cut off") from error
    if not found:
        raise ValueError("there is no certificate in the file")
    return found


def _lifetime(der: bytes) -> Lifetime:
    """RFC 5280, 4.1: the validity follows serial number, algorithm and issuer."""
    certificate = next(_items(der))[1]
    signed = next(_items(certificate))[1]
    fields = [content for tag, content in _items(signed) if tag != _VERSION]
    begins, ends = (_time(*item) for item in _items(fields[3]))
    return Lifetime(begins, ends)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items of a DER sequence: tag and content of each."""
    while data:
        size, at = data[1], 2
        if size & 0x80:  # the length itself takes so many bytes
            at += size & 0x7F
            size = int.from_bytes(data[2:at], "big")
        yield data[0], data[at : at + size]
        data = data[at + size :]


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
