"""One trial in a training loop, for tasks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from types import TracebackType
from typing import TypeVar

from rungway._async.driver import AsyncDriver
from rungway._core import requests
from rungway._core.calls import WorkerCalls
from rungway._core.exit import ABANDONED, NORMAL, RELEASED, Exit, exit_of, is_swallowed, log_swallowed
from rungway._core.run import LOOP_OVER, Loop, Run
from rungway.models.work import Assignment, Checkpoint

_Self = TypeVar("_Self", bound="AsyncTrialRun")


class AsyncTrialRun(Run):
    """The same as TrialRun, awaited; use it in an `async with` block."""

    def __init__(
        self, driver: AsyncDriver, calls: WorkerCalls, assignment: Assignment, loop: Loop | None = None
    ) -> None:
        super().__init__(calls, assignment, asyncio.Lock(), loop)
        self._driver = driver
        self._saver: Callable[[], Checkpoint | Awaitable[Checkpoint]] | None = None

    def lengths(self) -> "AsyncLengths":
        """See TrialRun.lengths; use `async for`. A plain `for` ends at a decision where nothing was reported."""
        self._use()
        return AsyncLengths(self)

    async def _report_missing(self) -> bool:
        """Tell the last report as the result of the decision that has none; False when there is none."""
        saved = self._saver() if self._saver is not None else None
        checkpoint = await saved if isinstance(saved, Awaitable) else saved
        return await self._driver.run(self._locked(self._tell_missing(requests.checkpoint_text(checkpoint))))

    async def report(
        self,
        length: int,
        metric: object,
        checkpoint: Checkpoint | Callable[[], Checkpoint | Awaitable[Checkpoint]] = None,
        *,
        metrics: Mapping[str, object] | None = None,
        cost: float | None = None,
    ) -> bool:
        """See TrialRun.report; `checkpoint` may also be a function whose result is awaited."""
        self._use()
        if isinstance(metric, Mapping):
            if self._ended:
                return False
            metric, metrics = await self._driver.run(self._calls.by_name(metric, metrics))
        report = requests.report(length, metric, metrics, cost)
        if self._ended:
            return False
        self._check(report)
        self._saver = checkpoint if callable(checkpoint) else None
        if callable(checkpoint):
            saved = checkpoint() if self._is_decision(report.length) else None
            checkpoint = await saved if isinstance(saved, Awaitable) else saved
        if self._add(report, requests.checkpoint_text(checkpoint)):
            await self._driver.run(self._locked(self._tell()))
        return not self.should_stop

    async def finish(self, checkpoint: Checkpoint = None) -> None:
        """See TrialRun.finish."""
        self._use()
        text = requests.checkpoint_text(checkpoint)
        await self._driver.run(self._locked(self._finish(text)))

    async def release(self, checkpoint: Checkpoint = None) -> None:
        """See TrialRun.release."""
        self._use()
        await self.leave(Exit(None, checkpoint=requests.checkpoint_text(checkpoint), worker_goes_on=True))

    async def leave(self, how: Exit = NORMAL) -> None:
        """See TrialRun.leave."""
        await self._driver.run(self._leave(how))

    async def __aenter__(self: _Self) -> _Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        swallowed = self._loop is not None and is_swallowed(raised)
        if swallowed:
            log_swallowed(self.number, raised)
        try:
            await self.leave(NORMAL if raised is None else exit_of(raised, worker_goes_on=swallowed))
        finally:
            self._close("its block is over")
        return swallowed

    async def abandon(self) -> None:
        """See TrialRun.abandon."""
        if not self._entered:
            await self.leave(ABANDONED if self._used else RELEASED)
            self._close(LOOP_OVER)

    async def next(self) -> None:
        """See TrialRun.next."""
        if not self._entered:
            await self.leave(NORMAL if self._used else RELEASED)
            self._close("the loop has gone on to another trial")
            self._check_used()


class AsyncLengths:
    """The lengths of a trial, for `async for` and for `for`."""

    def __init__(self, run: AsyncTrialRun) -> None:
        self._run = run

    def __iter__(self) -> Iterator[int]:
        return self._run._steps()

    async def __aiter__(self) -> AsyncIterator[int]:
        while True:
            for length in self._run._steps():
                yield length
            if not (self._run._is_report_missing() and await self._run._report_missing()):
                return
