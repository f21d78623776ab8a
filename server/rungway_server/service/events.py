"""Following the event log of an experiment while it grows."""

import asyncio
from collections.abc import AsyncIterator

from rungway_server.domain.engine import EventView
from rungway_server.domain.errors import InvalidInput, ServiceStopping
from rungway_server.service.port import ExperimentRef, ExperimentStore
from rungway_server.service.reading import PIECE, Pace, Reading

_POLL_SECONDS = 0.5
_APART_SECONDS = 0.000_15
"""Least time between two events sent, over all streams: about three times what sending one takes."""
_KEPT_SECONDS, _MOST_KEPT = 1.0, 256
"""How long a chunk is cached for other streams, and how many chunks are."""
Read = tuple[list[EventView], bool]
"""A chunk of the log, and whether the search is over."""


class EventUseCases:
    """Follows the event log. Errors: the store's, InvalidInput, and ServiceStopping once `stopping` is set."""

    def __init__(self, store: ExperimentStore, stopping: asyncio.Event, reading: Reading | None = None) -> None:
        self._store, self._stopping, self._reading = store, stopping, reading or Reading()
        self._pace = Pace(_APART_SECONDS)
        self._under_way: dict[tuple[ExperimentRef, str], asyncio.Task[Read]] = {}

    async def watch(self, ref: ExperimentRef, after: str) -> AsyncIterator[EventView]:
        """Events after this id ("" = all), as they are written, until the search is over and all are yielded."""
        if after and not all(part.isascii() and part.isdigit() and len(part) < 20 for part in after.split("-", 1)):
            raise InvalidInput.one("after_event_id", "wanted the event_id of an earlier event")
        while not self._stopping.is_set():
            events, over = await self._piece(ref, after)
            for event in events:
                await self._pace.step()
                yield event
                after = event.event_id
            if over and not events:
                return
            if len(events) == PIECE:
                await self._reading.afford(ref.namespace)
            else:
                await asyncio.sleep(_POLL_SECONDS)
        raise ServiceStopping

    async def _piece(self, ref: ExperimentRef, after: str) -> Read:
        """The next events, read once for all streams that need them at about the same time."""
        key = (ref, after)
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(self._read(ref, after))
            task.add_done_callback(lambda done: self._done(key, done))
        return await asyncio.shield(task)

    def _done(self, key: tuple[ExperimentRef, str], task: asyncio.Task[Read]) -> None:
        """A full chunk stays cached for a moment, because no events can be added to it."""
        whole = not task.cancelled() and task.exception() is None and len(task.result()[0]) == PIECE
        if whole and key[1] and len(self._under_way) <= _MOST_KEPT:
            asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._under_way.pop, key)
        else:
            del self._under_way[key]

    async def _read(self, ref: ExperimentRef, after: str) -> Read:
        async with self._reading.turn(ref.namespace):
            return await self._store.events(ref, after, PIECE)
