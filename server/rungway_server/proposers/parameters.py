"""The space of a search as other libraries see it: numbers from 0 to 1, places of lists, and categories.

So every library searches every space, on the scales that its user chose: a number is the share of its own distribution
that lies below it (see `proposals/column.py`), whatever that is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rungway_server.domain.documents.paths import read_path, spelled
from rungway_server.domain.experiment import parse
from rungway_server.domain.space.axes import values
from rungway_server.domain.space.configuration import ABSENT, Configuration
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.membership import as_drawn
from rungway_server.domain.space.space import Const, Entry
from rungway_server.proposals.column import Column
from rungway_server.proposals.columns import columns_of


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that has more than one value. `size` 0: a number from 0 to 1; otherwise a place from 0 to size - 1,
    whose order means nothing in a `category`."""

    name: str
    size: int
    category: bool


class Parameters:
    """The parameters of a search, from its configuration. Iterates over those that have more than one value."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._space = parse(config)[0].space
        self._columns = columns_of(self._space)
        self._known = {each.path: (each, _parameter(each)) for each in self._columns.columns}

    def __iter__(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def configuration(self, choose: Callable[[Parameter], float]) -> dict[str, object] | None:
        """The whole configuration of what is chosen for each parameter that exists in it: a number from 0 to 1, or a
        place. The others are not asked for. None if it does not meet the constraints."""

        def value(entry: Entry) -> object:
            if entry.path not in self._known:
                return _only_value(entry)
            column, parameter = self._known[entry.path]
            chosen = choose(parameter)
            return column.value(float(column.coordinates[int(chosen)] if column.listed else chosen))

        found = Configuration(self._space, value)
        whole = found.nested()
        return whole if checker(self._space)(found) else None

    def choices(self, hparams: Mapping[str, object]) -> dict[str, float]:
        """What was chosen for each parameter of a configuration that it has, by name."""
        row = self._columns.encoded([hparams])[0]
        return {
            parameter.name: int(column.places(row[at : at + 1])[0]) if column.listed else float(row[at])
            for at, (column, parameter) in enumerate(self._known.values())
            if row[at] >= 0
        }

    def nested(self, flat: Mapping[str, object]) -> dict[str, object]:
        """A configuration from its values by path, as the space draws them."""
        given = {read_path(name)[0]: value for name, value in flat.items()}

        def value(entry: Entry) -> object:
            return entry.parameter.val if isinstance(entry.parameter, Const) else given.get(entry.path, ABSENT)

        return as_drawn(self._space, Configuration(self._space, value).nested())


def _parameter(column: Column) -> Parameter:
    size = len(column.coordinates) if column.listed else 0
    return Parameter(spelled(*column.path), size, column.category)


def _only_value(entry: Entry) -> object:
    axis = values(entry.parameter)
    assert axis is not None  # a constant, or a list of one value
    return axis.at(0)
