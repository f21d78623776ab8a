"""A curve that was read from the store: its points become objects only where they are looked at.

A curve may have 100,000 points. As many objects at once would make each collection of garbage a long pause.
"""

from collections.abc import Mapping, Sequence
from typing import overload

from rungway_server.domain.engine import Further, Report
from rungway_server.domain.ranking import metric_of
from rungway_server.store.redis.layout.curves import POINT


class PackedCurve(Sequence[Report]):
    """The points of `packed` (see `layout/curves.py`). `further`: further metrics by the place of their report."""

    def __init__(self, packed: bytes, smaller_is_better: bool, further: Mapping[int, Further]) -> None:
        self._packed = memoryview(packed)
        self._smaller_is_better = smaller_is_better
        self._further = further

    def __len__(self) -> int:
        return len(self._packed) // POINT.size

    @overload
    def __getitem__(self, at: int) -> Report: ...

    @overload
    def __getitem__(self, at: slice) -> list[Report]: ...

    def __getitem__(self, at: int | slice) -> Report | list[Report]:
        if isinstance(at, slice):
            return [self._report(place) for place in range(len(self))[at]]
        return self._report(range(len(self))[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    def __repr__(self) -> str:
        return repr([*self])

    def _report(self, place: int) -> Report:
        length, key = POINT.unpack_from(self._packed, POINT.size * place)
        return Report(length, metric_of(key, self._smaller_is_better), self._further.get(place))
