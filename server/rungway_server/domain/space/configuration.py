"""One configuration whose values are computed when they are first read."""

from collections.abc import Callable, Mapping
from typing import Final

from rungway_server.domain.documents.paths import Path
from rungway_server.domain.space.space import Condition, Entry, Group, Space


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()
"""The value of a parameter whose conditions do not hold."""


class Configuration(dict[Path, object]):
    """Values by path. `source` computes a value when it is first read; it is ABSENT where a condition fails.

    So a constraint that rejects a configuration by two of its parameters costs two draws.
    """

    def __init__(self, space: Space, source: Callable[[Entry], object]) -> None:
        self._space = space
        self._source = source

    def __missing__(self, path: Path) -> object:
        conditions = self._space.conditions
        active = path not in conditions or all(map(self._holds, conditions[path]))
        value = self._source(self._space.leaves[path]) if active else ABSENT
        self[path] = value
        return value

    def nested(self) -> dict[str, object]:
        """The whole configuration: names in byte order to values, groups as nested dictionaries."""
        return self._nested(self._space.entries)

    def _nested(self, entries: tuple[Entry, ...]) -> dict[str, object]:
        result: dict[str, object] = {}
        for entry in entries:
            if isinstance(entry.node, Group):
                result[entry.name] = self._nested(entry.node.entries)
            elif (value := self[entry.path]) is not ABSENT:
                result[entry.name] = value
        return result

    def _holds(self, condition: Condition) -> bool:
        return condition.admits(self[condition.path])


def flat(space: Space, hparams: Mapping[str, object]) -> dict[Path, object]:
    """The values of a nested configuration by path, without those of unknown parameters."""
    values = {}
    for path in space.leaves:
        value: object = hparams
        for name in path:
            value = value.get(name, ABSENT) if isinstance(value, Mapping) else ABSENT
        if value is not ABSENT:
            values[path] = value
    return values
