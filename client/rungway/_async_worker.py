"""The twin of `_worker` for asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from rungway import _requests
from rungway._calls import WorkerCalls
from rungway._grpc import AsyncDriver
from rungway._models import Assignment
from rungway._requests import Checkpoint
from rungway._run import GIVEN_BACK, Departure, Run, departure, is_cured, log_cured


class AsyncTrialRun(Run):
    """See TrialRun; use it in an `async with` block."""

    def __init__(self, driver: AsyncDriver, calls: WorkerCalls, assignment: Assignment, *, cures: bool) -> None:
        """`cures` = swallow errors that are the trial's own, so that the worker goes on with the next one."""
        super().__init__(calls, assignment)
        self._driver = driver
        self._cures = cures
        self._sending = asyncio.Lock()

    async def report(
        self,
        length: int,
        metric: object,
        checkpoint: Checkpoint | Callable[[], Checkpoint | Awaitable[Checkpoint]] = None,
    ) -> bool:
        """See TrialRun.report; `checkpoint` may also be a function whose result is awaited."""
        report = _requests.report(length, metric)
        if self._ended:
            return False
        self._check(report)
        if callable(checkpoint):
            saved = checkpoint() if self._decides(report.length) else None
            checkpoint = await saved if isinstance(saved, Awaitable) else saved
        if self._add(report, _requests.checkpoint_text(checkpoint)):
            async with self._sending:
                await self._driver.run(self._tell())
        return not self.should_stop

    async def tell_overdue(self) -> None:
        """See TrialRun.tell_overdue."""
        if self._overdue() and not self._sending.locked():
            async with self._sending:
                await self._driver.run(self._tell_overdue())

    async def leave(self, departure: Departure = GIVEN_BACK) -> None:
        """See TrialRun.leave."""
        async with self._sending:
            await self._driver.run(self._leave(departure))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        cured = self._cures and is_cured(raised)
        if cured:
            log_cured(self.number, raised)
        await self.leave(GIVEN_BACK if raised is None else departure(raised, stays=cured))
        return cured


class AsyncLeaseKeeper:
    """See LeaseKeeper; a task in place of a thread."""

    def __init__(self, driver: AsyncDriver, calls: WorkerCalls) -> None:
        self._driver = driver
        self._calls = calls
        self._task: asyncio.Task[None] | None = None

    def ensure(self) -> None:
        """Start the task unless it runs."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._main(), name="rungway-leases")

    async def close(self) -> None:
        """End the task and wait for it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _main(self) -> None:
        while (pause := self._calls.until_next_round()) is not None:
            await asyncio.sleep(pause)
            if await self._driver.run(self._calls.renew()):
                for run in self._calls.leases.holders():
                    if isinstance(run, AsyncTrialRun):
                        await run.tell_overdue()
