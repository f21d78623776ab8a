"""Configurations by seed and trial number: a pure function, the same on every replica, version and platform.

Random bits come from Philox (see `philox.py`). Its key is the seed; its counter is the trial number, the number of the
attempt, and 128 bits hashed from the parameter's path. So each (seed, number, attempt, path) has its own block of bits:
trials can be drawn in any order, and adding, removing or reordering parameters does not change the others (unless the
space is finite, see below).

A configuration that violates the constraints is drawn again, with the next attempt number. A Sobol search takes the
point of its sequence with the trial number, and independent draws where that point violates the constraints.

In a grid, and where all parameters are discrete and have few points together (`points.py`), the points are visited in
an order instead, so that none is repeated before all have been visited: shuffled, or in the order in which a Sobol
sequence reaches them, or, for a grid, from the last to the first. The shuffle is uniform; where values are not equally
likely, each next point is one of those left in proportion to how likely they are. A number is then an index into that
order, repeated without end, and not a trial number: enqueued configurations and invalid points are skipped
(`store/redis/lua/include/points.lua`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf, prod
from typing import NamedTuple

from rungway_server.domain.documents.paths import Path
from rungway_server.domain.errors import InvalidInput
from rungway_server.domain.sampling.drawing import Drawer, drawer
from rungway_server.domain.sampling.philox import RoundKeys, leading_bits, philox, philox_column, seed_keys
from rungway_server.domain.sampling.points import Points, many_to_list, points_of
from rungway_server.domain.sampling.sobol import BITS, sobol
from rungway_server.domain.sampling.uneven import Uneven, uneven
from rungway_server.domain.space.bell import ln
from rungway_server.domain.space.configuration import Configuration
from rungway_server.domain.space.constraints.constraints import checker
from rungway_server.domain.space.membership import as_drawn, check_configuration, not_met
from rungway_server.domain.space.space import Const, Entry, Group, Source, Space

SHARE_SAMPLE = 4096
"""Number of draws that the feasible share is estimated from."""
LEAST_SHARE = 0.001
"""A space with a smaller feasible share is refused."""
MAX_DRAWN = 20_000
"""Most work of finding a configuration that meets the constraints, on average, counted in draws of a parameter."""
MAX_ATTEMPTS = 20_000
"""Most draws for one configuration: at LEAST_SHARE, all of them fail in one of e ** 20 trials."""
FEW_PARAMETERS = 50
"""Most parameters of a space whose configurations are drawn on the event loop, in well under a millisecond."""

_FEW_VALUES = 256

# Other uses of the generator have one of these numbers in place of an attempt number.
_SHIFT, _SHUFFLE, _SHARE = ((1 << 64) - 1 - use for use in range(3))


def propose(space: Space, seed: int, number: int) -> dict[str, object]:
    """The configuration of a trial: names in byte order to values, groups as nested dictionaries.

    `seed` and `number` are from 0 to 2**64 - 1. Constants and categories are returned as the space holds them and must
    not be changed. The space must come from `experiment.parse`, which refuses spaces without any configuration.
    """
    return suggest_many(space, seed, range(number, number + 1))[0]


def suggest_many(space: Space, seed: int, numbers: range) -> list[dict[str, object]]:
    """The configurations of consecutive trials, as `propose` returns them; cheaper than one by one."""
    return _suggestions(space).propose(seed, numbers) if numbers else []


def example(space: Space, seed: int) -> dict[str, object]:
    """One of the configurations, without ordering a long list of points first."""
    suggestions = _suggestions(space)
    return suggestions.points[0] if isinstance(suggestions, _Listed) else suggestions.propose(seed, range(1))[0]


def is_quick(space: Space) -> bool:
    """Whether its configurations are drawn in well under a millisecond. With constraints, hundreds of draws may fail
    for each."""
    drawn_once = not space.constraints and space.source is not Source.SOBOL
    return drawn_once and len(space.leaves) <= FEW_PARAMETERS and not many_to_list(space)


def feasible_share(space: Space) -> float:
    """The share of configurations that meet the constraints, from 0 to 1: exact where the points are counted, otherwise
    estimated from SHARE_SAMPLE draws, the same ones each time."""
    return _suggestions(space).feasible_share


def number_of_points(space: Space) -> int | None:
    """How many different configurations there are; None when they are not counted. Raises TooManyPoints for a grid that
    is too large."""
    suggestions = _suggestions(space)
    return len(suggestions.points) if isinstance(suggestions, _Listed) else None


class Counted(NamedTuple):
    """How many points a finite space has, and how often a grid runs each (0 for any other space)."""

    points: int
    samples: int


def counted(space: Space) -> Counted | None:
    """The points of a grid, or of another finite space with several: each runs once before any is repeated. None for
    all other spaces."""
    points = number_of_points(space) or 0
    if space.source is Source.GRID:
        return Counted(points, space.num_samples)
    return Counted(points, 0) if points > 1 else None


def as_proposed(space: Space, hparams: Mapping[str, object]) -> Mapping[str, object] | None:
    """A configuration of the space as `propose` would return it: in a finite space, the values of its point. None when
    the constraints exclude that point."""
    suggestions = _suggestions(space)
    if not isinstance(suggestions, _Listed):
        return hparams
    index = suggestions.points.index_of(hparams)
    return None if index is None else suggestions.points[index]


def point_of(space: Space, hparams: Mapping[str, object]) -> int | None:
    """The index of a configuration among the points of a finite space, in an order that never changes; None in any
    other space, or when the constraints exclude it."""
    suggestions = _suggestions(space)
    return suggestions.points.index_of(hparams) if isinstance(suggestions, _Listed) else None


def own_configuration(space: Space, hparams: Mapping[str, object], field: str = "hparams") -> Mapping[str, object]:
    """A user's own configuration as `propose` would have made it. Raises InvalidInput if it does not belong."""
    wrong = check_configuration(space, hparams, field)
    own = None if wrong else as_proposed(space, as_drawn(space, hparams))
    if own is None:
        raise InvalidInput(wrong or [not_met(space, field)])
    return own


