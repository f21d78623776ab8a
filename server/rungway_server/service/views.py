"""Use cases of those who look at a search while it runs: its view and what changes in it.

A process keeps one cache for each experiment that somebody looks at, and refreshes it for all of them together, so that
many cost little more than one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np

from rungway_server.domain.curves import thinned
from rungway_server.domain.errors import InvalidInput, Overloaded, ServiceStopping, UnknownExperiment, Violation
from rungway_server.service.checks import check_count
from rungway_server.service.port import ExperimentRef
from rungway_server.service.reading import Reading
from rungway_server.service.view_cache import MOST_TRIALS, Cursor, View, ViewCache
from rungway_server.service.view_importance import Importance, ImportanceOf
from rungway_server.service.view_port import Curve, FurtherNames, FurtherOf, ViewStore

REFRESH_SECONDS = 1.0
"""Least time between the beginnings of two refreshes of a cache that is watched."""
SHARE = 20
"""A refresh that took a second is followed by the next after so many."""
KEPT_SECONDS = 60.0
"""How long a cache that nobody uses any more is kept."""
MOST_CACHES = 256
"""Caches of a process; of these, all trials together may be as many as in 8 of the largest."""
MOST_CACHED = 8 * MOST_TRIALS

MOST_CURVES = 500
"""Curves of a call."""
_MOST_POINTS, _MOST_READ_POINTS = 256, 1_000_000
"""Most points of a curve in an answer, and of all curves of a call that are looked at."""
_NO_CURVE = Curve(np.empty(0, np.int64), np.empty(0))

Shown = TypeVar("Shown")
Show = Callable[[View], Awaitable[Shown]]


class SharedView:
    """A cache with all who look at it."""

    def __init__(self, cache: ViewCache, drop: Callable[[], None], took: Callable[[float], None]) -> None:
        """`drop` is called when nobody has used it for a while, `took` with the seconds of each refresh."""
        self._took = took
        self.cache = cache
        self.users = 0
        self._drop = drop
        self._begun = 0.0
        self._refresh: asyncio.Task[None] | None = None
        self._shown: dict[Cursor | None, asyncio.Future[Any]] = {}
        self._unused: asyncio.TimerHandle | None = None
        self.importance = ImportanceOf(cache)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Around its use: it is kept so long, and a while after."""
        self.users += 1
        if self._unused:
            self._unused.cancel()
        try:
            yield
        finally:
            self.users -= 1
            if not self.users:
                self._unused = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._drop)

    def due_in(self, least: float) -> float:
        """Seconds until the next refresh may begin: `least` after the last, and so that all take a small share."""
        return self._begun + max(least, SHARE * self.cache.took) - time.monotonic()

    async def refreshed(self) -> None:
        """Read what has changed, once for all who want it at the same time. Raises as `ViewCache.refresh`."""
        if self._refresh is None:
            self._begun = time.monotonic()
            self._refresh = asyncio.ensure_future(self.cache.refresh())
            self._refresh.add_done_callback(self._refreshed)
        await asyncio.shield(self._refresh)

    def _refreshed(self, task: "asyncio.Task[None]") -> None:
        self._refresh = None
        self._shown.clear()
        # An error is raised to those who wait; perhaps none does any more.
        if not task.cancelled() and not task.exception():
            self._took(time.monotonic() - self._begun)

    async def shown(self, cursor: Cursor | None, show: Show[Shown]) -> tuple[Cursor, Shown] | None:
        """What the holder of the cursor does not know yet: where it ends, and the message that `show` makes of it, once
        for all who know the same."""
        future = self._shown.get(cursor)
        if future is None:
            view = self.cache.since(cursor)
            if view is None:
                return None
            future = self._shown[cursor] = asyncio.ensure_future(_with_cursor(view, show))
        found: tuple[Cursor, Shown] = await asyncio.shield(future)
        return found


async def _with_cursor(view: View, show: Show[Shown]) -> tuple[Cursor, Shown]:
    return view.cursor, await show(view)


