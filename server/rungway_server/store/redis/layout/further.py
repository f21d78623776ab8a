"""Further metrics of reports as they are stored (lua/include/further.lua): rows beside the curve, in pieces.

A row has the values of one report. A piece begins with its number and the place in the curve of its first row; the last
piece of a trial is in a field of its own, which its rows are added to.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from rungway_server.domain.engine import MOST_FURTHER_NAMES, Further, Result
from rungway_server.domain.errors import InvalidInput
from rungway_server.store.redis.layout.records import BINARY, as_bytes, packed, unpack

FIELD = "further"
"""The field of `meta` that has names and shapes, and the field of the progress that says how many names there are."""
PIECE_BYTES = 1018
"""Most bytes of a piece: with what Redis adds they fill 1,024."""
MOST_SHAPES = 255
_COST = ""
"""The name under which the cost of a report is stored."""
_HEAD = struct.Struct(">II")
_PLACE = struct.Struct(">I")
_FAR = b"\xff"

Row = tuple[int, Further]
"""The place of a report in the curve, from 0, and its further metrics."""


def named(further: Further) -> dict[str, float]:
    """The values by name, in the order in which they are stored."""
    values = {name: further.metrics[name] for name in sorted(further.metrics)}
    return values if further.cost is None else {_COST: further.cost} | values


def _values(values: Mapping[str, float]) -> bytes:
    return struct.pack(f">{len(values)}d", *values.values())


class ToldFurther:
    """The further metrics of a tell, as its script takes them."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._names: dict[str, int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}
        self._rows: list[list[tuple[int, int, str]]] = []
        """Of each result: index of the report, of the shape, and the values."""
        for result in results:
            rows = []
            for j, report in enumerate(result.reports):
                if report.further:
                    values = named(report.further)
                    shape = tuple(self._names.setdefault(name, len(self._names)) for name in values)
                    at = self._shapes.setdefault(shape, len(self._shapes))
                    rows.append((j, at, _values(values).decode(errors=BINARY)))
            self._rows.append(rows)

    def of(self, part: slice) -> tuple[bytes, ...]:
        """The last argument of the script for these results; none if they have no further metrics."""
        rows = [(i, *row) for i, rows in enumerate(self._rows[part]) for row in rows]
        if not rows:
            return ()
        return (packed([list(self._names), [list(shape) for shape in self._shapes], list(chain(*rows))]),)

    def too_many(self, results: Sequence[Result], index: int) -> InvalidInput:
        """The refusal of the name with this index in the arguments: the search has as many as it may have."""
        name = list(self._names)[index]
        places = ((i, j, each) for i, result in enumerate(results) for j, each in enumerate(result.reports))
        i, j = next((i, j) for i, j, each in places if each.further and name in named(each.further))
        field = f"metrics[{json.dumps(name)}]" if name else "cost"
        wanted = f"one of the {MOST_FURTHER_NAMES} names that this search has: all reports together may have no more"
        return InvalidInput.one(f"results[{i}].reports[{j}].{field}", f"got a new name, wanted {wanted}")


class Names:
    """The names and shapes of an experiment."""

    def __init__(self, stored: bytes | None) -> None:
        names, shapes = unpack(stored) if stored else ([], [])
        self.names: list[str] = names
        self._shapes: list[bytes] = [as_bytes(shape) for shape in shapes]

    @property
    def shown(self) -> list[str]:
        """The names of metrics, in order."""
        return sorted(name for name in self.names if name != _COST)

    @property
    def has_cost(self) -> bool:
        """Whether any report has a cost."""
        return _COST in self.names

    def rows(self, piece: bytes) -> Iterator[Row]:
        """The rows of a piece, in order. Raises ValueError, IndexError or struct.error for what is none."""
        _, first = _HEAD.unpack_from(piece)
        at = _HEAD.size
        while at < len(piece):
            if piece[at] == _FAR[0]:
                (place,) = _PLACE.unpack_from(piece, at + 1)
                at += 1 + _PLACE.size
            else:
                place, at = first + piece[at], at + 1
            if piece[at] == MOST_SHAPES:
                at += 2
                shape = piece[at : at + piece[at - 1]]
                at += len(shape)
            else:
                shape, at = self._shapes[piece[at]], at + 1
            values = struct.unpack_from(f">{len(shape)}d", piece, at)
            at += 8 * len(shape)
            by_name = {self.names[number]: value for number, value in zip(shape, values, strict=True)}
            yield place, Further(by_name, by_name.pop(_COST, None))


def pieces_before(last: bytes | None) -> int:
    """How many pieces a trial has before its last one."""
    return int(_HEAD.unpack_from(last)[0]) if last else 0


def is_further(field: str) -> bool:
    """Whether a field of `curves` has a piece of further metrics."""
    return field.startswith("m")


def tail_field(trial: int) -> str:
    """The field of `curves` with the last piece of a trial."""
    return f"m{trial}"


def piece_field(trial: int, piece: int) -> str:
    """The field of `curves` with an earlier piece of a trial."""
    return f"m{trial}.{piece}"


def stored(curves: Mapping[int, Sequence[Row]]) -> tuple[bytes, dict[bytes, bytes]]:
    """What scripts would have stored: the field of `meta`, and fields of `curves`. Raises ValueError for too many
    names."""
    numbers: dict[str, int] = {}
    shapes: dict[bytes, int] = {}
    fields: dict[bytes, bytes] = {}
    for trial, rows in curves.items():
        piece, count = b"", 0
        for place, further in rows:
            values = named(further)
            row = _shaped(bytes(_number(numbers, name) for name in values), shapes) + _values(values)
            if piece and len(piece) + len(row) + 5 > PIECE_BYTES:
                fields[piece_field(trial, count).encode()] = piece
                piece, count = b"", count + 1
            piece = piece or _HEAD.pack(count, place)
            distance = place - int(_HEAD.unpack_from(piece)[1])
            piece += (bytes([distance]) if distance < _FAR[0] else _FAR + _PLACE.pack(place)) + row
        if piece:
            fields[tail_field(trial).encode()] = piece
    return packed([list(numbers), [shape.decode(errors=BINARY) for shape in shapes]]), fields


def _number(numbers: dict[str, int], name: str) -> int:
    if len(numbers) == MOST_FURTHER_NAMES and name not in numbers:
        raise ValueError(f"more than {MOST_FURTHER_NAMES} names of further metrics")
    return numbers.setdefault(name, len(numbers))


def _shaped(shape: bytes, shapes: dict[bytes, int]) -> bytes:
    """What a row of this shape begins with."""
    if len(shapes) == MOST_SHAPES and shape not in shapes:
        return bytes([MOST_SHAPES, len(shape)]) + shape
    return bytes([shapes.setdefault(shape, len(shapes))])
