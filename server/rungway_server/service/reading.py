"""Keeps large reads from slowing other calls.

A large read is split into chunks, each of which keeps Redis and this process busy for a few milliseconds. A process
reads one chunk at a time: namespaces take turns, and after each chunk other work runs for as long as the chunk took.
Reads pass admission control by namespace, and each chunk is charged to the namespace's rate.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, TypeVar

from rungway_server.domain.errors import Overloaded, QuotaExceeded
from rungway_server.service.admission import Admission

PIECE = 100
"""Trials or events in a chunk; each chunk counts as one call of the namespace."""
LARGEST_PAGE = 2 << 20
"""Most bytes of a page: clients accept messages of 4 MiB."""
MOST_READS = 256
"""Most reads that run at once in one process; further ones are refused."""
MOST_EXPORTS = 4
"""Most exports that run at once in one process, each of another namespace."""
_SLICE_SECONDS = 0.003
_LONGEST_REST = 0.02
_SLICE_ITEMS = 500
"""Small items between two looks at the clock."""


Item = TypeVar("Item")


class Sized(Protocol):
    """A message of protobuf, as far as its size matters."""

    def ByteSize(self) -> int:
        """Its encoded size in bytes."""
        ...


class Payer(Protocol):
    """Charges calls to namespaces. See service/quotas.py."""

    async def charge_call(self, namespace: str, calls: int = 1) -> None:
        """Charge so many calls. Raises QuotaExceeded, with the time until there is room again."""
        ...


class Reading:
    """Admits reads, lets them take turns, and charges them to their namespaces; one per process."""

    def __init__(self, payer: Payer | None = None, most: int = MOST_READS) -> None:
        """`most`: how many reads may run at once. Without a payer reads are not charged."""
        self._payer = payer
        self._admission = Admission(most, "many_reads_in_work")
        self._turns, self._exporting = Turns(), set[str]()

    @contextmanager
    def admit(self, namespace: str) -> Iterator[None]:
        """Around one read. Raises Overloaded when this namespace, or this process, has too many running."""
        with self._admission.admit(namespace):
            yield

    async def pay(self, namespace: str, items: int) -> None:
        """Charge a read of so many items; its first chunk was charged with the call. Raises QuotaExceeded."""
        if self._payer and items > PIECE:
            await self._payer.charge_call(namespace, (items - 1) // PIECE)

    async def afford(self, namespace: str) -> None:
        """Charge one more chunk of a stream; waits until the namespace has room for it."""
        while self._payer:
            try:
                return await self._payer.charge_call(namespace)
            except QuotaExceeded as error:
                await asyncio.sleep(error.retry_seconds or 1.0)

    @contextmanager
    def export(self, namespace: str) -> Iterator[None]:
        """Around an export: a namespace may run one at a time in this process. Raises Overloaded."""
        if namespace in self._exporting or len(self._exporting) >= MOST_EXPORTS:
            raise Overloaded
        self._exporting.add(namespace)
        try:
            yield
        finally:
            self._exporting.remove(namespace)

    @asynccontextmanager
    async def piece(self, namespace: str) -> AsyncIterator["Turn"]:
        """A turn that is charged to the namespace."""
        await self.afford(namespace)
        async with self.turn(namespace) as turn:
            yield turn

    @asynccontextmanager
    async def turn(self, namespace: str) -> AsyncIterator["Turn"]:
        """Around reading one chunk and building its part of the answer."""
        await self._turns.begin(namespace)
        turn = Turn()
        try:
            yield turn
        finally:
            self._turns.end(turn)


class Turn:
    """The turn in which one chunk is read."""

    def __init__(self) -> None:
        self.begun = self._breathed = time.monotonic()

    async def breathe(self) -> None:
        """Call between two items: yields the event loop after every _SLICE_SECONDS of work."""
        now = time.monotonic()
        if (took := now - self._breathed) > _SLICE_SECONDS:
            await asyncio.sleep(min(took, _LONGEST_REST))
            self.begun += (again := time.monotonic()) - now  # pauses do not count as work
            self._breathed = again


async def in_slices(items: Sequence[Item], at_once: int = _SLICE_ITEMS) -> AsyncIterator[Item]:
    """The items one by one; yields the event loop now and then. `at_once`: items between two looks at the clock."""
    turn = Turn()
    for at in range(0, len(items), at_once):
        for item in items[at : at + at_once]:
            yield item
        await turn.breathe()


class Turns:
    """One turn at a time, with the namespaces in rotation."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def begin(self, namespace: str) -> None:
        """Wait for a turn."""
        if not self._taken:
            self._taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._next()
            raise

    def end(self, turn: Turn) -> None:
        """Begin the next turn after a pause as long as this one, at most _LONGEST_REST."""
        rest = min(time.monotonic() - turn.begun, _LONGEST_REST)
        asyncio.get_running_loop().call_later(rest, self._next)

    def _next(self) -> None:
        while self._waiting:
            namespace = next(iter(self._waiting))
            queue = self._waiting.pop(namespace)
            first = queue.popleft()
            if queue:
                self._waiting[namespace] = queue  # behind the others
            if not first.done():
                first.set_result(None)
                return
        self._taken = False


class Pace:
    """Spaces out steps: each begins at least so many seconds after the one before."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, 0.0

    async def step(self) -> None:
        """Wait until the next step may begin."""
        now = time.monotonic()
        self._next = max(self._next, now) + self._seconds
        await asyncio.sleep(self._next - now if self._next - now > _SLICE_SECONDS else 0)
