"""JSON values of any kind: copied and checked, compared, and made hashable."""

from collections.abc import Hashable, Mapping

from rungway_server.domain.documents.fields import MAX_INTEGER, MIN_INTEGER, Section, finite, is_text, joined, shown
from rungway_server.domain.errors import Violation

MAX_DEPTH = 16
"""Deepest nesting of groups, and of lists and mappings in a value."""
MAX_VALUE_TEXT = 10_000
"""Longest text in a value, in characters."""


def json_copy(value: object, path: str, violations: list[Violation], depth: int = 0) -> object:
    """A copy of a JSON value that the caller cannot change later. Violations are noted; the copy is then unusable."""
    if isinstance(value, list | tuple | Mapping) and depth >= MAX_DEPTH:
        violations.append(Violation(path, f"nested deeper than {MAX_DEPTH} lists and mappings"))
        return None
    if isinstance(value, list | tuple):
        return [json_copy(item, f"{path}[{i}]", violations, depth + 1) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        section = Section(value, path, violations)
        return {key: json_copy(value[key], joined(path, key), violations, depth + 1) for key in names_of(section)}
    if not _is_scalar(value):
        wanted = "null, true, false, a text, a 64-bit integer or a finite number"
        violations.append(Violation(path, f"got {shown(value)}, wanted {wanted}"))
    return value


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal. Unlike in Python, true is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def identity(value: object) -> Hashable:
    """A hashable key of a JSON value: equal for two values exactly when `same` holds at the top level."""
    return isinstance(value, bool), _hashable(value)


def _hashable(value: object) -> Hashable:
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    return value


def names_of(section: Section) -> list[str]:
    """The keys of a section that are valid names, in byte order of their UTF-8; the others are refused."""
    names = []
    for name in section.values:
        if is_text(name) and name:
            names.append(name)
        else:
            section.refuse(name, f"got {shown(name)} as a name, wanted a text of 1 to 256 characters")
    return sorted(names, key=str.encode)


def _is_scalar(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return MIN_INTEGER <= value <= MAX_INTEGER
    return is_text(value, MAX_VALUE_TEXT) if isinstance(value, str) else finite(value) is not None
