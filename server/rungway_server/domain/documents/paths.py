"""Paths of parameters as texts: how they are written and read.

    path = name { "." name }
    name = letters, digits and "_", the first no digit | "`" any characters "`"

A backquote within backquotes is written twice. So `optimizer.lr` is `lr` in the group `optimizer`, and
`` `weight.decay` `` is one name with a dot in it. Backquotes may be left out where the path is unambiguous.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
"""The names from the top of the space down to a parameter or group."""

NAME = r"(?:[^\W\d]\w*|`(?:[^`]|``)+`)"
"""How a name is written, as a regular expression."""
_PLAIN = re.compile(r"[^\W\d]\w*")
_LONGEST = 256


def spelled(*names: str) -> str:
    """A path as text, with backquotes around the names that need them."""
    return ".".join(name if _PLAIN.fullmatch(name) else f"`{name.replace('`', '``')}`" for name in names)


def below(place: str, name: str) -> str:
    """The path of `name` below the path `place`, for violations; a long name is shortened."""
    return f"{place}.{spelled(name if len(name) <= _LONGEST else f'{name[:80]}…')}"


def read_path(text: str, end: str = "") -> tuple[Path, str]:
    """The path that a text begins with, and the rest of the text: from the first character of `end` on.

    A name without backquotes may contain anything but a dot and these characters. Raises ValueError where a name is
    missing.
    """
    stops = re.escape(f".{end}")
    name = re.compile(rf"`((?:[^`]|``)+)`(?=[{stops}]|\Z)|([^{stops}]+)")
    names, at = [], 0
    while found := name.match(text, at):
        names.append(found[1].replace("``", "`") if found[1] else found[2])
        if not text.startswith(".", found.end()):
            return tuple(names), text[found.end() :]
        at = found.end() + 1
    raise ValueError(f"a name is missing at character {at + 1}")


def values_by_path(mapping: Mapping[str, object], top: Path = ()) -> Iterator[tuple[Path, object]]:
    """The values of a nested configuration, each with its path. An empty group is yielded as a value."""
    for name, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield from values_by_path(value, (*top, name))
        else:
            yield (*top, name), value