class ViewUseCases:
    """Looks at experiments. Errors are those of the store, Overloaded, QuotaExceeded, and ServiceStopping once
    `stopping` is set. `show` turns a view into a message."""

    def __init__(
        self,
        store: ViewStore,
        stopping: asyncio.Event,
        reading: Reading | None = None,
        took: Callable[[float], None] | None = None,
    ) -> None:
        """`took` is told the seconds of each refresh of a cache."""
        self._store, self._stopping, self._reading = store, stopping, reading or Reading()
        self._took = took or (lambda _: None)
        self.watchers = 0
        """How many watch now."""
        self._views: dict[ExperimentRef, asyncio.Task[SharedView]] = {}

    async def get(self, ref: ExperimentRef, cursor: str, show: Show[Shown]) -> Shown:
        """What has changed since the cursor, as of now, as much as fits into a message; with one that is not known, the
        whole view."""
        with self._reading.admit(ref.namespace):
            shared = await self.fresh(ref)
            with shared.in_use():
                view = shared.cache.since(Cursor.read(cursor)) or shared.cache.nothing_new()
                await self._reading.pay(ref.namespace, len(view.trials))
                return await show(view)

    async def fresh(self, ref: ExperimentRef) -> SharedView:
        """The cache of an experiment, with what has changed until now."""
        for again in (True, False):
            shared = await self._shared(ref)
            if shared.cache.overgrown:
                self._forget(ref, shared)
                shared = await self._shared(ref)
            with shared.in_use():
                if (wait := min(shared.due_in(0), REFRESH_SECONDS)) > 0:
                    await asyncio.sleep(wait)
                try:
                    await shared.refreshed()
                    return shared
                except UnknownExperiment:
                    self._forget(ref, shared)
                    if not again:
                        raise
        raise AssertionError("not reached")

    async def watch(self, ref: ExperimentRef, cursor: str, show: Show[Shown]) -> AsyncGenerator[Shown, None]:
        """What has changed since the cursor, and then again and again what changes."""
        known = Cursor.read(cursor)
        self.watchers += 1
        try:
            while True:
                shared = await self._shared(ref)
                with shared.in_use(), suppress(UnknownExperiment):
                    async with aclosing(self._follow(shared, ref.namespace, known, show)) as views:
                        async for known, message in views:  # noqa: B007  (where to go on, if another has its name)
                            yield message
                self._forget(ref, shared)
        finally:
            self.watchers -= 1

    async def _follow(
        self, shared: SharedView, namespace: str, known: Cursor | None, show: Show[Shown]
    ) -> AsyncGenerator[tuple[Cursor, Shown], None]:
        """The views of one cache, until it is of no use any more."""
        while not shared.cache.overgrown:
            while found := await shared.shown(known, show):
                await self._reading.afford(namespace)
                yield found
                known = found[0]
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), max(shared.due_in(REFRESH_SECONDS), 0))
            if self._stopping.is_set():
                raise ServiceStopping
            await shared.refreshed()

    async def curves(
        self, ref: ExperimentRef, trials: Sequence[int], most_points: int, which: FurtherOf | None = None
    ) -> tuple[list[Curve], FurtherNames]:
        """The learning curves of these trials, each with so many points at most (0 = 256), of the searcher's metric or
        of further values; one without points for a trial that is not there. And which further values there are. Raises
        InvalidInput, too."""
        _check_curves(trials, most_points)
        reader = await self._store.view_reader(ref, partial(self._reading.piece, ref.namespace))
        with self._reading.admit(ref.namespace):
            numbers, most = list(dict.fromkeys(trials)), _MOST_READ_POINTS // len(trials)
            names = reader.further_names()
            if which and not (which.name in names.names or (which.name is None and names.cost)):
                found = {}
            elif which:
                found = await reader.further_curves(numbers, most, which)
            else:
                found = await reader.curves(numbers, most)
        return [Curve(*thinned(*found.get(trial, _NO_CURVE), most_points or _MOST_POINTS)) for trial in trials], names

    async def importance(self, ref: ExperimentRef, bracket: int | None) -> Importance:
        """How much each hyperparameter matters, as of now. Raises InvalidInput, too, for an unknown bracket."""
        with self._reading.admit(ref.namespace):
            shared = await self.fresh(ref)
            with shared.in_use():
                brackets = len(shared.cache.definition.plan.brackets)
                if bracket is not None and not 0 <= bracket < brackets:
                    raise InvalidInput.one("bracket", f"got {bracket}, wanted 0 to {brackets - 1}")
                return await shared.importance.get(0 if brackets == 1 else bracket)

    async def _shared(self, ref: ExperimentRef) -> SharedView:
        """The cache of an experiment, filled. Raises Overloaded where there is no room for another one."""
        task = self._views.get(ref)
        if task is None:
            self._make_room()
            task = self._views[ref] = asyncio.ensure_future(self._open(ref))
            task.add_done_callback(partial(self._opened, ref))
        return await asyncio.shield(task)

    def _opened(self, ref: ExperimentRef, task: "asyncio.Task[SharedView]") -> None:
        if task.cancelled() or task.exception():
            self._views.pop(ref, None)

    async def _open(self, ref: ExperimentRef) -> SharedView:
        reader = await self._store.view_reader(ref, partial(self._reading.piece, ref.namespace))
        shared = SharedView(ViewCache(self._store, ref, reader), lambda: self._forget(ref, shared), self._took)
        with shared.in_use():
            await shared.refreshed()
        return shared

    def _make_room(self) -> None:
        """Drop caches that nobody uses, the oldest first, until there is room for another one."""
        cached = sum(_trials_in(task) for task in self._views.values())
        for ref, task in list(self._views.items()):
            if len(self._views) < MOST_CACHES and cached <= MOST_CACHED - MOST_TRIALS:
                return
            if task.done() and not task.result().users:
                cached -= _trials_in(task)
                del self._views[ref]
        if len(self._views) >= MOST_CACHES or cached > MOST_CACHED - MOST_TRIALS:
            raise Overloaded

    def _forget(self, ref: ExperimentRef, shared: SharedView) -> None:
        task = self._views.get(ref)
        if task and task.done() and not task.cancelled() and not task.exception() and task.result() is shared:
            del self._views[ref]


def _check_curves(trials: Sequence[int], most_points: int) -> None:
    wrong = check_count("trials", len(trials), MOST_CURVES)
    if most_points and not 2 <= most_points <= _MOST_POINTS:
        wrong.append(Violation("max_points", f"got {most_points}, wanted 2 to {_MOST_POINTS}, or 0 (= {_MOST_POINTS})"))
    if (least := min(trials, default=0)) < 0:
        wrong.append(Violation("trials", f"got {least}, wanted numbers from 0"))
    if wrong:
        raise InvalidInput(wrong)


def _trials_in(task: "asyncio.Task[SharedView]") -> int:
    """Trials of a cache; one that is being filled may become a large one."""
    return task.result().cache.columns.count if task.done() and not task.exception() else MOST_TRIALS
