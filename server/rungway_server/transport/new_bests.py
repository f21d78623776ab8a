"""Tells the log of results that are the best of their search so far.

A server knows only what it was told itself, so it asks the store, after the tell was answered.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from rungway_server.domain.engine import Result
from rungway_server.domain.errors import RungwayError
from rungway_server.service.port import ExperimentRef, Store
from rungway_server.transport import call_log


class NewBests:
    """Looks at the best of a search, once at a time for each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[ExperimentRef, list[Result]] = {}
        self._looking: dict[ExperimentRef, asyncio.Task[None]] = {}

    def told(self, ref: ExperimentRef, results: Sequence[Result]) -> None:
        """One of these results is the best that this server was told."""
        self._told.setdefault(ref, []).extend(results)
        if ref not in self._looking:
            self._looking[ref] = task = asyncio.ensure_future(self._look(ref))
            task.add_done_callback(lambda _: self._looking.pop(ref))

    async def _look(self, ref: ExperimentRef) -> None:
        while results := self._told.pop(ref, None):
            with suppress(RungwayError):  # the results were taken, whatever becomes of this
                for best in await self._store.best(ref, 1):
                    told = [each.length for one in results if one.lease.trial == best.trial for each in one.reports]
                    if best.best_length in told:
                        call_log.new_best(ref, best.trial, best.best_length, best.best_metric or 0.0)
