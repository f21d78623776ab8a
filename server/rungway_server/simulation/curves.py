"""What training would have given: learning curves by trial and length, and the seconds they take."""

from collections.abc import Sequence
from typing import Protocol

from rungway_server.domain.philox import philox, round_keys

SECONDS_PER_UNIT = 1.0
"""What a unit of length takes where nothing else is known."""


class BadCurves(Exception):
    """The curves cannot be used for this search; the text says why."""


class Curves(Protocol):
    """Learning curves of the trials of one search. Lengths are absolute; all values are finite."""

    name: str
    """For titles."""
    max_length: int
    """The longest training that the curves know."""
    smaller_is_better: bool
    """Direction of the metric."""
    unit_seconds: float
    """What a unit of length takes on average (seconds): the unit of time of `Fleet.drop_probability`."""

    def metric(self, trial: int, length: int) -> float:
        """The validation result of a trial at a length from 1 to `max_length`."""
        ...

    def seconds(self, trial: int, start: int, end: int) -> float:
        """The seconds that training a trial from one length to another takes on a machine without trouble."""
        ...

    def finals(self) -> Sequence[float]:
        """The results at `max_length` of everything that a search could have drawn."""
        ...


class Permutation:
    """Trial numbers to rows of a table: the rows in an order drawn from the seed, and again in another order when they
    are used up."""

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


def check_fit(curves: Curves, max_length: int, smaller_is_better: bool) -> None:
    """Raise BadCurves unless a search of this length and direction can be run with these curves."""
    if max_length > curves.max_length:
        raise BadCurves(
            f"{curves.name} ends at length {curves.max_length:,}, but the search trains to {max_length:,}:"
            f" set searcher.max_length to at most {curves.max_length:,}"
        )
    if smaller_is_better != curves.smaller_is_better:
        better = "smaller" if curves.smaller_is_better else "larger"
        wanted = str(curves.smaller_is_better).lower()
        raise BadCurves(f"the metric of {curves.name} is better when {better}: set smaller_is_better: {wanted}")
