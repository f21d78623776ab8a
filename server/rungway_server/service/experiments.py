"""What people do with experiments: create, read, list, pause, resume, stop, delete, preview."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from rungway_server.domain.config import MAX_RETENTION_DAYS, ExperimentConfig, parse, to_document
from rungway_server.domain.decisions import ExperimentState, Tally
from rungway_server.domain.errors import InvalidInput, NewerSchema, OlderSchema, UnknownExperiment, Violation
from rungway_server.domain.membership import own_configuration
from rungway_server.domain.plan import Plan
from rungway_server.domain.replan import with_concurrency, with_trials
from rungway_server.domain.sampling import counted, propose
from rungway_server.domain.searcher_config import MAX_TRIALS, SearcherName
from rungway_server.domain.searchers import make_plan, plan_notes
from rungway_server.domain.space import Space
from rungway_server.service.aside import aside
from rungway_server.service.checks import check_text, page_size
from rungway_server.service.port import Definition, ExperimentRef, Store

MOST_WARM = 1_000
PIECE = 1 << 19
"""Characters in a piece of an export; clients take messages of 4 MiB."""
LARGEST_CONFIGURATION = 32_768
"""Bytes of JSON: an ask may carry 64 of them and clients take messages of 4 MiB."""


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


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One experiment that another version of the service wrote, and why it cannot be read."""

    ref: ExperimentRef
    why: str


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Whose best configurations come first, and how many of them (0 = 1)."""

    source: ExperimentRef
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """What shall become different in a search; None = as it is. `max_concurrent` 0 = no limit, `retention_days` 0 = for
    ever."""

    max_trials: int | None = None
    max_concurrent: int | None = None
    retention_days: float | None = None


def plan_search(document: Mapping[str, object]) -> Planned:
    """What a configuration means. Raises InvalidInput with every wrong field."""
    config, notes = parse(document)
    plan, more = make_plan(config.searcher, config.space)
    size = len(json.dumps(propose(config.space, config.seed, 0)))
    if size > LARGEST_CONFIGURATION:
        raise InvalidInput.one(
            "hyperparameters", f"make configurations of {size} bytes, wanted at most {LARGEST_CONFIGURATION}"
        )
    return Planned(config, plan, (*notes, *more))


def _fitting(space: Space, configurations: list[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Those that the space has, each point that is counted once."""
    fitting: dict[object, Mapping[str, object]] = {}
    for place, each in enumerate(configurations):
        with suppress(InvalidInput):
            own = own_configuration(space, each)
            fitting.setdefault(json.dumps(own) if counted(space) else place, own)
    return list(fitting.values())


def _refuse_out_of_range(change: Change) -> None:
    wrong = []
    max_trials, max_concurrent, days = change.max_trials, change.max_concurrent, change.retention_days
    if max_trials is not None and not 1 <= max_trials <= MAX_TRIALS:
        wrong.append(Violation("max_trials", f"got {max_trials}, wanted 1 to {MAX_TRIALS}"))
    if max_concurrent is not None and not 0 <= max_concurrent <= MAX_TRIALS:
        wrong.append(Violation("max_concurrent_trials", f"got {max_concurrent}, wanted 0 (= no limit) to {MAX_TRIALS}"))
    if days is not None and not 0 <= days <= MAX_RETENTION_DAYS:
        wrong.append(Violation("retention_days", f"got {days}, wanted 0 (= for ever) to {MAX_RETENTION_DAYS}"))
    if change == Change():
        wanted = "wanted max_trials, max_concurrent_trials, retention_days or several of them"
        wrong.append(Violation("max_trials", f"nothing to change; {wanted}"))
    if wrong:
        raise InvalidInput(wrong)


def _refuse_fixed(config: ExperimentConfig, max_trials: int) -> None:
    """Raises InvalidInput for a search that has as many trials as it has, whatever its user wants."""
    name, grid = config.searcher.name, counted(config.space)
    if name is SearcherName.SINGLE:
        why = "a single search has one trial"
    elif name is SearcherName.GRID and grid:
        times = "once" if grid.samples == 1 else f"{grid.samples} times"
        why = f"a grid runs each of its {grid.points} points {times}"
    else:
        return
    raise InvalidInput.one("max_trials", f"got {max_trials}, but it cannot change: {why}")


