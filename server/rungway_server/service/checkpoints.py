"""The use case of those who delete checkpoints: which of them no trial can need any more."""

import json
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from rungway_server.domain.checkpoints import CheckpointStanding, Needs, Superseded
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.checks import check_token
from rungway_server.service.offload import in_thread
from rungway_server.service.port import ExperimentRef, ExperimentStore
from rungway_server.service.reading import LARGEST_PAGE, PIECE, Reading, Sized, in_slices
from rungway_server.service.worker_thread import Priority

Shown = TypeVar("Shown", bound=Sized)

DEFAULT_AGE_MS = 3_600_000
"""Checkpoints that were needed until a shorter time ago are not listed, unless the request says otherwise."""
MOST_AGE_MS = 10 * 365 * 86_400_000


class StaleWanted(NamedTuple):
    """Which checkpoints are listed: those that nobody has needed for so long; `final`: the search, once it is done,
    will not go on with a larger plan."""

    age_ms: int = DEFAULT_AGE_MS
    final: bool = False


class CheckpointUseCases:
    """Reads checkpoints. Errors are those of the store, InvalidInput, Overloaded and QuotaExceeded."""

    def __init__(self, store: ExperimentStore, reading: Reading | None = None) -> None:
        self._store, self._reading = store, reading or Reading()

    async def stale(
        self, ref: ExperimentRef, wanted: StaleWanted, token: str, show: Callable[[Superseded], Shown]
    ) -> tuple[list[Shown], str]:
        """A page of those that no trial can need any more, by trial and name, and the token of the next page. `show`
        turns each into the message that is returned, so that a page can be bounded in bytes."""
        if not 0 <= wanted.age_ms <= MOST_AGE_MS:
            given = f"got {wanted.age_ms / 1000:g} s, wanted 0 to {MOST_AGE_MS // 1000} s"
            raise InvalidInput.one("older_than", given)
        after, room = _read_token(token), LARGEST_PAGE
        last = after
        page: list[Shown] = []
        async for each in in_slices(await self._unneeded(ref, wanted)):
            if after is None or (each.trial, each.checkpoint) > after:
                message = show(each)
                room -= message.ByteSize()
                if room < 0 and page:
                    return page, json.dumps(last)
                page.append(message)
                last = each.trial, each.checkpoint
        return page, ""

    async def _unneeded(self, ref: ExperimentRef, wanted: StaleWanted) -> list[Superseded]:
        """All of them. What was replaced is read before the trials, and trials until there are no new ones: so a trial
        that needs a replaced checkpoint, as a clone may that of its parent, is seen."""
        standing = await self._store.checkpoint_standing(ref)
        needs = Needs(standing, standing.now_ms - wanted.age_ms, final=wanted.final)
        with self._reading.admit(ref.namespace):
            await self._reading.pay(ref.namespace, standing.trials + len(standing.remembered))
            superseded: list[Superseded] = []
            for at in range(standing.remembered.start, standing.remembered.stop, PIECE):
                async with self._reading.turn(ref.namespace):
                    numbers = range(at, min(at + PIECE, standing.remembered.stop))
                    superseded += await self._store.superseded(ref, standing, numbers)
            first, latest = 0, standing
            while first < latest.trials:
                await self._add(ref, needs, standing, range(first, latest.trials))
                first, latest = latest.trials, await self._store.checkpoint_standing(ref)
        return await in_thread(Priority.READ, ref.namespace, needs.unneeded, superseded)

    async def _add(self, ref: ExperimentRef, needs: Needs, standing: CheckpointStanding, numbers: range) -> None:
        for at in range(0, len(numbers), PIECE):
            async with self._reading.turn(ref.namespace) as turn:
                for holding in await self._store.holdings(ref, standing, numbers[at : at + PIECE]):
                    needs.add(holding)
                    await turn.breathe()


def _read_token(token: str) -> tuple[int, str] | None:
    """The trial and the checkpoint that a page comes after."""
    if not token:
        return None
    try:
        match json.loads(token):
            case [int(trial), str(checkpoint)]:
                return trial, checkpoint
    except (ValueError, RecursionError):
        pass
    check_token(is_good=False)
    return None
