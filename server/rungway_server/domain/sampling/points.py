"""The points of a finite space: of a grid, or all configurations of a small discrete space.

Each point has a code, a number in mixed radix: one digit per parameter in byte order, the last one fastest. An absent
parameter has the digit 0, so configurations that differ only in absent parameters are one point.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from rungway_server.domain.documents.paths import Path
from rungway_server.domain.space.axes import Axis, grid, support
from rungway_server.domain.space.configuration import ABSENT, Configuration, flat
from rungway_server.domain.space.constraints.constraints import checker, effort
from rungway_server.domain.space.space import Entry, Parameter, Source, Space

MAX_POINTS = 10_000_000
"""Most points of a grid."""
MAX_CHECKED = 100_000
"""Most points that are enumerated. A random search avoids repeats in a space of at most so many points."""
MAX_WORK = 2_000_000
"""Most steps of an enumeration: parameters set, conditions looked up, and the work of constraints."""
_MAX_DEPTH = 100
_FEW_POINTS = 1_000


class TooManyPoints(Exception):
    """There are more points than can be enumerated; the message says how many are allowed."""


@dataclass(frozen=True)
class Points:
    """The points of a space that meet its constraints, by rising code. `looked_at` counts the others, too."""

    space: Space
    axes: Mapping[Path, Axis]
    codes: Sequence[int]
    looked_at: int

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int) -> dict[str, object]:
        """The configuration of a point."""
        code = self.codes[index]
        return Configuration(self.space, lambda entry: self._value(entry, code)).nested()

    def digits(self, index: int, paths: Collection[Path]) -> dict[Path, int]:
        """The digits of a point for those of these parameters that it has."""
        code, radixes = self.codes[index], self._radixes
        if self.space.conditions:
            values = Configuration(self.space, lambda entry: self._value(entry, code))
            paths = [path for path in paths if values[path] is not ABSENT]
        return {path: code // radixes[path] % self.axes[path].size for path in paths}

    def index_of(self, hparams: Mapping[str, object]) -> int | None:
        """The index of the point of a configuration, each number rounded to the nearest of its axis; None when the
        constraints exclude that point."""
        given = flat(self.space, hparams)
        paths = [path for path in self.axes if path in given]
        return self._index(paths, [self.axes[path].nearest(given[path]) for path in paths])

    def index_at(self, paths: Sequence[Path], digits: Sequence[int]) -> int | None:
        """The index of the point with these digits, one per path; digits of absent parameters are ignored. None when
        the constraints exclude that point."""
        if self.space.conditions:
            chosen = dict(zip(paths, digits, strict=True))
            values = Configuration(self.space, lambda entry: self.axes[entry.path].at(chosen.get(entry.path, 0)))
            paths = [path for path in paths if values[path] is not ABSENT]
            digits = [chosen[path] for path in paths]
        return self._index(paths, digits)

    def _index(self, paths: Sequence[Path], digits: Sequence[int]) -> int | None:
        code = sum(self._radixes[path] * digit for path, digit in zip(paths, digits, strict=True))
        if isinstance(self.codes, range):
            return code
        index = bisect_left(self.codes, code)
        return index if index < len(self) and self.codes[index] == code else None

    def _value(self, entry: Entry, code: int) -> object:
        axis = self.axes[entry.path]
        return axis.at(code // self._radixes[entry.path] % axis.size)

    @cached_property
    def _radixes(self) -> Mapping[Path, int]:
        return _radixes(self.axes)


def points_of(space: Space) -> Points | None:
    """The points of a grid, or of another space that has at most MAX_CHECKED points; None for any other space.

    Raises TooManyPoints for a grid that is too large.
    """
    if space.source is Source.GRID:
        return _points(space, _axes(space, grid))
    axes = _axes(space, support)
    if len(axes) < len(space.leaves):
        return None
    surely = prod(axis.size for path, axis in axes.items() if path not in space.conditions)
    if surely > MAX_CHECKED:
        return None
    try:
        return _points(space, axes)
    except TooManyPoints:
        return None


def many_to_list(space: Space) -> bool:
    """Whether `points_of` may have to enumerate many points, or shuffling them takes long."""
    is_grid = space.source is Source.GRID
    if is_grid and not space.conditions and not space.constraints:
        return False  # counted, not enumerated
    axes = _axes(space, grid if is_grid else support)
    surely = prod(axis.size for path, axis in axes.items() if path not in space.conditions)
    if not is_grid and (len(axes) < len(space.leaves) or surely > MAX_CHECKED):
        return False  # drawn, not enumerated
    return prod(axis.size for axis in axes.values()) > _FEW_POINTS


def without_count(space: Space) -> list[Path]:
    """The parameters that need a `count` to be in a grid and have none."""
    return [path for path, entry in space.leaves.items() if grid(entry.parameter) is None]


def _axes(space: Space, kind: Callable[[Parameter], Axis | None]) -> dict[Path, Axis]:
    axes = {path: kind(entry.parameter) for path, entry in space.leaves.items()}
    return {path: axis for path, axis in axes.items() if axis}


def _radixes(axes: Mapping[Path, Axis]) -> dict[Path, int]:
    radix, radixes = 1, {}
    for path in reversed(list(axes)):
        radixes[path] = radix
        radix *= axes[path].size
    return radixes


def _points(space: Space, axes: Mapping[Path, Axis]) -> Points:
    if not space.conditions and not space.constraints:
        size = prod(axis.size for axis in axes.values())
        if size > MAX_POINTS:
            raise TooManyPoints(f"{size} points, wanted at most {MAX_POINTS}")
        return Points(space, axes, range(size), size)
    search = _Search(space, axes)
    return Points(space, axes, sorted(search.codes()), search.looked_at)


class _Search:
    """Enumerates the points, parents before the parameters that depend on them, so that absent ones are not varied."""

    def __init__(self, space: Space, axes: Mapping[Path, Axis]) -> None:
        levels = _levels(space)
        self._order = sorted((path for path in axes if axes[path].size > 1), key=lambda path: levels.get(path, 0))
        if len(self._order) > _MAX_DEPTH:
            raise TooManyPoints(f"more than {_MAX_DEPTH} parameters, too many where some depend on others")
        self.looked_at = 0
        self._work = 0
        self._costs = {path: 1 + _conditions_looked_up(space, path) for path in self._order}
        self._cost_of_check = 1 + 2 * effort(space)
        self._space = space
        self._axes = axes
        self._radixes = _radixes(axes)
        self._met = checker(space)
        self._chosen: dict[Path, object] = {path: axis.at(0) for path, axis in axes.items()}

    def codes(self, depth: int = 0, code: int = 0) -> Iterator[int]:
        """The codes of the points that meet the constraints. Raises TooManyPoints."""
        if depth == len(self._order):
            self.looked_at += 1
            self._count(self._cost_of_check)
            if self._met(self._configuration()):
                yield code
            return
        path = self._order[depth]
        self._count(self._costs[path])
        if path in self._space.conditions and self._configuration()[path] is ABSENT:
            yield from self.codes(depth + 1, code)
            return
        axis, radix = self._axes[path], self._radixes[path]
        for digit in range(axis.size):
            self._chosen[path] = axis.at(digit)
            yield from self.codes(depth + 1, code + digit * radix)

    def _count(self, steps: int) -> None:
        self._work += steps
        if self.looked_at > MAX_CHECKED:
            raise TooManyPoints(f"more than {MAX_CHECKED} points, too many where some depend on others")
        if self._work > MAX_WORK:
            raise TooManyPoints("more points than can be looked at with so many conditions or so long constraints")

    def _configuration(self) -> Configuration:
        return Configuration(self._space, lambda entry: self._chosen[entry.path])


def _conditions_looked_up(space: Space, path: Path) -> int:
    return sum(len(space.conditions.get(each, ())) for each in space.decided_by((path,)))


def _levels(space: Space) -> dict[Path, int]:
    """The depth of each conditional parameter: the length of the longest chain of conditions above it."""
    levels: dict[Path, int] = {}
    while len(levels) < len(space.conditions):
        for path, conditions in space.conditions.items():
            parents = [condition.path for condition in conditions]
            if all(parent in levels or parent not in space.conditions for parent in parents):
                levels[path] = 1 + max(levels.get(parent, 0) for parent in parents)
    return levels
