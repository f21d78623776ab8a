"""Who gets in when there is too much to do: a busy experiment leaves room for the others.

Calls in work are counted by experiment (reads: by namespace). While less than half of the places are taken, anybody
gets one; beyond that an experiment holds at most an equal share, counted as if one more were there: a newcomer always
gets in.
"""

from collections import defaultdict
from collections.abc import Hashable

from rungway_server.domain.errors import Overloaded
from rungway_server.service.nearly_full import Brim


class Places:
    """Places for calls in work, in this process."""

    def __init__(self, most: int, name: str = "many_calls_in_work") -> None:
        """`most`: how many calls may be in work at once; `name`: the log line when most places are taken."""
        self._most = most
        self._taken = 0
        self._brim = Brim(name, most)
        self._by_experiment: defaultdict[Hashable, int] = defaultdict(int)

    def place(self, ref: Hashable) -> "_Place":
        """Hold a place inside a `with` block. Entering it raises Overloaded when there is none for this experiment."""
        return _Place(self, ref)

    def take(self, ref: Hashable) -> None:
        """One more call is in work. Raises Overloaded."""
        if 2 * self._taken >= self._most:
            share = self._most // (len(self._by_experiment) + 1)
            if self._taken >= self._most or self._by_experiment.get(ref, 0) >= share:
                raise Overloaded
        self._taken += 1
        self._brim.note(self._taken)
        self._by_experiment[ref] += 1

    def give_back(self, ref: Hashable) -> None:
        """One call is done."""
        self._taken -= 1
        if self._by_experiment[ref] == 1:
            del self._by_experiment[ref]
        else:
            self._by_experiment[ref] -= 1


class _Place:
    __slots__ = ("_places", "_ref")

    def __init__(self, places: Places, ref: Hashable) -> None:
        self._places, self._ref = places, ref

    def __enter__(self) -> None:
        self._places.take(self._ref)

    def __exit__(self, *_: object) -> None:
        self._places.give_back(self._ref)
