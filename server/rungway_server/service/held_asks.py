"""Asks that find nothing are held until there is work, so that waiting workers cost little and are served in turn.

Those who wait for the same experiment stand in a line. For each line the process looks whether there is work, once for
all who wait; so much as there is, so many ask again, a few at a time. An ask that finds nothing after all keeps its
place. The reasons are in docs/adr/0016-held-asks.md.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from rungway_server.domain.engine import AskAnswer, AskStatus, Available, ExpiredLease, Reason
from rungway_server.domain.errors import Overloaded, RungwayError, StoreFull, StoreUnavailable
from rungway_server.service.access import CHECK_AGAIN
from rungway_server.service.admission import Admission
from rungway_server.service.port import DecisionStore, ExperimentRef
from rungway_server.service.waiting_line import Asked, Waiter, WaitingLine

MOST_SECONDS = 30.0
"""Longest time for which an ask is held; proxies often end calls that are silent for 60 seconds."""
MOST_OF_A_CONNECTION = 64
"""Asks held on one connection of gRPC, which carries 100 calls: the others are for those who work."""
_TO_ADMITTED = 4
"""So many are held at once for each call that may be in work; of one namespace half of them, or its share."""
_LOOK_SECONDS, _LOOKS_PER_SECOND = 0.05, 500
"""How often a process looks for the work of one line, and how often of all lines together."""
_SPREAD_FROM = 15.0
"""Seconds from which on the first hold of a worker is made shorter: who came together does not come back together."""
_PAUSES = (Reason.EXPERIMENT_PAUSED, Reason.FAILING)


class Wanted(NamedTuple):
    """What an ask says: see `DecisionStore.ask`."""

    request_id: str
    most: int
    worker: str


class Hold(NamedTuple):
    """How long an ask may be held (seconds), how long its worker has waited before, and the connection it came by ("" =
    one of its own)."""

    seconds: float = 0.0
    waited: float = 0.0
    connection: str = ""


NOT_HELD = Hold()


class Returns:
    """When those come back who are told to wait: the more they are, the later, so that their asks stay few."""

    PER_SECOND = 250
    MOST_MS = 30_000

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._second, self._away = clock, 0, 0
        self._due: Counter[int] = Counter()

    def after_ms(self, least_ms: int) -> int:
        """How long the next one is to wait (ms), at least so long."""
        now = self._clock()
        if int(now) != self._second:
            self._second = int(now)
            for second in [each for each in self._due if each <= now]:
                self._away -= self._due.pop(second)
        found = max(least_ms, min(1_000 * self._away // self.PER_SECOND, self.MOST_MS))
        self._due[int(now + found / 1_000) + 1] += 1
        self._away += 1
        return found


class HeldAsks:
    """The asks that this process holds. Errors are those of the asks."""

    def __init__(self, store: DecisionStore, admission: Admission, stopping: asyncio.Event) -> None:
        """`admission` says how many calls may be in work. Once `stopping` is set, no ask is held any more."""
        self._store, self._stopping = store, stopping
        self._room = Admission(_TO_ADMITTED * admission.most, "many_asks_held")
        self._connections: Counter[str] = Counter()
        self._lines: dict[ExperimentRef, WaitingLine] = {}
        self._tasks: set[asyncio.Future[None]] = set()
        self._returns: Returns | None = None

    @property
    def count(self) -> int:
        """How many are held now."""
        return sum(line.members for line in self._lines.values())

    async def ask(self, ref: ExperimentRef, wanted: Wanted, hold: Hold, ask: Callable[[], Awaitable[Asked]]) -> Asked:
        """The answer of `ask`; where that is to wait, the answer once there is work, or the time is over. `ask` is
        called again and again. No answer is older than the call."""
        began = asyncio.get_running_loop().time()
        with self._place(ref.namespace, hold) as is_there:
            line, expired = self._lines.get(ref) if is_there else None, tuple[ExpiredLease, ...]()
            if line is None or line.answer.reason is Reason.FAILING:
                asked = await ask()
                answer = asked[0]
                if answer.status is not AskStatus.WAIT:
                    return asked
                if not is_there or answer.reason is Reason.FAILING or self._stopping.is_set():
                    return self._later(answer)
                line, expired = self._lines.get(ref) or self._open(ref, answer, began), tuple(answer.expired)
            answer, best = await self._wait(ref, line, began, wanted, hold, ask)
            return answer._replace(expired=(*expired, *answer.expired)) if expired else answer, best

    @contextmanager
    def _place(self, namespace: str, hold: Hold) -> Iterator[bool]:
        """Around an ask that may be held; whether there is room for it."""
        connection = hold.connection
        if hold.seconds <= 0 or self._stopping.is_set() or self._connections[connection] >= MOST_OF_A_CONNECTION:
            yield False
            return
        try:
            self._room.acquire(namespace)
        except Overloaded:
            yield False
            return
        if connection:
            self._connections[connection] += 1
        try:
            yield True
        finally:
            self._room.release(namespace)
            if connection:
                self._connections[connection] -= 1
                if not self._connections[connection]:
                    del self._connections[connection]

    async def _wait(
        self,
        ref: ExperimentRef,
        line: WaitingLine,
        began: float,
        wanted: Wanted,
        hold: Hold,
        ask: Callable[[], Awaitable[Asked]],
    ) -> Asked:
        loop = asyncio.get_running_loop()
        waiter, expired = Waiter(began, loop.time() - hold.waited, *wanted[:2]), tuple[ExpiredLease, ...]()
        timer = loop.call_later(_seconds(hold), _end, line, waiter)
        line.members += 1
        line.check(waiter)
        line.join(waiter)
        try:
            while True:
                asked = await waiter.turn
                if asked is None:
                    asked = await self._turn(line, waiter, ask)
                    if asked[0].status is AskStatus.WAIT:
                        expired = (*expired, *asked[0].expired)
                        if not waiter.is_over and not self._stopping.is_set():
                            waiter.turn = loop.create_future()
                            line.join(waiter)
                            continue
                        asked = _over(asked[0]) if waiter.is_over else self._later(asked[0])
                return asked[0]._replace(expired=(*expired, *asked[0].expired)) if expired else asked[0], asked[1]
        finally:
            timer.cancel()
            line.leave(waiter)
            if waiter.asks:  # it was cancelled before it could ask
                line.asked(waiter)
            line.members -= 1
            if not line.members:
                self._lines.pop(ref, None)
                if line.watch:
                    line.watch.cancel()

    async def _turn(self, line: WaitingLine, waiter: Waiter, ask: Callable[[], Awaitable[Asked]]) -> Asked:
        """Ask again, for a caller that may still do so."""
        try:
            if check := CHECK_AGAIN.get(None):
                await check()
            asked = await ask()
        except Overloaded:
            line.asked(waiter, stop=True)
            if not line.is_answer_for(waiter):
                raise
            return line.answer, None
        except BaseException as error:
            line.asked(waiter, stop=isinstance(error, StoreUnavailable | StoreFull))
            raise
        line.asked(waiter, asked[0])
        if asked[0].status is AskStatus.DONE:
            told = asked[0]._replace(expired=()), asked[1]
            self._begin(line.release(lambda: told))
        return asked

    def _open(self, ref: ExperimentRef, answer: AskAnswer, began: float) -> WaitingLine:
        line = self._lines[ref] = WaitingLine(answer, began)
        line.watch = self._begin(self._watch(ref, line))
        return line

    async def _watch(self, ref: ExperimentRef, line: WaitingLine) -> None:
        """Look for work as long as somebody waits for it."""
        while self._lines.get(ref) is line:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(_LOOK_SECONDS, len(self._lines) / _LOOKS_PER_SECOND)):
                    await self._stopping.wait()
                await line.release(lambda: self._later(line.answer))
                return
            unknown, began = line.unknown(), asyncio.get_running_loop().time()
            try:
                found = await self._store.available(ref, list(unknown))
            except (StoreUnavailable, StoreFull):
                for waiter in unknown.values():
                    line.check(waiter)
            except RungwayError:  # it was deleted, or cannot be read any more
                line.let_all_ask()
            else:
                self._saw(line, found, began)
                for request_id in found.known:
                    line.asks_now(unknown[request_id])

    def _saw(self, line: WaitingLine, found: Available, began: float) -> None:
        """All are told that the search is paused now. Who asks while it is waits until it goes on."""
        answer, before = found.answer, line.answer
        line.saw(found, began)
        if answer.reason in _PAUSES and answer.reason is not before.reason:
            self._begin(line.release(lambda: self._later(answer)))

    def _later(self, answer: AskAnswer) -> Asked:
        """The answer to wait, and how long."""
        if self._returns is None:
            self._returns = Returns(asyncio.get_running_loop().time)
        return answer._replace(retry_after_ms=self._returns.after_ms(answer.retry_after_ms)), None

    def _begin(self, work: Awaitable[None]) -> "asyncio.Future[None]":
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _seconds(hold: Hold) -> float:
    """How long to hold it."""
    seconds = min(hold.seconds, MOST_SECONDS)
    if seconds >= _SPREAD_FROM and hold.waited < MOST_SECONDS:
        seconds *= random.uniform(2 / 3, 1)  # noqa: S311 - jitter, no secret
    return seconds


def _over(answer: AskAnswer) -> Asked:
    """What is told when the time is over: to ask again at once."""
    return answer._replace(retry_after_ms=0, expired=()), None


def _end(line: WaitingLine, waiter: Waiter) -> None:
    """Its time is over: by this timer, which the clock of the loop may say is early. Who asks just now, or is about to
    be answered, gets that answer."""
    waiter.is_over = True
    if not line.is_answer_for(waiter):
        line.asks_now(waiter)
    elif line.leave(waiter):
        waiter.turn.set_result(_over(line.answer))
