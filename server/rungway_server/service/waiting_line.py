"""Who waits for work of one experiment: in which order they are served, and how many of them ask again."""

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable

from rungway_server.domain.engine import AskAnswer, AskStatus, Available, TrialView

AT_ONCE = 4
"""How many of a line ask at the same time: as many at most find nothing where another server was faster."""
MOST_CHECKED = 128
"""Requests that a look checks: more come with the next one."""
_RELEASED, _PAUSE_SECONDS = 32, 0.01
"""Of those that are told the same, so many are told at once, and after what pause the next: the loop stays free."""

Asked = tuple[AskAnswer, TrialView | None]
"""The answer to an ask; with DONE also the best trial."""


class Waiter:
    """One ask that is held. `turn` is done when it is to be answered, or with None when it is to ask again."""

    __slots__ = ("asks", "began", "count", "is_over", "request_id", "since", "turn")

    def __init__(self, began: float, since: float, request_id: str, count: int) -> None:
        """`began` is when the call came, `since` when its worker began to wait, on the clock of the event loop; `count`
        how much it wants."""
        self.began, self.since, self.request_id, self.count = began, since, request_id, count
        self.asks = self.is_over = False
        self.turn: asyncio.Future[Asked | None] = asyncio.get_running_loop().create_future()


class WaitingLine:
    """The asks that wait for work of one experiment. Of k pieces of work, so many ask again."""

    def __init__(self, answer: AskAnswer, as_of: float) -> None:
        """`answer`: why the first of them waits, who asked at `as_of`."""
        self.answer = answer
        """What those are told who have waited long enough."""
        self._as_of = as_of
        self.members = 0
        """How many are held, those included who ask now or are about to be answered."""
        self.watch: asyncio.Future[None] | None = None
        """Who looks for its work."""
        self._waiters: list[Waiter] = []
        self._unknown: dict[str, Waiter] = {}
        self._asking = self._wanted = 0
        self._work = 0
        self._futile = -1
        """The revision at which an ask found nothing, whatever it looked like."""

    def join(self, waiter: Waiter) -> None:
        """Stand in line: who has waited longest is in front."""
        insort(self._waiters, waiter, key=_since)
        self._wake()

    def check(self, waiter: Waiter) -> None:
        """Its request may have been answered before: the next look is to find out."""
        if waiter.request_id:
            self._unknown[waiter.request_id] = waiter

    def unknown(self) -> dict[str, Waiter]:
        """Some of those that are to be checked, by request id."""
        return dict(self._unknown.popitem() for _ in range(min(len(self._unknown), MOST_CHECKED)))

    def asks_now(self, waiter: Waiter) -> None:
        """It does not wait for its turn: its request was answered before, or its time is over."""
        if self.leave(waiter):
            self._ask(waiter)

    def leave(self, waiter: Waiter) -> bool:
        """Leave the line; whether it stood there."""
        at = bisect_left(self._waiters, waiter.since, key=_since)
        while at < len(self._waiters) and self._waiters[at].since == waiter.since:
            if self._waiters[at] is waiter:
                del self._waiters[at]
                return True
            at += 1
        return False

    def is_answer_for(self, waiter: Waiter) -> bool:
        """Whether the answer is not older than the call: what the caller knows may be newer."""
        return waiter.began <= self._as_of

    def saw(self, found: Available, as_of: float) -> None:
        """So much work there is, as a look found that began at `as_of`: as many ask again. When the search is over, one
        asks for all."""
        self.answer, self._as_of = found.answer, as_of
        work = 0 if found.answer.revision == self._futile else found.work
        self._work = max(work + found.expired, int(found.over))
        self._wake()

    def let_all_ask(self) -> None:
        """Each learns for itself what has become of the experiment, until one finds nothing."""
        self._work = sum(waiter.count for waiter in self._waiters) + self._wanted
        self._wake()

    def asked(self, waiter: Waiter, answer: AskAnswer | None = None, *, stop: bool = False) -> None:
        """Its ask is over, with this answer. With `stop` the next look says how it goes on."""
        waiter.asks = False
        self._asking, self._wanted = self._asking - 1, self._wanted - waiter.count
        if answer:
            self._work -= len(answer.assignments)
            stop |= answer.status is not AskStatus.ASSIGNED
            self._futile = answer.revision if answer.status is AskStatus.WAIT else self._futile
        if stop:
            self._work = 0
        self._wake()

    async def release(self, asked: Callable[[], Asked]) -> None:
        """Answer all who stand in line now; whose call is newer than the answer asks for itself."""
        waiters, self._waiters = self._waiters, []
        for at in range(0, len(waiters), _RELEASED):
            for waiter in waiters[at : at + _RELEASED]:
                if waiter.turn.done():
                    continue
                if self.is_answer_for(waiter):
                    waiter.turn.set_result(asked())
                else:
                    self._ask(waiter)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _wake(self) -> None:
        while self._waiters and self._asking < AT_ONCE and self._wanted < self._work:
            self._ask(self._waiters.pop(0))

    def _ask(self, waiter: Waiter) -> None:
        waiter.asks = True
        self._asking, self._wanted = self._asking + 1, self._wanted + waiter.count
        waiter.turn.set_result(None)


def _since(waiter: Waiter) -> float:
    return waiter.since
