"""The curve of a trial in an export file, as an import holds it."""

from array import array
from collections.abc import Iterator


class Curve:
    """The curve of a trial in 16 bytes a point: pairs of length and metric."""

    __slots__ = ("_lengths", "_metrics")

    def __init__(self) -> None:
        self._lengths, self._metrics = array("q"), array("d")

    def add(self, length: int, metric: float) -> None:
        """One more point."""
        self._lengths.append(length)
        self._metrics.append(metric)

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self._lengths, self._metrics, strict=True)

    def part(self, first: int, last: int) -> Iterator[tuple[int, float]]:
        """Points `first` to `last` - 1, by their position."""
        return zip(self._lengths[first:last], self._metrics[first:last], strict=True)
