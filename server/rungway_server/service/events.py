"""The event log as it grows."""

import asyncio
from collections.abc import AsyncIterator

from rungway_server.domain.decisions import EventView, ExperimentState
from rungway_server.domain.errors import InvalidInput, ServiceStopping
from rungway_server.service.port import ExperimentRef, Store

_AT_ONCE = 500
_POLL_SECONDS = 0.5


class EventUseCases:
    """Follows the event log. Errors: the store's, InvalidInput, and ServiceStopping once `stopping` is set."""

    def __init__(self, store: Store, stopping: asyncio.Event) -> None:
        self._store = store
        self._stopping = stopping

    async def watch(self, ref: ExperimentRef, after: str) -> AsyncIterator[EventView]:
        """Events after this id ("" = all), as they come, until the search is over and all were given."""
        if after and not all(part.isascii() and part.isdigit() and len(part) < 20 for part in after.split("-", 1)):
            raise InvalidInput.one("after_event_id", "wanted the event_id of an earlier event")
        while not self._stopping.is_set():
            over = (await self._store.tally(ref)).state in (ExperimentState.DONE, ExperimentState.STOPPED)
            events = await self._store.events(ref, after, _AT_ONCE)
            for event in events:
                yield event
                after = event.event_id
            if over and not events:
                return
            if len(events) < _AT_ONCE:
                await asyncio.sleep(_POLL_SECONDS)
        raise ServiceStopping