@lru_cache(maxsize=128)
def _suggestions(space: Space) -> "_Listed | _Drawn":
    points = points_of(space)
    return _Drawn(space) if points is None else _Listed(space, points)


@dataclass(frozen=True)
class _Listed:
    """Suggestions from a list of points, in an order that repeats."""

    space: Space
    points: Points

    @property
    def feasible_share(self) -> float:
        return len(self.points) / self.points.looked_at

    def propose(self, seed: int, numbers: range) -> list[dict[str, object]]:
        return [self._point(seed, number) for number in numbers]

    def _point(self, seed: int, number: int) -> dict[str, object]:
        size = len(self.points)
        if self.space.source is Source.GRID:
            return self.points[size - 1 - number % size]
        if self.space.source is Source.SOBOL:
            return self.points[_sobol_order(self.space, seed, number // size)[number % size]]
        if self.uneven:
            return self.points[_raced(self.space, seed, number // size)[number % size]]
        return self.points[_shuffled(size, seed, number // size)[number % size]]

    @cached_property
    def uneven(self) -> Mapping[Path, Uneven]:
        """The parameters whose values are not equally likely."""
        found = {path: uneven(entry.parameter) for path, entry in self.space.leaves.items()}
        return {path: each for path, each in found.items() if each is not None}

    def odds(self) -> list[float]:
        """How likely each point is; 1 for one with parameters that are all as likely as their mean."""
        tables = {
            path: [each.odds(i) for i in range(self.points.axes[path].size)] for path, each in self.uneven.items()
        }
        return [
            prod(tables[path][digit] for path, digit in self.points.digits(index, tables).items())
            for index in range(len(self.points))
        ]


@lru_cache(maxsize=16)
def _shuffled(size: int, seed: int, times: int) -> Sequence[int]:
    """0 to size - 1 in a random order, another one for each repetition `times`."""
    return sorted(range(size), key=_words(size, seed, times).__getitem__)


@lru_cache(maxsize=16)
def _raced(space: Space, seed: int, times: int) -> Sequence[int]:
    """The same where points are not equally likely: each next one is drawn in proportion from those left.

    They arrive in the order of exponential times with their odds as rates (Efraimidis and Spirakis 2006, "Weighted
    Random Sampling with a Reservoir").
    """
    suggestions = _suggestions(space)
    assert isinstance(suggestions, _Listed)
    odds = suggestions.odds()
    words = _words(len(odds), seed, times)
    arrivals = [-ln((2 * word + 1) / 2**65) / each if each else inf for word, each in zip(words, odds, strict=False)]
    return sorted(range(len(odds)), key=arrivals.__getitem__)


def _words(size: int, seed: int, times: int) -> list[int]:
    """64 random bits for each of 0 to size - 1, and up to three more."""
    keys = seed_keys(seed)
    return [word for block in range(0, size, 4) for word in philox((times, _SHUFFLE, block, 0), keys)]


@lru_cache(maxsize=16)
def _sobol_order(space: Space, seed: int, times: int) -> Sequence[int]:
    """0 to size - 1 in the order in which the beginning of a Sobol sequence reaches the points, with another shift for
    each repetition `times`; points that it does not reach come last, shuffled."""
    suggestions = _suggestions(space)
    assert isinstance(suggestions, _Listed)
    points, paths, keys = suggestions.points, _varied(space), seed_keys(seed)
    shifts = [philox((times, _SHIFT, *space.leaves[path].stream), keys)[0] for path in paths]
    choices = [_chosen(suggestions.uneven.get(path), points.axes[path].size) for path in paths]
    order: dict[int, None] = {}
    for number in range(2 * points.looked_at if paths else 0):
        words = zip(sobol(number, len(paths)), shifts, choices, strict=True)
        digits = [chosen((word << (64 - BITS)) ^ shift) for word, shift, chosen in words]
        index = points.index_at(paths, digits)
        if index is not None:
            order[index] = None
        if len(order) == len(points):
            break
    return [*order, *(index for index in _shuffled(len(points), seed, times) if index not in order)]


def _chosen(node: Uneven | None, size: int) -> Callable[[int], int]:
    """The function from 64 bits to the index of one of `size` values; of few uneven ones from a table, because it is
    called for each point of the sequence."""
    if node is None:
        return lambda bits: bits * size >> 64
    if size > _FEW_VALUES:
        return lambda bits: node.index(bits << 64)
    starts = [bisect_left(range(2**53), index, key=lambda part: node.index(part << 75)) for index in range(1, size)]
    return lambda bits: bisect_right(starts, bits >> 11)


@dataclass(frozen=True)
class _Drawn:
    """Suggestions that are drawn, again until they meet the constraints."""

    space: Space

    @property
    def feasible_share(self) -> float:
        return len(self._feasible) / SHARE_SAMPLE if self.space.constraints else 1.0

    def propose(self, seed: int, numbers: range) -> list[dict[str, object]]:
        if self._columns:
            return self._table(self.space.entries, seed, numbers)
        keys = seed_keys(seed)
        return [self._found(keys, number) for number in numbers]

    def _table(self, entries: tuple[Entry, ...], seed: int, numbers: range) -> list[dict[str, object]]:
        """Independent draws of many configurations, parameter by parameter."""
        if not entries:
            return [{} for _ in numbers]
        names = [entry.name for entry in entries]
        columns = [self._column(entry, seed, numbers) for entry in entries]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _column(self, entry: Entry, seed: int, numbers: range) -> Iterable[object]:
        match entry.node:
            case Group(entries):
                return self._table(entries, seed, numbers)
            case Const(val):
                return [val] * len(numbers)
            case _:
                return map(self._drawers[entry.path], philox_column(numbers, (0, *entry.stream), seed))

    def _found(self, keys: RoundKeys, number: int) -> dict[str, object]:
        """Draws until one meets the constraints."""
        sobol_search = self.space.source is Source.SOBOL
        values = self._from_sobol(keys, number) if sobol_search else self._from_bits(keys, number, 0)
        if self.space.constraints:
            attempt = 1
            while not self._met(values):
                if attempt == MAX_ATTEMPTS:
                    return self._sample(self._feasible[number % len(self._feasible)]).nested()
                values, attempt = self._from_bits(keys, number, attempt), attempt + 1
        return values.nested()

    def _from_bits(self, keys: RoundKeys, number: int, attempt: int) -> Configuration:
        """Independent draws."""
        drawers = self._drawers
        return Configuration(
            self.space, lambda entry: drawers[entry.path](leading_bits((number, attempt, *entry.stream), keys))
        )

    def _from_sobol(self, keys: RoundKeys, number: int) -> Configuration:
        """A point of the Sobol sequence: one dimension per parameter, each with its own digital shift."""
        dimensions = self._dimensions
        point = sobol(number, len(dimensions)) if dimensions else []

        def value(entry: Entry) -> object:
            if isinstance(entry.node, Const):
                return entry.node.val
            shift, *_ = philox((0, _SHIFT, *entry.stream), keys)
            return self._drawers[entry.path](((point[dimensions[entry.path]] << (64 - BITS)) ^ shift) << 64)

        return Configuration(self.space, value)

    def _sample(self, number: int) -> Configuration:
        """One of the draws that the feasible share is estimated from."""
        return self._from_bits(seed_keys(0), number, _SHARE)

    @cached_property
    def _feasible(self) -> list[int]:
        return [number for number in range(SHARE_SAMPLE) if self._met(self._sample(number))]

    @cached_property
    def _met(self) -> Callable[[Configuration], bool]:
        return checker(self.space)

    @cached_property
    def _columns(self) -> bool:
        """Whether each value depends only on its own bits, so that parameters can be drawn in columns."""
        space = self.space
        return not (space.conditions or space.constraints or space.source is Source.SOBOL)

    @cached_property
    def _drawers(self) -> dict[Path, Drawer]:
        return {path: drawer(entry.parameter) for path, entry in self.space.leaves.items()}

    @cached_property
    def _dimensions(self) -> dict[Path, int]:
        return {path: dimension for dimension, path in enumerate(_varied(self.space))}


def _varied(space: Space) -> list[Path]:
    """The parameters that have a dimension of a Sobol sequence."""
    return [path for path, entry in space.leaves.items() if not isinstance(entry.node, Const)]
