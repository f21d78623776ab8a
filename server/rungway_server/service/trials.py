"""What people do with trials: pages, one with its curve, the best, their lives, configurations of their own."""

import json
from collections.abc import Mapping

from rungway_server.domain.decisions import EventView, TrialView
from rungway_server.domain.errors import InvalidInput, UnknownTrial
from rungway_server.domain.membership import own_configuration
from rungway_server.service.checks import check_text, page_of
from rungway_server.service.port import ExperimentRef, Store

MOST_BEST = 1_000


_LARGEST_PAGE = 2 << 20
"""Bytes of text in a page: clients take messages of 4 MiB."""


class TrialUseCases:
    """Reads trials. Errors are those of the store, UnknownTrial and InvalidInput."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, ref: ExperimentRef, asked: int, token: str) -> tuple[list[TrialView], str]:
        """A page of trials by number, and the token of the next page."""
        first, size = page_of(asked, token)
        found = await self._store.trials(ref, list(range(first, first + size + 1)))
        page = _that_fit(found[:size])
        return page, str(first + len(page)) if len(found) > len(page) else ""

    async def get(self, ref: ExperimentRef, number: int) -> TrialView:
        """One trial with its curve."""
        found = await self._store.trials(ref, [number], curve=True) if number >= 0 else []
        if not found:
            await self._store.definition(ref, fresh=True)
            raise UnknownTrial(ref.experiment, number)
        return found[0]

    async def best(self, ref: ExperimentRef, count: int) -> list[TrialView]:
        """The best trials, best first; fewer where they are too large for one message."""
        if not 0 <= count <= MOST_BEST:
            raise InvalidInput.one("count", f"got {count}, wanted 0 (= 1) to {MOST_BEST}")
        return _that_fit(await self._store.best(ref, count or 1))

    async def explain(
        self, ref: ExperimentRef, number: int, asked: int = 0, token: str = ""
    ) -> tuple[list[EventView], str]:
        """A page of the decisions about a trial, oldest first, and the token of the next page."""
        first, size = page_of(asked, token)
        if number < 0:
            await self._store.definition(ref, fresh=True)
            raise UnknownTrial(ref.experiment, number)
        events, before = await self._store.explain(ref, number, first, size)
        return events, str(before or "")

    async def enqueue(self, ref: ExperimentRef, request_id: str, hparams: Mapping[str, object]) -> int:
        """Queue a configuration for the next new trial; how many wait in front of it."""
        space = (await self._store.definition(ref, fresh=True)).config.space
        if wrong := check_text("request_id", request_id, 64):
            raise InvalidInput(wrong)
        return await self._store.enqueue(ref, request_id, own_configuration(space, hparams))


def _that_fit(trials: list[TrialView]) -> list[TrialView]:
    """The first trials, as many as a message takes, but at least one."""
    room = _LARGEST_PAGE
    for i, trial in enumerate(trials):
        texts = (json.dumps(trial.hparams, ensure_ascii=False), trial.checkpoint, trial.worker, trial.message)
        room -= 200 + sum(len(text.encode()) for text in texts)
        if room < 0:
            return trials[: max(i, 1)]
    return trials
