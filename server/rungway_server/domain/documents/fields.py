"""Reading a document key by key: each reader checks one value and notes what is wrong; none of them raises.

After a violation a reader returns a placeholder within the bounds. It is never used: the caller that opened the
document raises InvalidInput once everything has been read, so that users see all mistakes at once.
"""

import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from rungway_server.domain.errors import Violation

MAX_TEXT = 256
"""Longest name of a key, metric, unit and so on, in characters."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
"""The range of integers on the wire: 64 bits, signed."""

_LONGEST_EXPONENT = 18
_WHOLE = re.compile(rf"\s*([-+]?)(\d{{1,{_LONGEST_EXPONENT + 1}}})(?:\.(\d*))?(?:[eE]\+?(\d{{1,2}}))?\s*", re.ASCII)

Choice = TypeVar("Choice", bound=StrEnum)
T = TypeVar("T")


def shown(value: object) -> str:
    """A value as it appears in a message: its repr, shortened to at most 100 characters."""
    try:
        return reprlib.repr(value)[:100]
    except ValueError:  # an int beyond Python's limit for conversion to text
        return f"a {type(value).__name__} of enormous size"


def joined(path: str, key: object) -> str:
    """The path of a key below a path, "a.b"; a key that is not a short text is shown as in messages."""
    name = key if isinstance(key, str) and len(key) <= MAX_TEXT else shown(key)
    return f"{path}.{name}" if path else name


def is_text(value: object, longest: int = MAX_TEXT) -> bool:
    """Whether the value is a text of at most `longest` characters without surrogates, which UTF-8 cannot encode."""
    if not isinstance(value, str) or len(value) > longest:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


class Section:
    """One mapping of a document. A null counts as absent.

    `spelled` maps a key that has several names to the name that the user wrote, so that violations show that one.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        path: str,
        violations: list[Violation],
        spelled: Mapping[str, str] | None = None,
    ) -> None:
        self.values = values
        self.path = path
        self.violations = violations
        self.spelled = spelled or {}

    def refuse(self, key: object, description: str) -> None:
        """Note what is wrong with a key."""
        written = self.spelling(key) if isinstance(key, str) else key
        self.violations.append(Violation(joined(self.path, written), description))

    def spelling(self, key: str) -> str:
        """The key as the user wrote it."""
        return self.spelled.get(key, key)

    def renamed(self, names: Mapping[str, str]) -> "Section":
        """The section with keys renamed (`names`: other name to name); a violation where both names are given."""
        values, spelled = dict(self.values), {}
        for other, name in names.items():
            if not self.has(other):
                values.pop(other, None)
                continue
            if self.has(name):
                self.refuse(other, f"given together with {name}, wanted one of them: they are two names of one key")
            values[name] = values.pop(other)
            spelled[name] = other
        return Section(values, self.path, self.violations, spelled)

    def allow(self, keys: Iterable[str], *, unsaid: Iterable[str] = (), meant: Mapping[str, str] | None = None) -> None:
        """Refuse every other key; the message lists the allowed ones without those that are `unsaid`. `meant`: the
        allowed key that is probably meant by another one."""
        said = sorted(keys)
        allowed = {*said, *unsaid}
        for key in self.values:
            if key not in allowed:
                ours = (meant or {}).get(key)
                hint = f"; here it is called {ours}" if ours in allowed else ""
                self.refuse(key, f"unknown key, wanted one of {', '.join(said)}{hint}")

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.values.get(key) is not None

    def integer(self, key: str, default: int | None = None, *, least: int, most: int) -> int:
        """An integer from `least` to `most`; required without a default. 3.0 is read as 3; true and false are
        refused."""
        value = whole(self.values.get(key))
        if value is None:
            return self._missing(key, f"an integer from {least} to {most}", default, least)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, f"got {shown(value)}, wanted an integer from {least} to {most}")
        elif not least <= value <= most:
            self.refuse(key, f"got {shown(value)}, wanted {least} to {most}")
        else:
            return value
        return least

    def optional_integer(self, key: str, *, least: int, most: int) -> int | None:
        """An integer from `least` to `most`, or None when the key is absent."""
        return self.integer(key, least=least, most=most) if self.has(key) else None

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; required without a default, and NaN after a violation."""
        value = self.values.get(key)
        if value is None:
            return self._missing(key, "a finite number", default, math.nan)
        number = finite(value)
        if number is None:
            self.refuse(key, f"got {shown(value)}, wanted a finite number")
            return math.nan if default is None else default
        return number

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(key, f"got {shown(value)}, wanted true or false")
        return default

    def text(self, key: str, default: str | None = None, *, longest: int = MAX_TEXT) -> str:
        """A text of at most `longest` characters; without a default it is required and must not be empty."""
        value = self.values.get(key)
        if value is None:
            return self._missing(key, "a text", default, "")
        if not isinstance(value, str) or not is_text(value, longest):
            self.refuse(key, f"got {shown(value)}, wanted a text of at most {longest} characters")
            return ""
        if not value and default is None:
            self.refuse(key, "got an empty text")
        return value

    def choice(self, key: str, default: Choice) -> Choice:
        """One of the values of the enumeration that `default` belongs to."""
        value = self.values.get(key)
        if value is None:
            return default
        for word in type(default):
            if word == value:
                return word
        self.refuse(key, f"got {shown(value)}, wanted one of {', '.join(type(default))}")
        return default

    def section(self, key: str) -> "Section":
        """A nested mapping; an absent one reads as empty."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, Mapping):
            self.refuse(key, f"got {shown(value)}, wanted a mapping")
        path = joined(self.path, self.spelling(key))
        return Section(value if isinstance(value, Mapping) else {}, path, self.violations)

    def _missing(self, key: str, wanted: str, default: T | None, placeholder: T) -> T:
        if default is None:
            self.refuse(key, f"missing, wanted {wanted}")
            return placeholder
        return default


def whole(value: object) -> object:
    """The value, with a float without a fraction as an int: YAML files have 1e3 for 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_text(value: object) -> object:
    """A text such as "1e3" or "5.0" written as an integer ("1000", "5"); anything else unchanged."""
    found = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    sign, digits, fraction, exponent = found.groups("")
    zeros = int(exponent or 0) - len(fraction := fraction.rstrip("0"))
    return f"{sign}{digits}{fraction}{'0' * zeros}" if 0 <= zeros <= _LONGEST_EXPONENT else value


def finite(value: object) -> float | None:
    """The value as a float; None unless it is a finite number (true and false are not)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
