"""A group whose ranks are threads: what a group agrees on, without torch and without the start of processes."""

import pickle
import threading
from typing import Any

from rungway.integrations._group import GroupBroken
from tests.support.waiting import SECONDS


class Meeting:
    """What the ranks of one group share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size)
        self.words: list[Any] = [None] * size


class ThreadGroup:
    """One rank of it."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.rank, self.size, self._meeting = rank, meeting.size, meeting

    def gather(self, word: Any, limit: float | None = None) -> list[Any]:
        """See Group."""
        self._meeting.words[self.rank] = word
        try:
            self._meeting.barrier.wait(limit or SECONDS)
            words = list(self._meeting.words)
            self._meeting.barrier.wait(SECONDS)
        except threading.BrokenBarrierError:
            raise GroupBroken("a rank did not come", late=True) from None
        return words

    def from_first(self, value: Any) -> Any:
        """See Group. The value is pickled, as torch does it."""
        return pickle.loads(self.gather(pickle.dumps(value))[0])

    def close(self) -> None:
        """See Group."""
