"""Single values of JSON as the values of fields: each reader returns what a field takes, or raises Refused."""

import base64
import contextlib
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from rungway_server.transport.http.codec.text import refused

Read = Callable[[object], object]
"""Reads the value of one field."""

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""The doubles that JSON has no number for, as proto3 JSON writes them."""

_DIGITS = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,400}(?:\.\d{1,400})?(?:[eE][-+]?\d{1,5})?", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_LONGEST_WORD = 64


def text(value: object) -> str:
    """A text that UTF-8 can encode."""
    if type(value) is not str:
        raise refused(value, "a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise refused(value, "a text without half a surrogate pair") from None
    return value


def not_finite(number: float) -> str:
    """The word for a double that is not finite."""
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def flag(value: object) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise refused(value, "true or false")
    return value


def double(value: object) -> float:
    """A double, also as a text; the text "NaN", "Infinity" or "-Infinity" where it is not finite."""
    if type(value) is float:
        return value
    if type(value) is str and value in NOT_FINITE:
        return NOT_FINITE[value]
    number = math.inf
    if type(value) is int or (type(value) is str and _NUMBER.fullmatch(value)):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if math.isinf(number):
        raise refused(value, 'a number, or the text "NaN", "Infinity" or "-Infinity"')
    return number


def integers(low: int, high: int) -> Callable[[object], int]:
    """A reader of integers from `low` to `high`: 3, 3.0 or "3"."""

    def integer(value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        number = None
        if (type(value) is float and value.is_integer()) or (type(value) is str and _DIGITS.fullmatch(value)):
            number = int(value)
        if number is None or not low <= number <= high:
            raise refused(value, f"an integer from {low} to {high}")
        return number

    return integer


int32, int64 = integers(-(2**31), 2**31 - 1), integers(-(2**63), 2**63 - 1)
uint32, uint64 = integers(0, 2**32 - 1), integers(0, 2**64 - 1)


def data(value: object) -> bytes:
    """Bytes from base64, of either alphabet, with or without padding."""
    if type(value) is not str or not _BASE64.fullmatch(value) or len(bare := value.rstrip("=")) % 4 == 1:
        raise refused(value, "bytes in base64")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_" if {"-", "_"} & set(bare) else None)


def choices(kind: EnumDescriptor) -> Read:
    """A reader of an enumeration: the name or the number of a value. Numbers may be ones that are not known."""
    numbers = {value.name: value.number for value in kind.values}

    def choice(value: object) -> int:
        if type(value) is str:
            if value not in numbers:
                raise refused(value, f"a name of {kind.name}; the nearest is {nearest(value.upper(), numbers, 0.0)}")
            return numbers[value]
        if type(value) is not int:
            raise refused(value, f"a name of {kind.name}, or its number")
        return int32(value)

    return choice


def nearest(word: str, names: Iterable[str], least: float) -> str:
    """The name that is most like a word; "" if none is at least so much alike (0 to 1)."""
    return next(iter(difflib.get_close_matches(word[:_LONGEST_WORD], list(names), n=1, cutoff=least)), "")


_F = FieldDescriptor
_READERS: Mapping[int, Read] = (
    dict.fromkeys((_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32), int32)
    | dict.fromkeys((_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64), int64)
    | dict.fromkeys((_F.TYPE_UINT32, _F.TYPE_FIXED32), uint32)
    | dict.fromkeys((_F.TYPE_UINT64, _F.TYPE_FIXED64), uint64)
    | {_F.TYPE_DOUBLE: double, _F.TYPE_BOOL: flag, _F.TYPE_STRING: text, _F.TYPE_BYTES: data}
)


def reader(field: FieldDescriptor) -> Read:
    """How the value of a field that is not a message is read. Raises TypeError for kinds that the wire does not use."""
    if field.enum_type is not None:
        return choices(field.enum_type)
    if field.type not in _READERS:
        raise TypeError(f"{field.full_name} has a type that the JSON of this port does not have")
    return _READERS[field.type]
