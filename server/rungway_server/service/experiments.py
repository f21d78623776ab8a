"""What people do with experiments: create, read, list, pause, resume, stop, delete, preview."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from rungway_server.domain.config import ExperimentConfig, parse
from rungway_server.domain.decisions import ExperimentState, Tally
from rungway_server.domain.errors import InvalidInput, UnknownExperiment
from rungway_server.domain.plan import Plan
from rungway_server.domain.searchers import make_plan
from rungway_server.service.checks import check_text, page_size
from rungway_server.service.port import Definition, ExperimentRef, Store


@dataclass(frozen=True, slots=True)
class Planned:
    """A configuration understood: with its plan and what the user should know about it."""

    config: ExperimentConfig
    plan: Plan
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """One experiment: what never changes and how far it is."""

    ref: ExperimentRef
    definition: Definition
    tally: Tally


def plan_search(document: Mapping[str, object]) -> Planned:
    """What a configuration means. Raises InvalidInput with every wrong field."""
    config, notes = parse(document)
    plan, more = make_plan(config.searcher, config.space)
    return Planned(config, plan, (*notes, *more))


class ExperimentUseCases:
    """Reads and changes experiments. Errors are those of the store and InvalidInput."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, ref: ExperimentRef, document: Mapping[str, object], request_id: str) -> ExperimentView:
        """Plan and store a new search."""
        if wrong := check_text("request_id", request_id, 64):
            raise InvalidInput(wrong)
        planned = plan_search(document)
        definition = await self._store.create(ref, planned.config, planned.plan, planned.notes, request_id)
        return ExperimentView(ref, definition, await self._store.tally(ref))

    async def get(self, ref: ExperimentRef) -> ExperimentView:
        """One search."""
        # The tally comes first: it notices when the experiment was deleted and created again.
        tally = await self._store.tally(ref)
        return ExperimentView(ref, await self._store.definition(ref), tally)

    async def page(self, namespace: str, asked: int, token: str) -> tuple[list[ExperimentView], str]:
        """A page of searches, oldest first, and the token of the next page."""
        if asked < 0:
            raise InvalidInput.one("page_size", f"got {asked}, wanted 0 (= 100) to 1,000")
        created, slash, _ = token.partition("/")
        if token and not (slash and created.isascii() and created.isdigit() and len(created) < 16):
            raise InvalidInput.one("page_token", "wanted the next_page_token of an earlier answer")
        names, following = await self._store.experiments(namespace, token, page_size(asked))
        views = await asyncio.gather(*(self._get_or_none(ExperimentRef(namespace, name)) for name in names))
        return [view for view in views if view], following

    async def _get_or_none(self, ref: ExperimentRef) -> ExperimentView | None:
        try:
            return await self.get(ref)
        except UnknownExperiment:  # deleted since the page was read
            return None

    async def change_state(self, ref: ExperimentRef, state: ExperimentState) -> ExperimentView:
        """Pause, resume or stop a search."""
        await self._store.set_state(ref, state)
        return await self.get(ref)

    async def delete(self, ref: ExperimentRef) -> None:
        """Remove a search and everything stored of it."""
        await self._store.delete(ref)
