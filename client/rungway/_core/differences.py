"""What is different between two configurations, for people to read."""

from collections.abc import Iterator, Mapping
from typing import Any

_ABSENT = object()


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """One line for each value that is not the same: its path, what is stored and what is given."""
    stored, given = dict(_leaves(there, "")), dict(_leaves(here, ""))
    pairs = [(path, stored.get(path, _ABSENT), given.get(path, _ABSENT)) for path in {**stored, **given}]
    return [f"{path}: stored {_shown(old)}, given {_shown(new)}" for path, old, new in pairs if not _is_same(old, new)]


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _is_same(old: object, new: object) -> bool:
    """Whether both are equal; True is not 1, but 1.0 is."""
    return isinstance(old, bool) is isinstance(new, bool) and old == new


def _shown(value: object) -> str:
    return "nothing" if value is _ABSENT else f"{value!r:.200}"
