"""Use cases of users with experiments: create, read, list, pause, resume, stop, change, export, delete, preview."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from rungway_server.domain.about import About, AboutChange, Wanted
from rungway_server.domain.differences import differences, is_older
from rungway_server.domain.engine import MOST_BEST, ExperimentState, Explanation, Progress, Reason
from rungway_server.domain.errors import (
    ConfigDiffers,
    ExperimentExists,
    InvalidInput,
    NewerSchema,
    OlderSchema,
    UnknownExperiment,
    Violation,
)
from rungway_server.domain.experiment import MAX_RETENTION_DAYS, ExperimentConfig, parse, to_document
from rungway_server.domain.explain import in_words
from rungway_server.domain.sampling.sampling import counted, example, own_configuration
from rungway_server.domain.search.config import MAX_TRIALS, SearcherName
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.planning import check_rungs, check_totals, make_plan, plan_notes
from rungway_server.domain.search.replan import with_concurrency, with_trials
from rungway_server.domain.space.space import Space
from rungway_server.service.checks import check_text, check_token, page_size
from rungway_server.service.offload import in_process, in_thread, in_thread_or_process, is_slow_to_plan
from rungway_server.service.port import Brief, Definition, ExperimentRef, ExperimentStore
from rungway_server.service.reading import LARGEST_PAGE, Reading, Sized
from rungway_server.service.warnings import warnings
from rungway_server.service.worker_thread import Priority

_AT_ONCE = 10
"""Experiments of a list that are read concurrently."""
MOST_LOOKED_AT = 1_000
"""Experiments that one page of a list with filters looks at."""
MOST_VALUES = 1 << 16
"""Values of all configurations that one step stores: those of a warm start, or the clones of a population."""
LARGEST_CONFIGURATION = 32_768
"""Bytes of JSON of one configuration: an ask may return 64 of them, and clients accept messages of 4 MiB."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A parsed configuration, its plan, and notes for the user."""

    config: ExperimentConfig
    plan: Plan
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExperimentView:
    """One experiment: its definition, its progress, and warnings (not in lists)."""

    ref: ExperimentRef
    definition: Definition
    progress: Progress
    warnings: tuple[str, ...] = ()
    existed: bool = False
    """Whether a call that creates it found it there."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One experiment of a list, without its configuration."""

    ref: ExperimentRef
    definition: Brief
    progress: Progress


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An experiment that another version of the service wrote, and why this one cannot read it."""

    ref: ExperimentRef
    why: str


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The experiment whose best configurations come first, and how many of them (0 = 1)."""

    source: ExperimentRef
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """Changes to a search; None = unchanged. `max_concurrent` 0 = no limit, `retention_days` 0 = until deleted."""

    max_trials: int | None = None
    max_concurrent: int | None = None
    retention_days: float | None = None
    about: AboutChange = field(default_factory=AboutChange)

    @property
    def of_plan(self) -> bool:
        """Whether it changes more than labels, owner and comment."""
        return (self.max_trials, self.max_concurrent, self.retention_days) != (None, None, None)


Found = ExperimentView | Listed | Unreadable
Shown = TypeVar("Shown", bound=Sized)


def plan_search(document: Mapping[str, object]) -> Planned:
    """Parse and plan a configuration. Raises InvalidInput with every wrong field."""
    config, notes = parse(document)
    plan, more = make_plan(config.searcher, config.space)
    check_rungs(config.searcher, plan)
    check_totals(config.searcher, plan)
    size = len(json.dumps(example(config.space, config.seed)))
    if size > LARGEST_CONFIGURATION:
        raise InvalidInput.one(
            "hyperparameters", f"make configurations of {size} bytes, wanted at most {LARGEST_CONFIGURATION}"
        )
    _check_population(config)
    return Planned(config, plan, (*notes, *more))


def _check_population(config: ExperimentConfig) -> None:
    """The last result of a round ends it for the whole population in one step. Raises InvalidInput."""
    most = MOST_VALUES // (len(config.space.leaves) or 1)
    if config.searcher.population and config.searcher.population.population_size > most:
        got = f"got {config.searcher.population.population_size}, wanted at most {most} trials of so many parameters"
        raise InvalidInput.one("searcher.population_size", got)


async def _planned(priority: Priority, namespace: str, document: Mapping[str, object]) -> Planned:
    """`plan_search` beside the event loop."""
    return await (in_process if is_slow_to_plan(document) else in_thread)(priority, namespace, plan_search, document)


