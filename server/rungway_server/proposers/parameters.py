"""The space of a search as other libraries see it: numbers from 0 to 1, places of lists, and categories.

So every library searches every space, on the scales that its user chose: a number is the share of its own distribution
that lies below it (see `proposals/column.py`), whatever that is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from rungway_server.domain.documents.paths import Path, read_path, spelled
from rungway_server.domain.experiment import parse
from rungway_server.domain.space.axes import values
from rungway_server.domain.space.configuration import Configuration
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.membership import as_drawn
from rungway_server.domain.space.space import Entry
from rungway_server.proposals.column import Column
from rungway_server.proposals.columns import columns_of


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that has more than one value. `size` 0: a number from 0 to 1; otherwise a place from 0 to size - 1,
    whose order means nothing in a `category`."""

    name: str
    size: int
    category: bool


Choice = Callable[[Parameter], float]
"""A number from 0 to 1, or a place, for a parameter."""


class Parameters:
    """The parameters of a search, from its configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.space = parse(config)[0].space
        self._columns = columns_of(self.space)
        self._of = {column.path: _parameter(column) for column in self._columns.columns}
        self._by_path = {column.path: column for column in self._columns.columns}

    def __iter__(self) -> Any:
        return iter(self._of.values())

    def __len__(self) -> int:
        return len(self._of)

    def configuration(self, choose: Choice) -> dict[str, object] | None:
        """The whole configuration of what is chosen for each parameter that exists in it; the others are not asked for.
        None if it does not meet the constraints."""

        def value(entry: Entry) -> object:
            column = self._by_path.get(entry.path)
            if column is None:
                axis = values(entry.parameter)
                assert axis is not None  # a constant, or a list of one value
                return axis.at(0)
            chosen = choose(self._of[entry.path])
            return column.value(float(column.coordinates[int(chosen)] if column.listed else chosen))

        found = Configuration(self.space, value)
        whole = found.nested()
        return whole if checker(self.space)(found) else None

    def choices(self, hparams: Mapping[str, object]) -> dict[str, float]:
        """What was chosen for each parameter of a configuration, by name."""
        row = self._columns.encoded([hparams])[0]
        found: dict[str, float] = {}
        for column, at in zip(self._columns.columns, row, strict=True):
            if at >= 0:
                found[spelled(*column.path)] = (
                    int(column.places(row[None, 0] * 0 + at)[0]) if column.listed else float(at)
                )
        return found

    def nested(self, flat: Mapping[str, object]) -> dict[str, object]:
        """A configuration from its values by path, with its constants, as the space draws them."""
        given: dict[Path, object] = {read_path(name)[0]: value for name, value in flat.items()}

        def value(entry: Entry) -> object:
            return given[entry.path]

        return as_drawn(self.space, Configuration(self.space, value).nested())


def _parameter(column: Column) -> Parameter:
    size = len(column.coordinates) if column.listed else 0
    return Parameter(spelled(*column.path), size, column.category)


def number(value: object) -> float:
    """A number of a library, or of numpy, as Python's."""
    return float(cast("float", value))
