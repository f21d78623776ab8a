"""Checks of single fields of an export file: numbers, texts, words, lists and mappings.

Each check raises BadField, with the path, what was found and what was wanted.
"""

from collections.abc import Callable, Mapping
from typing import Any

from rungway_server.domain.documents.fields import shown
from rungway_server.store.redis.snapshot import ranges

Check = Callable[[str, Any], None]


class BadField(ValueError):
    """A field of a line has a value that is not allowed."""

    def __init__(self, path: str, found: object, wanted: str) -> None:
        super().__init__(f"{path}: got {shown(found)}, wanted {wanted}")


def number(least: int, most: int) -> Check:
    """A whole number; 1.0 and true are not."""

    def check(path: str, found: Any) -> None:
        if problem := ranges.outside(found, least, most):
            raise BadField(path, found, problem)

    return check


def text(longest: int) -> Check:
    """A text of so many bytes at most."""

    def check(path: str, found: Any) -> None:
        if problem := ranges.too_long(found, longest):
            raise BadField(path, found, problem)

    return check


def one_of(*words: str) -> Check:
    """One of these words."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, str) or found not in words:
            raise BadField(path, found, f"one of {', '.join(word or 'an empty text' for word in words)}")

    return check


def like(pattern: Any, wanted: str) -> Check:
    """A text of this form."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, str) or not pattern.fullmatch(found):
            raise BadField(path, found, wanted)

    return check


def listed(each: Check, most: int, least: int = 0) -> Check:
    """A list of these."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, list) or not least <= len(found) <= most:
            raise BadField(path, found, f"a list of {least} to {most} items")
        for at, item in enumerate(found):
            each(f"{path}[{at}]", item)

    return check


def fields(checks: Mapping[str, Check], *, may_lack: tuple[str, ...] = ()) -> Check:
    """A mapping with these fields; others are ignored."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, dict):
            raise BadField(path, found, "a mapping")
        for name, each in checks.items():
            if name in found:
                each(f"{path}.{name}" if path else name, found[name])
            elif name not in may_lack:
                raise BadField(f"{path}.{name}" if path else name, None, "a value: the field is missing")

    return check


def truth(path: str, found: Any) -> None:
    """true or false."""
    if not isinstance(found, bool):
        raise BadField(path, found, "true or false")
