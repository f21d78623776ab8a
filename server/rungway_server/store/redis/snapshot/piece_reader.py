"""Reads an experiment in Redis a piece at a time, so that no other call waits for long."""

from collections.abc import AsyncIterator
from typing import Any

from rungway_server.domain.errors import UnknownExperiment
from rungway_server.service.port import ExperimentRef, Piece
from rungway_server.store.redis.connection.router import Argument, Router
from rungway_server.store.redis.experiment_cache import GONE
from rungway_server.store.redis.layout import keys
from rungway_server.store.redis.layout.keys import experiment_keys

META, TRIALS, CONFIGS, LEASES, REQUEUED, PROMOTABLE, BEST, CURVES, EVENTS, YOUNG, OLD, ENQUEUED, RUNGS, POINTS = range(
    1, 15
)
"""Positions of the keys, as scripts count them."""
LINES, MEMBERS = 200, 1_000
"""Most lines of the event log, and members of a list or a set, in a piece."""


class PieceReader:
    """Reads the experiment of one uid. Methods raise UnknownExperiment when it is gone, and StoreUnavailable."""

    def __init__(self, router: Router, ref: ExperimentRef, uid: str, piece: Piece) -> None:
        self._router, self._ref, self._uid, self._piece = router, ref, uid, piece
        self._keys = experiment_keys(ref, keys.POINTS)

    async def run(self, script: str, *args: Argument) -> list[Any]:
        """The answer of a script, its first word included."""
        async with self._piece():
            answer = await self._router.run(script, self._keys, [self._uid, *args])
        if answer[0] in GONE:
            raise UnknownExperiment(self._ref.experiment)
        return answer

    async def read(self, command: str, key: int, *args: Argument) -> Any:
        """The answer of a command that only reads, on the key of this position."""
        return (await self.run("read", command, key, *args))[1]

    async def pairs(self, key: int) -> dict[bytes, bytes]:
        """A hash. Fields that are added or removed meanwhile may be missing or not."""
        found: dict[bytes, bytes] = {}
        cursor = b"0"
        while True:
            cursor, piece = await self.read("HSCAN", key, cursor, "COUNT", 50)
            found.update(paired(piece))
            if cursor == b"0":
                return found

    async def members(self, key: int) -> list[bytes]:
        """The members of a sorted set whose scores are all 0, in order."""
        found: list[bytes] = []
        first = b"-"
        while piece := await self.read("ZRANGEBYLEX", key, first, "+", "LIMIT", 0, MEMBERS):
            found += piece
            first = b"(" + piece[-1]
        return found

    async def deadlines(self, first: int) -> dict[bytes, int]:
        """Leases that end at this time (ms) or later, by trial. Those that are renewed meanwhile may be missing."""
        found: dict[bytes, int] = {}
        at_once = MEMBERS
        while True:
            flat = await self.read("ZRANGEBYSCORE", LEASES, first, "+inf", "WITHSCORES", "LIMIT", 0, at_once)
            found.update((number, int(float(end))) for number, end in paired(flat))
            if len(flat) < 2 * at_once:
                return found
            last = int(float(flat[-1]))
            at_once, first = (2 * at_once if last == first else at_once), last

    async def items(self, key: int, at_once: int) -> list[bytes]:
        """The items of a list."""
        found: list[bytes] = []
        while piece := await self.read("LRANGE", key, len(found), len(found) + at_once - 1):
            found += piece
        return found

    async def events(self, after: str, last: str = "+") -> AsyncIterator[list[tuple[str, bytes]]]:
        """Lines of the event log with their ids, in pieces, oldest first."""
        while True:
            piece = await self.read("XRANGE", EVENTS, f"({after}" if after else "-", last, "COUNT", LINES)
            lines = [(line_id.decode(), values[1]) for line_id, values in piece]
            if lines:
                yield lines
                after = lines[-1][0]
            if len(lines) < LINES:
                return


def paired(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    """A flat answer as pairs."""
    return list(zip(flat[::2], flat[1::2], strict=True))