def _changed(view: ExperimentView, change: Change) -> Planned:
    """What a search is after a change. Raises InvalidInput where the search does not allow it."""
    max_trials, max_concurrent = change.max_trials, change.max_concurrent
    config, plan = view.definition.config, view.definition.plan
    searcher = config.searcher
    outdated = plan_notes(searcher, config.space, plan)
    if max_trials is not None and max_trials != plan.max_trials:
        _refuse_fixed(config, max_trials)
        plan = with_trials(plan, max_trials, tuple(view.tally.started))
        searcher = replace(searcher, max_trials=max_trials)
    if max_concurrent is not None:
        plan = with_concurrency(plan, max_concurrent)
        searcher = replace(searcher, max_concurrent_trials=plan.max_concurrent_trials)
    days = config.retention_days if change.retention_days is None else change.retention_days
    config = replace(config, searcher=searcher, retention_days=days)
    parse(to_document(config))  # what is stored must be a configuration: a grid has all its points, for example
    kept = (note for note in view.definition.notes if note not in outdated)
    return Planned(config, plan, (*kept, *plan_notes(searcher, config.space, plan)))


class ExperimentUseCases:
    """Reads and changes experiments. Errors are those of the store and InvalidInput."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        ref: ExperimentRef,
        document: Mapping[str, object],
        request_id: str,
        warm_start: WarmStart | None = None,
    ) -> ExperimentView:
        """Plan and store a new search, whose first trials may be the best of another one."""
        if wrong := check_text("request_id", request_id, 64):
            raise InvalidInput(wrong)
        planned = await aside(plan_search, document)
        queue, notes = await self._warm(planned, warm_start) if warm_start else ([], planned.notes)
        origin = f"{warm_start.source}/{warm_start.count}" if warm_start else ""
        definition = await self._store.create(
            ref, planned.config, planned.plan, notes, request_id, queue=queue, origin=origin
        )
        return ExperimentView(ref, definition, await self._store.tally(ref))

    async def _warm(self, planned: Planned, start: WarmStart) -> tuple[list[Mapping[str, object]], tuple[str, ...]]:
        """The configurations to begin with, and the notes with what became of the others."""
        if not 0 <= start.count <= MOST_WARM:
            raise InvalidInput.one("warm_start_count", f"got {start.count}, wanted 0 (= 1) to {MOST_WARM}")
        best = await self._store.best(start.source, min(start.count or 1, planned.plan.max_trials))
        fitting = await aside(_fitting, planned.config.space, [each.hparams for each in best])
        note = (
            f"warm start: {len(fitting)} of the {len(best)} best configurations of {start.source.experiment} come first"
        )
        return fitting, (*planned.notes, note)

    async def get(self, ref: ExperimentRef) -> ExperimentView:
        """One search."""
        # The tally comes first: it notices when the experiment was deleted and created again.
        tally = await self._store.tally(ref)
        return ExperimentView(ref, await self._store.definition(ref, fresh=True), tally)

    async def page(self, namespace: str, asked: int, token: str) -> tuple[list[ExperimentView | Unreadable], str]:
        """A page of searches, oldest first, and the token of the next page."""
        if asked < 0:
            raise InvalidInput.one("page_size", f"got {asked}, wanted 0 (= 100) to 1,000")
        created, slash, _ = token.partition("/")
        if token and not (slash and created.isascii() and created.isdigit() and len(created) < 16):
            raise InvalidInput.one("page_token", "wanted the next_page_token of an earlier answer")
        names, following = await self._store.experiments(namespace, token, page_size(asked))
        views = await asyncio.gather(*(self._get_or_none(ExperimentRef(namespace, name)) for name in names))
        return [view for view in views if view], following

    async def _get_or_none(self, ref: ExperimentRef) -> ExperimentView | Unreadable | None:
        try:
            return await self.get(ref)
        except (NewerSchema, OlderSchema) as error:
            return Unreadable(ref, str(error))
        except UnknownExperiment:  # deleted since the page was read, or expired
            return None

    async def change_state(self, ref: ExperimentRef, state: ExperimentState) -> ExperimentView:
        """Pause, resume or stop a search."""
        await self._store.set_state(ref, state)
        return await self.get(ref)

    async def update(self, ref: ExperimentRef, change: Change) -> ExperimentView:
        """Change a search: how many trials a live one may start or run at once, how long an ended one is kept."""
        _refuse_out_of_range(change)
        while True:
            view = await self.get(ref)
            changed = await aside(_changed, view, change)
            if await self._store.change_plan(ref, view.definition, changed.config, changed.plan, changed.notes):
                return await self.get(ref)

    async def export(self, ref: ExperimentRef) -> AsyncIterator[str]:
        """The text of an export file of the search, in pieces that fit into messages."""
        text = await self._store.export(ref)
        for at in range(0, len(text), PIECE):
            yield text[at : at + PIECE]

    async def delete(self, ref: ExperimentRef, uid: str = "") -> None:
        """Remove a search and everything stored of it; with a uid, that one alone."""
        if wrong := check_text("uid", uid, 64):
            raise InvalidInput(wrong)
        await self._store.delete(ref, uid)
