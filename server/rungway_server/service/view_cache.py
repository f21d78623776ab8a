"""What a process knows of a search that somebody looks at: columns, and what has changed in which version.

No write path tells of changes. A record changes under a lease, and each report renews that lease; or with a line of the
event log; or as a new number; or as a clone, when it gets a configuration of its own. What is left are trials that are
promoted without training, which have new results at rungs: these are numbered, and those that no other sign has shown
are looked for.
"""

import re
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from rungway_server.domain.documents.paths import spelled
from rungway_server.domain.engine import EventView, Progress
from rungway_server.domain.errors import UnknownExperiment
from rungway_server.domain.search.vectors import objectives_of
from rungway_server.domain.space.space import Categorical, Const, Log, LogInt, LogNormal, LogUniform, Ordinal, Space
from rungway_server.service.experiments import ExperimentView
from rungway_server.service.port import Definition, ExperimentRef
from rungway_server.service.view_columns import Array, Columns, Parameter, Table
from rungway_server.service.view_port import Changes, Row, ViewReader, ViewStore
from rungway_server.service.warnings import warnings

MOST_TRIALS = 100_000
"""Trials of a view; of more, the best half as many and the latest."""
MOST_EVENTS = 200
"""Lines of the event log in a view."""
_MOST_VALUES = 4_000_000
"""Values of parameters in a view: with more trials, fewer parameters are shown."""
_MOST_PARAMETERS = 1_000
_MOST_LEASED = 2_000
"""Trials that are read again in a refresh because they were reported on."""
_PART_VALUES, _LEAST_PART = 400_000, 500
"""Numbers in a part of a view, and its fewest rows."""
_TRIALS_AT_ONCE = 1_000


