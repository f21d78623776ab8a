"""Renews leases and tells reports in tasks."""

import asyncio

from rungway._async.driver import AsyncDriver
from rungway._core.calls import WorkerCalls
from rungway._core.keeping import duties, keep


class AsyncLeaseKeeper:
    """The same as LeaseKeeper, with tasks in place of threads."""

    def __init__(self, driver: AsyncDriver, calls: WorkerCalls) -> None:
        self._driver = driver
        self._duties = duties(calls)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def ensure(self) -> None:
        """Start each task that has something to keep and is not running."""
        for duty in self._duties:
            running = self._tasks.get(duty.name)
            if (running is None or running.done()) and duty.pause() is not None:
                self._tasks[duty.name] = asyncio.create_task(self._driver.run(keep(duty)), name=duty.name)

    async def close(self) -> None:
        """Cancel the tasks and wait for their end."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
