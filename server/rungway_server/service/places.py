"""Who gets in when there is too much to do: a busy experiment leaves room for the others.

Calls in work are counted by experiment. While less than half of the places are taken, anybody gets one; beyond that an
experiment holds at most an equal share, counted as if one more experiment were there: a newcomer always gets in.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rungway_server.domain.errors import Overloaded
from rungway_server.service.port import ExperimentRef


class Places:
    """Places for calls in work, in this process."""

    def __init__(self, most: int) -> None:
        """`most`: how many calls may be in work at once."""
        self._most = most
        self._taken = 0
        self._by_experiment: Counter[ExperimentRef] = Counter()

    @contextmanager
    def place(self, ref: ExperimentRef) -> Iterator[None]:
        """Hold a place inside the block. Raises Overloaded when there is none for this experiment."""
        share = self._most // (len(self._by_experiment) + 1)
        busy = 2 * self._taken >= self._most
        if self._taken >= self._most or (busy and self._by_experiment[ref] >= share):
            raise Overloaded
        self._taken += 1
        self._by_experiment[ref] += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._by_experiment[ref] -= 1
            if not self._by_experiment[ref]:
                del self._by_experiment[ref]