class Cursor(NamedTuple):
    """Where a view ended: the search, the cache that made it, its version, and how many rows and results were sent."""

    uid: str
    cache: str
    version: int
    rows: int
    results: int

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor in a text of a caller, None if it is none."""
        found = _CURSOR.fullmatch(text)
        return cls(found[1], found[2], int(found[3]), int(found[4]), int(found[5])) if found else None

    def __str__(self) -> str:
        return ".".join(map(str, self))


_CURSOR = re.compile(r"([0-9a-f]{1,64})\.([0-9a-f]{1,16})" + r"\.([0-9]{1,15})" * 3, re.ASCII)


@dataclass(frozen=True, slots=True)
class View:
    """What a caller does not know yet. See the message of this name."""

    reset: bool
    with_config: bool
    cursor: Cursor
    experiment: ExperimentView
    trials: Table
    results: dict[str, Array]
    events: Sequence[EventView]
    left_out: int
    parameters_left_out: int
    time_ms: int
    more: bool


class ViewCache:
    """Columns of one experiment. Methods raise UnknownExperiment when it is gone, also if another one has its name, and
    StoreUnavailable."""

    def __init__(self, store: ViewStore, ref: ExperimentRef, reader: ViewReader) -> None:
        """A cache is filled by its first `refresh`."""
        self.ref, self._store, self._reader = ref, store, reader
        self.definition: Definition = reader.definition
        self._name = uuid.uuid4().hex[:12]
        config = self.definition.config
        shown = min(max(self.definition.plan.max_trials, 1), MOST_TRIALS)
        parameters = _parameters(config.space)
        most = min(_MOST_PARAMETERS, max(_MOST_VALUES // shown, 1))
        self._parameters_left_out = max(len(parameters) - most, 0)
        objectives = [each.name for each in objectives_of(config.searcher)]
        self.columns = Columns(
            parameters[:most], smaller_is_better=config.searcher.smaller_is_better, objectives=objectives
        )
        self._part = max(_PART_VALUES // (14 + len(parameters[:most]) + len(objectives)), _LEAST_PART)
        self.version = 0
        self._last: Changes | None = None
        self._defined = 0
        """The version that the definition was read for."""
        self._warnings: tuple[str, ...] = ()
        self._events: deque[tuple[int, EventView]] = deque(maxlen=MOST_EVENTS)
        self._pending: dict[int, None] = {}
        """Trials that were reported on and are still to be read again, the longest waiting first."""
        self.took = 0.0
        """Seconds of processor time that went by in the last refresh, the first one left out: a busy process counts
        what else it does as well, and so refreshes less."""

    @property
    def overgrown(self) -> bool:
        """Whether it has so many trials more than are shown that it is time to choose anew."""
        return self.columns.count > MOST_TRIALS * 11 // 10

    @property
    def _progress(self) -> Progress:
        assert self._last is not None
        return self._last.progress

    async def refresh(self) -> None:
        """Read what has changed."""
        began, last, version = time.process_time(), self._last, self.version + 1
        changes = await self._reader.changes(last.seen if last else None)
        everything = last is None or not changes.complete
        if everything or any(event.kind == "changed" for event in changes.events):
            await self._define(version)
        self._pending |= dict.fromkeys(trial for trial, _ in changes.leases)
        reported = [*islice(self._pending, _MOST_LEASED)]
        numbers = await self._everything(changes) if everything else self._due(changes, reported)
        read = await self._read(numbers, version)
        if last and not everything:
            await self._read(await self._silent(last, changes, read), version)
        self.columns.renew(changes.leases, version)
        for number in (*reported, *numbers):
            self._pending.pop(number, None)
        self._events += ((version, event) for event in changes.events)
        self._last = changes
        if self._is_new(last, changes, version):
            self._warnings = await warnings(self._store, self.ref, changes.progress)
            self.version = version
        if last:
            self.took = time.process_time() - began

    def _is_new(self, last: Changes | None, changes: Changes, version: int) -> bool:
        return (
            last is None
            or self._defined == version
            or changes.progress != last.progress
            or bool(changes.events)
            or self.columns.last_stamp() == version
        )

    async def _define(self, version: int) -> None:
        """Read the definition again: the plan may have changed."""
        definition = await self._store.definition(self.ref, fresh=True)
        if definition.uid != self.definition.uid:
            raise UnknownExperiment(self.ref.experiment)
        if definition != self.definition:
            self.definition, self._defined = definition, version

    async def _everything(self, changes: Changes) -> Sequence[int]:
        """The trials to show: all, or if they are too many, the best and the latest."""
        created = changes.progress.trials_created
        if self._last is not None and self.columns.count < self._last.progress.trials_created:
            return [*self.columns.trials(), *range(self._last.progress.trials_created, created)]
        if created <= MOST_TRIALS:
            return range(created)
        half = MOST_TRIALS // 2
        best = await self._reader.best(half)
        return sorted({*best, *range(created - half, created)})

    def _due(self, changes: Changes, reported: Sequence[int]) -> Sequence[int]:
        """The trials that may have changed since the last refresh, those `reported` on among them."""
        assert self._last is not None
        last = self._last
        decided = {event.trial for event in changes.events if event.trial >= 0} | (last.waiting - changes.waiting)
        new = range(last.progress.trials_created, changes.progress.trials_created)
        return sorted({*(trial for trial in {*decided, *reported} if trial in self.columns), *new})

    async def _silent(self, last: Changes, changes: Changes, read: Sequence[Row]) -> Sequence[int]:
        """Trials that have new results at rungs without any other sign. None where trials are left out, which have new
        results, too."""
        if self.columns.count < changes.progress.trials_created:
            return ()
        first, end = last.next_result, changes.next_result
        found = {result.number for row in read for result in row.results if first <= result.number < end}
        if len(found) == end - first:
            return ()
        known = {row.trial for row in read}
        return [trial for trial in await self._reader.with_results_since(first) if trial not in known]

    async def _read(self, numbers: Sequence[int], version: int) -> list[Row]:
        """Read these trials into the columns."""
        read: list[Row] = []
        for at in range(0, len(numbers), _TRIALS_AT_ONCE):
            rows = await self._reader.rows(numbers[at : at + _TRIALS_AT_ONCE])
            self.columns.put(rows, version)
            read += rows if self._last else ()
        return read

    def since(self, cursor: Cursor | None) -> View | None:
        """What the holder of this cursor does not know yet, as much as fits into a part; None if there is nothing."""
        mine = cursor is not None and cursor[:2] == (self.definition.uid, self._name) and self._fits(cursor)
        if cursor is None or not mine:
            cursor = Cursor(self.definition.uid, self._name, 0, 0, 0)
        elif cursor[2:] == (self.version, self.columns.count, self.columns.result_count):
            return None
        return self._view(cursor, self.columns.changed(cursor.version, cursor.rows, self._part), reset=not mine)

    def nothing_new(self) -> View:
        """A view without changes, for who knows everything."""
        known = Cursor(self.definition.uid, self._name, self.version, self.columns.count, self.columns.result_count)
        return self._view(known, self.columns.changed(self.version, known.rows, 0), reset=False)

    def _view(self, cursor: Cursor, rows: Array, *, reset: bool) -> View:
        now = Cursor(
            *cursor[:2],
            self.version,
            min(cursor.rows + self._part, self.columns.count),
            min(cursor.results + self._part, self.columns.result_count),
        )
        return View(
            reset=reset,
            with_config=reset or self._defined > cursor.version,
            cursor=now,
            experiment=ExperimentView(self.ref, self.definition, self._progress, self._warnings),
            trials=self.columns.table(rows),
            results=self.columns.results(cursor.results, self._part),
            events=[event for version, event in self._events if version > cursor.version],
            left_out=self._progress.trials_created - self.columns.count,
            parameters_left_out=self._parameters_left_out,
            time_ms=self._last.time_ms if self._last else 0,
            more=now[3:] != (self.columns.count, self.columns.result_count),
        )

    def _fits(self, cursor: Cursor) -> bool:
        """Whether this cache can have given this cursor."""
        return (
            cursor.version <= self.version
            and cursor.rows <= self.columns.count
            and cursor.results <= self.columns.result_count
        )


def _parameters(space: Space) -> list[Parameter]:
    return [
        Parameter(
            spelled(*path),
            _choices(entry.parameter),
            isinstance(entry.parameter, Log | LogUniform | LogInt | LogNormal),
        )
        for path, entry in space.leaves.items()
    ]


def _choices(parameter: object) -> tuple[object, ...] | None:
    match parameter:
        case Categorical(vals) | Ordinal(vals):
            return vals
        case Const(val):
            return (val,)
    return None
