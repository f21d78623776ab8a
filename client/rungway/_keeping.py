"""What goes on beside the training, the same for both clients: leases are renewed, and reports held back are told."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rungway._calls import REFUSALS, WorkerCalls
from rungway._errors import RungwayError
from rungway._flow import Acquire, Flow, Sleep
from rungway._grpc import AsyncDriver, SyncDriver
from rungway._outbox import MOST_REPORTS, Parcel
from rungway._run import Run

_log = logging.getLogger("rungway")

_MOST_RESULTS = 64
"""Of one call, which has no more reports than one parcel may have."""
_AFTER_A_FAULT = 0.1
_AFTER_MANY = 2.0


@dataclass(frozen=True, slots=True)
class Duty:
    """What a client does again and again while there is something to keep."""

    name: str
    pause: Callable[[], float | None]
    """Seconds until it is due; None = there is nothing to keep."""
    work: Callable[[], Flow[Any]]
    """Do it once."""


def duties(calls: WorkerCalls) -> list[Duty]:
    """Those of a client, each with a thread or task of its own: telling reports is never in the way of a renewal."""
    half = calls.config.report_interval / 2

    def pause() -> float | None:
        return half if calls.leases.holders() else None

    return [
        Duty("rungway-leases", calls.leases.pause, calls.renew),
        Duty("rungway-reports", pause, lambda: _tell_overdue(calls, half)),
    ]


def keep(duty: Duty) -> Flow[None]:
    """Do it until there is nothing to keep, or the client is closed. No exception ends it."""
    fault, rest = "", 0.0
    while True:
        try:
            if fault:
                yield Sleep(rest)
            if (seconds := duty.pause()) is None:
                return
            yield Sleep(seconds)
            yield from duty.work()
            fault = ""
        except Exception as error:
            if isinstance(error, RungwayError) and error.reason == "CLIENT_CLOSED":
                return
            if fault != type(error).__name__:
                _log.exception("a fault in %s, which goes on", duty.name)
            rest = min(2 * rest, _AFTER_MANY) if fault else _AFTER_A_FAULT
            fault = type(error).__name__


def _tell_overdue(calls: WorkerCalls, age: float) -> Flow[None]:
    """Tell what has been held back for so long, of all trials together."""
    waiting = [run for run in calls.leases.holders() if isinstance(run, Run) and run._overdue(age)]
    for start in range(0, len(waiting), _MOST_RESULTS):
        runs: Sequence[Run] = waiting[start : start + _MOST_RESULTS]
        try:
            while runs:
                runs = [run for run in (yield from _tell_heads(calls, runs)) if run._overdue(0)]
        except RungwayError as error:
            _log.info("reports of %d trials are held back: %s", len(waiting) - start, error)
            return


def _tell_heads(calls: WorkerCalls, runs: Sequence[Run]) -> Flow[list[Run]]:
    """Tell what is at the head of their outboxes; of those that are not telling something by themselves just now."""
    held: list[Run] = []
    heads: list[tuple[Run, Parcel]] = []
    try:
        for run in runs:
            if (yield Acquire(run._sending, 0)):
                held.append(run)
                if (parcel := run._outbox.head()) is not None:
                    heads.append((run, parcel))
        for together in _packed(heads):
            yield from _tell_together(calls, together)
    finally:
        for run in held:
            run._sending.release()
    return held


def _packed(heads: Sequence[tuple[Run, Parcel]]) -> list[list[tuple[Run, Parcel]]]:
    """What to tell in one call: what went together before, and the others as far as they fit."""
    again: dict[str, list[tuple[Run, Parcel]]] = {}
    fresh: list[list[tuple[Run, Parcel]]] = []
    room = 0
    for run, parcel in heads:
        if parcel.request_id:
            again.setdefault(parcel.request_id, []).append((run, parcel))
            continue
        reports = len(parcel.result.reports)
        if not fresh or reports > room:
            fresh.append([])
            room = MOST_REPORTS
        fresh[-1].append((run, parcel))
        room -= reports
    return [*again.values(), *fresh]


def _tell_together(calls: WorkerCalls, told: Sequence[tuple[Run, Parcel]]) -> Flow[None]:
    """One call for all. If it is refused, which changes nothing, each half by itself: only who is at fault pays."""
    try:
        verdicts = yield from calls.send([parcel for _, parcel in told], calls.config.attempt_timeout)
    except REFUSALS as error:
        if len(told) == 1 or error.reason == "EXPERIMENT_NOT_FOUND":
            for run, parcel in told:
                yield from run._refused_in_background(error, parcel)
            return
        half = len(told) // 2
        yield from _tell_together(calls, told[:half])
        yield from _tell_together(calls, told[half:])
    else:
        for (run, _), verdict in zip(told, verdicts, strict=True):
            run._answered(verdict)


class LeaseKeeper:
    """Daemon threads, one for each duty. Each runs while there is something to keep and starts again when there is."""

    def __init__(self, driver: SyncDriver, calls: WorkerCalls) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._duties = duties(calls)
        self._threads: dict[str, threading.Thread] = {}
        self._closed = False

    def ensure(self) -> None:
        """Start the threads that do not run and have something to keep."""
        for duty in self._duties:
            with self._lock:
                running = self._threads.get(duty.name)
                if self._closed or (running is not None and running.is_alive()) or duty.pause() is None:
                    continue
                thread = threading.Thread(target=self._main, args=(duty,), name=duty.name, daemon=True)
                thread.start()
                self._threads[duty.name] = thread

    def stop(self) -> None:
        """Start no more."""
        with self._lock:
            self._closed = True

    def join(self) -> None:
        """Wait for the end of the threads, once this was stopped and the driver was closed."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _main(self, duty: Duty) -> None:
        self._driver.run(keep(replace(duty, pause=partial(self._pause_or_end, duty))))

    def _pause_or_end(self, duty: Duty) -> float | None:
        with self._lock:  # so that `ensure` sees a thread that goes on, or none
            if (pause := duty.pause()) is None:
                self._threads.pop(duty.name, None)
            return pause


class AsyncLeaseKeeper:
    """See LeaseKeeper; tasks in place of threads."""

    def __init__(self, driver: AsyncDriver, calls: WorkerCalls) -> None:
        self._driver = driver
        self._duties = duties(calls)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def ensure(self) -> None:
        """Start the tasks that do not run and have something to keep."""
        for duty in self._duties:
            running = self._tasks.get(duty.name)
            if (running is None or running.done()) and duty.pause() is not None:
                self._tasks[duty.name] = asyncio.create_task(self._driver.run(keep(duty)), name=duty.name)

    async def close(self) -> None:
        """End the tasks and wait for them."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
