"""The client for asyncio, with the methods of `Client`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar, overload

from rungway._async.data import AsyncDataMethods
from rungway._async.driver import AsyncDriver
from rungway._async.keeper import AsyncLeaseKeeper
from rungway._async.run import AsyncTrialRun
from rungway._core.about import About
from rungway._core.calls import WorkerCalls
from rungway._core.config import ClientConfig, configured
from rungway._core.enums import Outcome
from rungway._core.errors import FailedPrecondition, RungwayError
from rungway._core.experiment_calls import ExperimentCalls
from rungway._core.progress import Bar, bar
from rungway._core.requests import Config, report
from rungway._core.run import Loop
from rungway.models.experiments import Caller, Event, Experiment, Preview
from rungway.models.people import Enqueued, Worker
from rungway.models.shown import client_text
from rungway.models.work import (
    AskReply,
    Assignment,
    Checkpoint,
    Lease,
    LeaseStatus,
    Result,
    TellReply,
    Trial,
)

_Self = TypeVar("_Self", bound="AsyncClient")


class AsyncClient(AsyncDataMethods):
    """The same methods as `Client`, awaited.

    It belongs to the event loop of its first call. After CONTINUE the next `ask` of the same task returns the same
    trial. Close it, or use it in `async with`, before the event loop ends.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        experiment: str | None = None,
        token: str | None = None,
        tls: bool | None = None,
        config: ClientConfig | None = None,
    ) -> None:
        """See Client."""
        self.config = configured(config, target, experiment, token, tls)
        self._driver = AsyncDriver(self.config)
        self._work = WorkerCalls(self.config, asyncio.current_task)
        self._experiments = ExperimentCalls(self.config)
        self._keeper = AsyncLeaseKeeper(self._driver, self._work)

    __repr__ = client_text

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), config=self.config), ()

    async def __aenter__(self: _Self) -> _Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """See Client.close."""
        for run in self._work.leases.holders():  # the generator of a loop that was left is closed later than this
            if isinstance(run, AsyncTrialRun) and run._is_orphaned():
                await run.abandon()
        self._work.closed = True
        await self._keeper.close()
        await self._driver.close()

    # Work.

    async def ask(self, *, timeout: float | None = None) -> Assignment | None:
        """See Client.ask."""
        assignment = await self._driver.run(self._work.ask(timeout))
        if assignment is not None:
            self._keeper.ensure()
        return assignment

    async def ask_once(self, count: int = 1, *, wait: float = 0.0, request_id: str | None = None) -> AskReply:
        """See Client.ask_once."""
        return await self._driver.run(self._work.ask_once(count, request_id, wait=wait))

    async def tell(
        self,
        assignment: Assignment,
        metric: object,
        *,
        length: int | None = None,
        checkpoint: Checkpoint = None,
        finished: bool = False,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
        request_id: str | None = None,
    ) -> TellReply:
        """See Client.tell."""
        if isinstance(metric, Mapping):
            metric, metrics = await self._driver.run(self._work.by_name(metric, metrics))
        reports = [report(assignment.next_decision if length is None else length, metric, metrics, cost)]
        return (await self.tell_many([Result(assignment, reports, checkpoint, finished)], request_id=request_id))[0]

    async def tell_many(self, results: Iterable[Result], *, request_id: str | None = None) -> list[TellReply]:
        """See Client.tell_many."""
        return await self._driver.run(self._work.tell(results, request_id))

    async def heartbeat(self, leases: Iterable[Assignment | Lease]) -> list[LeaseStatus]:
        """See Client.heartbeat."""
        return await self._driver.run(self._work.heartbeat(leases))

    async def release(
        self,
        assignment: Assignment,
        checkpoint: Checkpoint = None,
        length: int | None = None,
        *,
        request_id: str | None = None,
    ) -> TellReply:
        """See Client.release."""
        return await self._driver.run(self._work.release(assignment.lease, checkpoint, length, request_id))

    async def fail(
        self, assignment: Assignment, outcome: Outcome, message: str = "", *, request_id: str | None = None
    ) -> TellReply:
        """See Client.fail."""
        return await self._driver.run(self._work.fail(assignment.lease, outcome, message, request_id))

    def trials(self, *, progress: bool = False) -> AsyncGenerator[AsyncTrialRun, None]:
        """See Client.trials."""
        loop = Loop()
        return loop.track(self._trials(loop, bar(progress)))

    async def _trials(self, loop: Loop, shown: Bar | None) -> AsyncGenerator[AsyncTrialRun, None]:
        try:
            while (assignment := await self.ask()) is not None:
                run = self._hold(assignment, loop)
                if shown and shown.is_due():
                    await self._show(shown)
                try:
                    yield run
                except GeneratorExit:
                    await run.abandon()
                    raise
                await run.next()
            if shown:
                await self._show(shown)
        finally:
            if shown:
                shown.close()

    async def _show(self, shown: Bar) -> None:
        """Draw the progress anew; an error of it does not end the training."""
        with suppress(RungwayError):
            shown.show(await self.get_experiment(), await self.best())

    @asynccontextmanager
    async def trial(self) -> AsyncIterator[AsyncTrialRun]:
        """See Client.trial."""
        if (assignment := await self.ask()) is None:
            raise FailedPrecondition("the search is over: there is no trial to run", reason="SEARCH_DONE")
        async with self._hold(assignment) as run:
            yield run

    def _hold(self, assignment: Assignment, loop: Loop | None = None) -> AsyncTrialRun:
        run = AsyncTrialRun(self._driver, self._work, assignment, loop)
        self._keeper.ensure()
        return run

    # Experiments and results. Without `experiment` they mean the client's own.

    async def create_experiment(
        self,
        experiment: str,
        config: Config,
        *,
        exist_ok: bool = False,
        warm_start_from: str | None = None,
        warm_start_count: int = 1,
        labels: Mapping[str, str] | None = None,
        owner: str = "",
        comment: str = "",
        request_id: str | None = None,
    ) -> Experiment:
        """See Client.create_experiment."""
        about = About(labels, owner or None, comment or None)
        return await self._driver.run(
            self._experiments.create(experiment, config, request_id, warm_start_from, warm_start_count, exist_ok, about)
        )

    async def get_experiment(self, experiment: str | None = None) -> Experiment:
        """See Client.get_experiment."""
        return await self._driver.run(self._experiments.get(experiment))

    async def list_experiments(
        self,
        limit: int | None = None,
        *,
        with_config: bool = False,
        labels: Mapping[str, str | None] | None = None,
        owner: str = "",
    ) -> list[Experiment]:
        """See Client.list_experiments."""
        return await self._driver.run(self._experiments.list_experiments(limit, with_config, labels, owner))

    async def pause_experiment(self, experiment: str | None = None) -> Experiment:
        """See Client.pause_experiment."""
        return await self._driver.run(self._experiments.pause(experiment))

    async def resume_experiment(self, experiment: str | None = None) -> Experiment:
        """See Client.resume_experiment."""
        return await self._driver.run(self._experiments.resume(experiment))

    async def stop_experiment(self, experiment: str | None = None) -> Experiment:
        """See Client.stop_experiment."""
        return await self._driver.run(self._experiments.stop(experiment))

    async def update_experiment(
        self,
        *,
        max_trials: int | None = None,
        max_concurrent_trials: int | None = None,
        retention_days: float | None = None,
        labels: Mapping[str, str | None] | None = None,
        owner: str | None = None,
        comment: str | None = None,
        experiment: str | None = None,
    ) -> Experiment:
        """See Client.update_experiment."""
        about = About(labels, owner, comment)
        flow = self._experiments.update(max_trials, max_concurrent_trials, retention_days, about, experiment)
        return await self._driver.run(flow)

    async def delete_experiment(self, experiment: str | None = None) -> None:
        """See Client.delete_experiment."""
        await self._driver.run(self._experiments.delete(experiment))

    async def preview(self, config: Config) -> Preview:
        """See Client.preview."""
        return await self._driver.run(self._experiments.preview(config))

    async def list_trials(
        self, limit: int | None = None, *, after: int = 0, experiment: str | None = None
    ) -> list[Trial]:
        """See Client.list_trials."""
        return await self._driver.run(self._experiments.list_trials(limit, after, experiment))

    async def get_caller(self) -> Caller:
        """See Client.get_caller."""
        return await self._driver.run(self._experiments.get_caller())

    async def list_workers(self, experiment: str | None = None) -> list[Worker]:
        """See Client.list_workers."""
        return await self._driver.run(self._experiments.list_workers(experiment))

    async def get_trial(self, trial: int, *, experiment: str | None = None) -> Trial:
        """See Client.get_trial."""
        return await self._driver.run(self._experiments.get_trial(trial, experiment))

    @overload
    async def best(self, *, by: str = "best", experiment: str | None = None) -> Trial | None: ...
    @overload
    async def best(self, count: int, *, by: str = "best", experiment: str | None = None) -> list[Trial]: ...
    async def best(
        self, count: int | None = None, *, by: str = "best", experiment: str | None = None
    ) -> Trial | list[Trial] | None:
        """See Client.best."""
        trials = await self._driver.run(self._experiments.best(1 if count is None else count, by, experiment))
        if count is None:
            return trials[0] if trials else None
        return trials

    async def enqueue_trial(
        self,
        hparams: Mapping[str, Any],
        *,
        metric: float | None = None,
        length: int | None = None,
        experiment: str | None = None,
        request_id: str | None = None,
    ) -> Enqueued:
        """See Client.enqueue_trial."""
        return await self._driver.run(self._experiments.enqueue(hparams, request_id, experiment, metric, length))

    async def explain_trial(self, trial: int, *, experiment: str | None = None) -> list[Event]:
        """See Client.explain_trial."""
        return await self._driver.run(self._experiments.explain(trial, experiment))
