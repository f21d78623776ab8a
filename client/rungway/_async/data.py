"""What `AsyncClient` gives of a whole search at once: data frames, pictures, exports, and its event log."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from rungway._async.driver import AsyncDriver
from rungway._core.data_calls import SearchReading, importance_of
from rungway._core.experiment_calls import ExperimentCalls
from rungway._core.rpcs import EXPORT_EXPERIMENT
from rungway._data import frames, picture, tables
from rungway._data.picture import Picture
from rungway._data.search_data import SearchData
from rungway.models.checkpoints import StaleCheckpoint
from rungway.models.experiments import Event
from rungway.models.proposals import Results, Stock


class AsyncDataMethods:
    """Methods of `AsyncClient` that read a whole search: all of it at one moment, or its event log."""

    _driver: AsyncDriver
    _experiments: ExperimentCalls

    async def to_dataframe(self, experiment: str | None = None, *, backend: str | None = None) -> Any:
        """See Client.to_dataframe."""
        frames.check(backend)
        data = await self._search_data(experiment)
        return await asyncio.to_thread(lambda: frames.frame(tables.trials_table(data), backend))

    async def curves_dataframe(self, experiment: str | None = None, *, backend: str | None = None) -> Any:
        """See Client.curves_dataframe."""
        frames.check(backend)
        data = await self._search_data(experiment, curves=True)
        return await asyncio.to_thread(lambda: frames.frame(tables.curves_table(data), backend))

    async def plot(self, kind: str = "curves", experiment: str | None = None, *, axes: Sequence[str] = ()) -> Picture:
        """See Client.plot."""
        picture.check_kind(kind, axes)
        data = await self._search_data(experiment, curves=True, events=True)
        ranking = importance_of(self._experiments, experiment)
        importance = await self._driver.run(ranking) if kind in picture.RANKED else None
        return await asyncio.to_thread(picture.draw, kind, data, importance, axes)

    async def export_experiment(self, experiment: str | None = None) -> AsyncGenerator[str, None]:
        """See Client.export_experiment."""
        async with aclosing(self._driver.stream(EXPORT_EXPERIMENT, self._experiments.export(experiment))) as replies:
            async for reply in replies:
                yield reply.text

    def watch_events(self, after: str = "", *, experiment: str | None = None) -> AsyncGenerator[Event, None]:
        """See Client.watch_events."""
        return self._driver.follow(self._experiments.follow(after, experiment))

    async def results(self, cursor: str = "", *, experiment: str | None = None) -> Results:
        """See Client.results."""
        return await self._driver.run(self._experiments.results(cursor, experiment))

    async def add_proposals(
        self,
        proposals: Sequence[Mapping[str, Any]],
        first: int,
        *,
        revision: int = 0,
        experiment: str | None = None,
    ) -> Stock:
        """See Client.add_proposals."""
        return await self._driver.run(self._experiments.add_proposals(proposals, first, revision, experiment))

    async def stale_checkpoints(
        self, *, older_than: float = 3600.0, final: bool = False, experiment: str | None = None
    ) -> list[StaleCheckpoint]:
        """See Client.stale_checkpoints."""
        return await self._driver.run(self._experiments.stale_checkpoints(older_than, final, experiment))

    async def _search_data(self, experiment: str | None, *, curves: bool = False, events: bool = False) -> SearchData:
        reading = SearchReading(self._experiments, experiment, curves=curves, events=events)
        return await self._driver.read(reading)
