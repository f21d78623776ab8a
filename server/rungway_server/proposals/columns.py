"""The configurations of a space as rows of a matrix, and back: one column for each parameter that varies."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rungway_server.domain.documents.paths import Path
from rungway_server.domain.sampling.sampling import as_proposed
from rungway_server.domain.space.axes import values
from rungway_server.domain.space.configuration import Configuration, flat
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.space import Condition, Entry, Space
from rungway_server.proposals.column import ABSENT, column
from rungway_server.proposals.draws import Floats

Bools = NDArray[np.bool_]


class Columns:
    """The columns of a space, in the order of its parameters. Get them from `columns_of`, which remembers them."""

    def __init__(self, space: Space) -> None:
        self.space = space
        found = (column(path, entry.parameter) for path, entry in space.leaves.items())
        self.columns = tuple(each for each in found if each is not None)
        self._at = {each.path: index for index, each in enumerate(self.columns)}

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def categories(self) -> Bools:
        """Which columns have places that have no order."""
        return np.array([each.category for each in self.columns], np.bool_)

    def encoded(self, configs: Sequence[Mapping[str, object]]) -> Floats:
        """The rows of configurations of the space."""
        rows = np.full((len(configs), len(self)), ABSENT)
        for row, hparams in zip(rows, configs, strict=True):
            for path, value in flat(self.space, hparams).items():
                if (index := self._at.get(path)) is not None:
                    row[index] = self.columns[index].coordinate(value)
        return rows

    def drawn(self, shares: Floats) -> Floats:
        """Rows of random configurations, from numbers from 0 to below 1; constraints are not looked at."""
        rows = np.empty_like(shares)
        for index, each in enumerate(self.columns):
            rows[:, index] = each.drawn(shares[:, index])
        return self.without_absent(rows)

    def without_absent(self, rows: Floats) -> Floats:
        """The same rows, ABSENT where the conditions of a parameter do not hold."""
        known: dict[Path, Bools] = {}
        for path in self.space.conditions:
            if (index := self._at.get(path)) is not None:
                rows[~self._active(path, rows, known), index] = ABSENT
        return rows

    def configuration(self, row: Floats) -> dict[str, object] | None:
        """The configuration of a row with a coordinate for each parameter that exists; in a finite space that of its
        nearest point. None if it does not meet the constraints."""
        values = Configuration(self.space, lambda entry: self._value(entry, row))
        if not checker(self.space)(values):
            return None
        whole = as_proposed(self.space, values.nested())
        return None if whole is None else dict(whole)

    def _value(self, entry: Entry, row: Floats) -> object:
        index = self._at.get(entry.path)
        return _only_value(entry) if index is None else self.columns[index].value(float(row[index]))

    def _active(self, path: Path, rows: Floats, known: dict[Path, Bools]) -> Bools:
        """In which rows a parameter exists."""
        if path not in known:
            active = np.ones(len(rows), np.bool_)
            for condition in self.space.conditions.get(path, ()):
                active &= self._active(condition.path, rows, known) & self._holds(condition, rows)
            known[path] = active
        return known[path]

    def _holds(self, condition: Condition, rows: Floats) -> Bools:
        """In which rows the parameter of a condition has one of its values, if it exists there."""
        index = self._at.get(condition.path)
        if index is None:
            return np.full(len(rows), condition.admits(_only_value(self.space.leaves[condition.path])))
        each, coordinates = self.columns[index], np.maximum(rows[:, index], 0.0)
        if not each.listed:
            return np.array([condition.admits(each.value(float(at))) for at in coordinates], np.bool_)
        assert each.axis is not None
        admitted = np.array([condition.admits(each.axis.at(place)) for place in range(each.axis.size)], np.bool_)
        return np.asarray(admitted[each.places(coordinates)])


@lru_cache(maxsize=128)
def columns_of(space: Space) -> Columns:
    """The columns of a space."""
    return Columns(space)


def _only_value(entry: Entry) -> object:
    axis = values(entry.parameter)
    assert axis is not None
    return axis.at(0)
