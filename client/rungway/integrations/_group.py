"""The processes that train one trial together, as the shared rules see them: who is first, and two ways to agree."""

from typing import Any, Protocol


class Group(Protocol):
    """All methods are collective: every rank calls them, in the same order."""

    @property
    def rank(self) -> int:
        """Which process of the group this is, from 0 on. Rank 0 has the client."""
        ...

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    def gather(self, word: Any, limit: float | None = None) -> list[Any]:
        """The small word (as JSON) of every rank, by rank. Raises GroupBroken when one does not come within `limit`
        seconds or is gone."""
        ...

    def from_first(self, value: Any) -> Any:
        """The value of rank 0, everywhere. Raises GroupBroken."""
        ...

    def close(self) -> None:
        """Nobody will call this group again."""
        ...


class GroupBroken(RuntimeError):
    """A process of the group is gone or does not answer: this one cannot go on, and has to end."""

    def __init__(self, message: str, *, late: bool = False) -> None:
        super().__init__(message)
        self.late = late
        """Whether it is there, as far as one can see, and only did not come in time."""


class Alone:
    """A group of one."""

    rank, size = 0, 1

    def gather(self, word: Any, limit: float | None = None) -> list[Any]:
        """See Group."""
        return [word]

    def from_first(self, value: Any) -> Any:
        """See Group."""
        return value

    def close(self) -> None:
        """See Group."""
