"""Which row of a table a trial is: dealt by the seed, or the one recorded with the nearest hyperparameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from rungway_server.domain.documents.paths import Path, spelled
from rungway_server.domain.sampling.philox import philox, round_keys
from rungway_server.domain.sampling.sampling import propose
from rungway_server.domain.space.configuration import flat
from rungway_server.domain.space.space import Categorical, Const, Ordinal, Space
from rungway_server.simulation.curves import BadCurves

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


class RowRule(StrEnum):
    """How trials are given rows of a table."""

    AUTO = "auto"
    """NEAREST where the search has all of the table's hyperparameters, otherwise DEALT."""
    NEAREST = "nearest"
    DEALT = "dealt"


class Rows(Protocol):
    """Rows (from 0) by trial number."""

    def __getitem__(self, trial: int) -> int: ...


@runtime_checkable
class Configured(Rows, Protocol):
    """Rows by hyperparameters."""

    def configured(self, trial: int, hparams: Mapping[str, object]) -> None:
        """Tell the hyperparameters of a trial that do not follow from its number."""
        ...


class Dealt:
    """Deals the rows in random order from the seed; once all are used, again in another order."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = rows
        self._keys = round_keys(seed, 0x526F7773)
        self._orders: list[list[int]] = []

    def __getitem__(self, trial: int) -> int:
        """The row of a trial, from 0."""
        turn, place = divmod(trial, self._rows)
        while len(self._orders) <= turn:
            bits = [philox((row, len(self._orders), 0, 0), self._keys) for row in range(self._rows)]
            self._orders.append(sorted(range(self._rows), key=bits.__getitem__))
        return self._orders[turn][place]


@dataclass(frozen=True, slots=True)
class Column:
    """One hyperparameter of a table: numbers from `lower` to `upper` (on a log scale or not), or one of `choices`.

    `ordered` choices are numbers, whose distance is that of their positions.
    """

    name: str
    lower: float = 0.0
    upper: float = 1.0
    log: bool = False
    choices: tuple[object, ...] = ()
    ordered: bool = False

    @property
    def named(self) -> bool:
        """Whether its values are names: two of them are equal, or at the largest distance."""
        return bool(self.choices) and not self.ordered

    def position(self, value: object) -> float:
        """The position of a value: from 0 to 1, or the index of its choice (-1 for a value that the table does not
        have).

        Numbers beyond the table's range count as its bound. Raises BadCurves for a text where numbers are.
        """
        if self.named:
            return float(self.choices.index(value)) if value in self.choices else -1.0
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadCurves(f"hyperparameters.{self.name}: got {value!r}, but in the table of curves it is a number")
        if self.choices:
            return self._between_choices(float(value))
        number = min(max(float(value), self.lower), self.upper)
        low, high, here = (math.log(x) if self.log else x for x in (self.lower, self.upper, number))
        return (here - low) / (high - low) if high > low else 0.0

    def _between_choices(self, number: float) -> float:
        import numpy as np

        positions = np.linspace(0.0, 1.0, len(self.choices))
        return float(np.interp(number, np.asarray(self.choices, dtype=np.float64), positions))


def read_column(document: Mapping[str, Any]) -> Column:
    """Read a column from the table's `space`. Raises KeyError, TypeError or ValueError if it is malformed."""
    name, choices = str(document["name"]), tuple(document.get("choices") or ())
    if choices:
        ordered = document["type"] == "ordinal"
        return Column(name, choices=tuple(sorted(choices)) if ordered else choices, ordered=ordered)
    lower, upper, log = float(document["lower"]), float(document["upper"]), bool(document.get("log"))
    if log and lower <= 0:
        raise ValueError(f"{name} is logarithmic from {lower}")
    return Column(name, lower, upper, log)


class Nearest:
    """The row whose recorded hyperparameters are nearest to those that the service gives the trial.

    Nearest is the smallest sum of squared differences, each column scaled to 0 to 1 over the table's range (logarithms
    where the table says so); two different names, or a value on one side only, are 1 apart.
    """

    def __init__(self, columns: tuple[Column, ...], configs: "Numbers", space: Space, seed: int) -> None:
        """`configs`: a row per configuration, a column per hyperparameter. Raises BadCurves where the space does not
        match: a column has no parameter, or one with texts where the table has numbers."""
        import numpy as np

        if missing := lacking(columns, space):
            raise BadCurves(f"hyperparameters: without {', '.join(missing)}, of which the table's rows were made")
        self._parameters = [(each, _parameters(each, space)) for each in columns]
        _check_values(self._parameters, space)
        self._space, self._seed = space, seed
        self._named = np.array([each.named for each in columns])
        self._positions = np.array(
            [_positions(each, values) for each, values in zip(columns, configs.T, strict=True)]
        ).T
        self._rows: dict[int, int] = {}

    def __getitem__(self, trial: int) -> int:
        """The row of a trial, from 0."""
        if trial not in self._rows:
            self._rows[trial] = self._nearest(propose(self._space, self._seed, trial))
        return self._rows[trial]

    def configured(self, trial: int, hparams: Mapping[str, object]) -> None:
        """Store the hyperparameters of a trial that do not follow from its number."""
        self._rows[trial] = self._nearest(hparams)

    def _nearest(self, hparams: Mapping[str, object]) -> int:
        import numpy as np

        given = flat(self._space, hparams)
        here = np.array(
            [
                next((column.position(given[path]) for path in paths if path in given), math.nan)
                for column, paths in self._parameters
            ]
        )
        distance = self._positions - here
        distance = np.where(self._named, distance != 0, distance)
        one_sided = np.isnan(self._positions) != np.isnan(here)
        distance = np.where(one_sided, 1.0, np.nan_to_num(distance))
        return int((distance * distance).sum(axis=1).argmin())


def lacking(columns: tuple[Column, ...], space: Space) -> list[str]:
    """The columns for which the space has no parameter."""
    return [each.name for each in columns if not _parameters(each, space)]


def _parameters(column: Column, space: Space) -> list[Path]:
    """The parameter whose path is the column's name; else the parameters with that last name, of which one is active.

    Raises BadCurves where several exist at a time.
    """
    found = space.paths_named(column.name) or [path for path in space.leaves if path[-1] == column.name]
    if len(found) > 1 and not all(path in space.conditions for path in found):
        raise BadCurves(
            f"the column {column.name!r} of the table may be {' or '.join(spelled(*path) for path in found[:5])}:"
            " name it there by one of these paths"
        )
    return found


def _check_values(parameters: Sequence[tuple[Column, Sequence[Path]]], space: Space) -> None:
    """Raises BadCurves for a parameter that may be a text where the table has numbers."""
    for column, paths in parameters:
        for path in paths:
            node = space.leaves[path].parameter
            if isinstance(node, Categorical | Ordinal | Const):
                for value in (node.val,) if isinstance(node, Const) else node.vals:
                    column.position(value)


def _positions(each: Column, values: "Numbers") -> list[float]:
    if each.named:
        return [float(value) for value in values]
    return [math.nan if math.isnan(value) else each.position(float(value)) for value in values]
