"""Admission control: under load, a busy experiment leaves room for the others.

Running calls are counted by experiment (reads: by namespace). Below half of the limit every call is admitted. Above it,
an experiment may run at most an equal share, counted as if there were one more experiment: a newcomer is admitted until
the limit itself is reached.
"""

from collections import defaultdict
from collections.abc import Hashable

from rungway_server.domain.errors import Overloaded
from rungway_server.service.high_water import HighWaterWarning


class Admission:
    """Counts the running calls of this process, and refuses those beyond the limits."""

    def __init__(self, most: int, name: str = "many_calls_in_work") -> None:
        """`most`: how many calls may run at once; `name`: the log line when most of them do."""
        self._most = most
        self._running = 0
        self._high_water = HighWaterWarning(name, most)
        self._by_experiment: defaultdict[Hashable, int] = defaultdict(int)

    @property
    def most(self) -> int:
        """How many calls may run at once."""
        return self._most

    def admit(self, ref: Hashable) -> "_Admitted":
        """A context manager around one call. Entering it raises Overloaded when this experiment has no room."""
        return _Admitted(self, ref)

    def acquire(self, ref: Hashable) -> None:
        """One more call runs. Raises Overloaded."""
        if 2 * self._running >= self._most:
            share = self._most // (len(self._by_experiment) + 1)
            if self._running >= self._most or self._by_experiment.get(ref, 0) >= share:
                raise Overloaded
        self._running += 1
        self._high_water.note(self._running)
        self._by_experiment[ref] += 1

    def release(self, ref: Hashable) -> None:
        """One call is done."""
        self._running -= 1
        if self._by_experiment[ref] == 1:
            del self._by_experiment[ref]
        else:
            self._by_experiment[ref] -= 1


class _Admitted:
    __slots__ = ("_admission", "_ref")

    def __init__(self, admission: Admission, ref: Hashable) -> None:
        self._admission, self._ref = admission, ref

    def __enter__(self) -> None:
        self._admission.acquire(self._ref)

    def __exit__(self, *_: object) -> None:
        self._admission.release(self._ref)
