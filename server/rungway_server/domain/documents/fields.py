"""Reading a document key by key: every reader checks one value and notes what is wrong, none of them raises.

After a violation a reader returns a lawful placeholder. Nobody sees it: whoever opened the document raises
InvalidInput as soon as everything has been read, so that a user learns of all mistakes at once.
"""

import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from rungway_server.domain.errors import Violation

MAX_TEXT = 256
"""Longest name of anything (a key, a metric, a unit), in characters."""
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
"""What the wire's integers hold."""

_LONGEST_EXPONENT = 18
_WHOLE = re.compile(rf"\s*([-+]?)(\d{{1,{_LONGEST_EXPONENT + 1}}})(?:\.(\d*))?(?:[eE]\+?(\d{{1,2}}))?\s*", re.ASCII)

Choice = TypeVar("Choice", bound=StrEnum)
T = TypeVar("T")


def shown(value: object) -> str:
    """A value as it appears in a message: its repr, shortened whatever its size."""
    try:
        return reprlib.repr(value)[:100]
    except ValueError:  # an int beyond Python's limit for conversion to text
        return f"a {type(value).__name__} of enormous size"


def joined(path: str, key: object) -> str:
    """The path of a key below a path."""
    name = key if isinstance(key, str) and len(key) <= MAX_TEXT else shown(key)
    return f"{path}.{name}" if path else name


def is_text(value: object, longest: int = MAX_TEXT) -> bool:
    """Whether the value is a text of at most `longest` characters that UTF-8 can carry."""
    if not isinstance(value, str) or len(value) > longest:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


class Section:
    """One mapping of a document. A null counts as absent.

    `spelled` tells how the user spelled a key that has several names, so that a violation names what was written.
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
        """The section with other names of keys (other name to name) put right; both at once are refused."""
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

    def allow(self, keys: Iterable[str], *, unsaid: Iterable[str] = ()) -> None:
        """Refuse every other key, and say which are allowed, without those that are `unsaid`."""
        said = sorted(keys)
        allowed = {*said, *unsaid}
        for key in self.values:
            if key not in allowed:
                self.refuse(key, f"unknown key, wanted one of {', '.join(said)}")

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.values.get(key) is not None

    def integer(self, key: str, default: int | None = None, *, least: int, most: int) -> int:
        """An integer within the bounds; compulsory without a default. 3.0 is an integer, a truth value is none."""
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
        """An integer within the bounds, or None when the key is absent."""
        return self.integer(key, least=least, most=most) if self.has(key) else None

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; compulsory without a default."""
        value = self.values.get(key)
        if value is None:
            return self._missing(key, "a finite number", default, math.nan)
        number = finite(value)
        if number is None:
            self.refuse(key, f"got {shown(value)}, wanted a finite number")
            return math.nan if default is None else default
        return number

    def flag(self, key: str, default: bool) -> bool:
        """A truth value."""
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.refuse(key, f"got {shown(value)}, wanted true or false")
        return default

    def text(self, key: str, default: str | None = None, *, longest: int = MAX_TEXT) -> str:
        """A text; compulsory and not empty without a default."""
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
        """One of the words of an enumeration."""
        value = self.values.get(key)
        if value is None:
            return default
        for word in type(default):
            if word == value:
                return word
        self.refuse(key, f"got {shown(value)}, wanted one of {', '.join(type(default))}")
        return default

    def section(self, key: str) -> "Section":
        """A nested mapping; an absent one is empty."""
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
    """The value, as an int where it is a float without a fraction: YAML and people write 1e3 for 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_text(value: object) -> object:
    """A text of a whole number without its point or exponent, for readers of integers; anything else as it is."""
    found = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    sign, digits, fraction, exponent = found.groups("")
    zeros = int(exponent or 0) - len(fraction := fraction.rstrip("0"))
    return f"{sign}{digits}{fraction}{'0' * zeros}" if 0 <= zeros <= _LONGEST_EXPONENT else value


def finite(value: object) -> float | None:
    """The value as a finite float, None if it is none (a truth value is not a number)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