def _fitting(space: Space, configurations: list[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The configurations that belong to the space; in a finite space, each point once."""
    fitting: dict[object, Mapping[str, object]] = {}
    for index, each in enumerate(configurations):
        with suppress(InvalidInput):
            own = own_configuration(space, each)
            fitting.setdefault(json.dumps(own) if counted(space) else index, own)
    return list(fitting.values())


def _refuse_out_of_range(change: Change) -> None:
    wrong = []
    max_trials, max_concurrent, days = change.max_trials, change.max_concurrent, change.retention_days
    if max_trials is not None and not 1 <= max_trials <= MAX_TRIALS:
        wrong.append(Violation("max_trials", f"got {max_trials}, wanted 1 to {MAX_TRIALS}"))
    if max_concurrent is not None and not 0 <= max_concurrent <= MAX_TRIALS:
        wrong.append(Violation("max_concurrent_trials", f"got {max_concurrent}, wanted 0 (= no limit) to {MAX_TRIALS}"))
    if days is not None and not 0 <= days <= MAX_RETENTION_DAYS:
        wrong.append(Violation("retention_days", f"got {days}, wanted 0 (= until deleted) to {MAX_RETENTION_DAYS}"))
    if change == Change():
        wanted = "wanted max_trials, max_concurrent_trials, retention_days, labels, owner, comment or several of them"
        wrong.append(Violation("max_trials", f"nothing to change; {wanted}"))
    if wrong:
        raise InvalidInput(wrong)


def _refuse_fixed(config: ExperimentConfig, max_trials: int) -> None:
    """Raises InvalidInput for a search whose number of trials follows from its searcher."""
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
    """A search after a change. Raises InvalidInput where the search does not allow it."""
    max_trials, max_concurrent = change.max_trials, change.max_concurrent
    config, plan = view.definition.config, view.definition.plan
    searcher = config.searcher
    outdated = plan_notes(searcher, config.space, plan)
    if max_trials is not None and max_trials != plan.max_trials:
        _refuse_fixed(config, max_trials)
        plan = with_trials(plan, max_trials, tuple(view.progress.started))
        searcher = replace(searcher, max_trials=max_trials)
        check_totals(searcher, plan)
    if max_concurrent is not None:
        plan = with_concurrency(plan, max_concurrent)
        searcher = replace(searcher, max_concurrent_trials=plan.max_concurrent_trials)
    days = config.retention_days if change.retention_days is None else change.retention_days
    config = replace(config, searcher=searcher, retention_days=days)
    parse(to_document(config))  # raises unless it is still valid: a grid must have all its points, for example
    kept = (note for note in view.definition.notes if note not in outdated)
    return Planned(config, plan, (*kept, *plan_notes(searcher, config.space, plan)))


class ExperimentUseCases:
    """Reads and changes experiments. Errors are those of the store, InvalidInput, and for reads Overloaded and
    QuotaExceeded."""

    def __init__(self, store: ExperimentStore, reading: Reading | None = None) -> None:
        self._store, self._reading = store, reading or Reading()

    async def create(
        self,
        ref: ExperimentRef,
        document: Mapping[str, object],
        request_id: str,
        warm_start: WarmStart | None = None,
        *,
        exist_ok: bool = False,
        about: About | None = None,
    ) -> ExperimentView:
        """Plan and store a new search, whose first trials may be the best of another one. With `exist_ok` returns the
        one that is there, as it is, if its configuration is the same; raises ConfigDiffers otherwise."""
        if wrong := [*check_text("request_id", request_id, 64), *(about or About()).violations()]:
            raise InvalidInput(wrong)
        planned = await _planned(Priority.CREATE, ref.namespace, document)
        if not exist_ok:
            return await self._create(ref, planned, request_id, warm_start, about)
        while True:
            with suppress(UnknownExperiment):
                return await self._same(ref, planned.config, document)
            with suppress(ExperimentExists):  # another caller was faster
                return await self._create(ref, planned, request_id, warm_start, about)

    async def _same(
        self, ref: ExperimentRef, config: ExperimentConfig, document: Mapping[str, object]
    ) -> ExperimentView:
        """The experiment that is there, if it has this configuration. Raises ConfigDiffers, UnknownExperiment."""
        view = await self.get(ref)
        stored = view.definition.config
        if (
            stored != config
            and not is_older(stored, config, document)
            and (found := await in_thread_or_process(stored.space, ref.namespace, differences, stored, config))
        ):
            raise ConfigDiffers(ref.experiment, found)
        return replace(view, existed=True)

    async def _create(
        self,
        ref: ExperimentRef,
        planned: Planned,
        request_id: str,
        warm_start: WarmStart | None,
        about: About | None,
    ) -> ExperimentView:
        queue, notes = await self._warm(planned, warm_start) if warm_start else ([], planned.notes)
        origin = f"{warm_start.source}/{warm_start.count}" if warm_start else ""
        definition = await self._store.create(
            ref, planned.config, planned.plan, notes, request_id, enqueued=queue, origin=origin, about=about
        )
        return ExperimentView(ref, definition, await self._store.progress(ref))

    async def preview(self, namespace: str, document: Mapping[str, object]) -> Planned:
        """Parse and plan a configuration; nothing is stored."""
        return await _planned(Priority.PREVIEW, namespace, document)

    async def _warm(self, planned: Planned, start: WarmStart) -> tuple[list[Mapping[str, object]], tuple[str, ...]]:
        """The configurations to begin with, and the notes with how many did not fit."""
        if not 0 <= start.count <= MOST_BEST:
            raise InvalidInput.one("warm_start_count", f"got {start.count}, wanted 0 (= 1) to {MOST_BEST}")
        if start.count > (most := max(1, MOST_VALUES // (len(planned.config.space.leaves) or 1))):
            wanted = f"at most {most} configurations of so many parameters"
            raise InvalidInput.one("warm_start_count", f"got {start.count}, wanted {wanted}")
        best = await self._store.best(start.source, min(start.count or 1, planned.plan.max_trials))
        found = [each.hparams for each in best]
        space = planned.config.space
        fitting = await in_thread_or_process(space, start.source.namespace, _fitting, space, found)
        note = (
            f"warm start: {len(fitting)} of the {len(best)} best configurations of {start.source.experiment} come first"
        )
        return fitting, (*planned.notes, note)

    async def get(self, ref: ExperimentRef) -> ExperimentView:
        """One search."""
        view = await self._view(ref)
        return replace(view, warnings=await warnings(self._store, ref, view.progress))

    async def _view(self, ref: ExperimentRef) -> ExperimentView:
        # Progress is read first, because it notices when the experiment was deleted and created again.
        progress = await self._store.progress(ref)
        return ExperimentView(ref, await self._store.definition(ref, fresh=True), progress)

    async def page(
        self,
        namespace: str,
        asked: int,
        token: str,
        show: Callable[[Found], Awaitable[Shown]],
        *,
        with_config: bool = False,
        wanted: Wanted | None = None,
    ) -> tuple[list[Shown], str]:
        """A page of searches, oldest first, as `show` makes them, and the token of the next page. Of the wanted ones a
        page may have few, or none, though there are more: it looks at MOST_LOOKED_AT."""
        size = page_size(asked)
        looked_at = MOST_LOOKED_AT if wanted else size
        created, slash, _ = token.partition("/")
        check_token(not token or (slash != "" and created.isascii() and created.isdigit() and len(created) < 16))
        shown: list[Shown] = []
        room, following = LARGEST_PAGE, ""
        with self._reading.admit(namespace):
            await self._reading.pay(namespace, looked_at)
            # One more tells whether there is another page.
            names = await self._store.experiments(namespace, token, looked_at + 1)
            together = 1 if with_config else _AT_ONCE
            for at in range(0, len(names), together):
                piece = names[at : at + together]
                async with self._reading.turn(namespace) as turn:
                    refs = [ExperimentRef(namespace, name) for name, _ in piece]
                    found = await asyncio.gather(*(self._found(ref, with_config, wanted) for ref in refs))
                    for i, (view, (_, after)) in enumerate(zip(found, piece, strict=True), at):
                        message = await show(view) if view else None
                        room -= message.ByteSize() if message else 0
                        if i == looked_at or len(shown) == size or (room < 0 and shown):
                            return shown, following
                        following = after
                        shown += [message] if message else []
                        await turn.breathe()
        return shown, ""

    async def _found(self, ref: ExperimentRef, with_config: bool, wanted: Wanted | None) -> Found | None:
        try:
            if wanted and not wanted.has(await self._store.about(ref)):
                return None
            return await self._view(ref) if with_config else Listed(ref, *await self._store.brief(ref))
        except (NewerSchema, OlderSchema) as error:
            return None if wanted else Unreadable(ref, str(error))
        except UnknownExperiment:  # deleted since the page was read, or expired
            return None

    async def change_state(self, ref: ExperimentRef, state: ExperimentState) -> ExperimentView:
        """Pause, resume or stop a search."""
        await self._store.set_state(ref, state)
        return await self.get(ref)

    async def update(self, ref: ExperimentRef, change: Change) -> ExperimentView:
        """Change a search: how many trials a live one may start or run at once, how long an ended one is kept. Warns of
        more trials for one that its budget has ended, because none of them will start."""
        _refuse_out_of_range(change)
        if change.about:  # refused before anything is changed
            change.about.of(await self._store.about(ref))
        while change.of_plan:
            view = await self._view(ref)
            space = view.definition.config.space
            changed = await in_thread_or_process(space, ref.namespace, _changed, view, change)
            if await self._store.change_plan(ref, view.definition, changed.config, changed.plan, changed.notes):
                break
        if change.about:
            await self._store.change_about(ref, change.about)
        view = await self.get(ref)
        if change.max_trials is None or not view.progress.budget_spent:
            return view
        return replace(view, warnings=(*view.warnings, in_words(Explanation(Reason.BUDGET_SPENT))))

    async def export(self, ref: ExperimentRef) -> AsyncIterator[str]:
        """The text of an export file of the search, in pieces that fit into messages."""
        with self._reading.export(ref.namespace):
            async for text in self._store.export(ref, partial(self._reading.piece, ref.namespace)):
                yield text

    async def delete(self, ref: ExperimentRef, uid: str = "") -> None:
        """Remove a search and everything stored of it; with a uid, that one alone."""
        if wrong := check_text("uid", uid, 64):
            raise InvalidInput(wrong)
        await self._store.delete(ref, uid)
