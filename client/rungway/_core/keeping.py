"""What runs beside the training, the same for both clients: leases are renewed, and reports held back are told."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rungway._core.calls import REFUSALS, WorkerCalls
from rungway._core.errors import RungwayError
from rungway._core.flow import Acquire, Flow, Sleep
from rungway._core.outbox import MOST_REPORTS, Parcel, weight
from rungway._core.run import Run

_log = logging.getLogger("rungway")
_MOST_RESULTS = 64
"""Most results of one call. Together they hold at most MOST_REPORTS reports."""
_FIRST_REST = 0.1
_LONGEST_REST = 2.0
"""Seconds of rest after an unexpected error; doubled while the same error repeats."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What a client does again and again while there is something to keep."""

    name: str
    pause: Callable[[], float | None]
    """Seconds until it is due; None = there is nothing to keep."""
    work: Callable[[], Flow[Any]]
    """Do it once."""


def duties(calls: WorkerCalls) -> list[Duty]:
    """The duties of a client. Each gets a thread or task of its own, so that telling reports never delays a renewal."""
    half = calls.config.report_interval / 2

    def pause() -> float | None:
        return half if calls.leases.holders() else None

    return [
        Duty("rungway-leases", calls.leases.pause, calls.renew),
        Duty("rungway-reports", pause, lambda: _tell_overdue(calls, half)),
    ]


def keep(duty: Duty) -> Flow[None]:
    """Do a duty until there is nothing to keep or the client is closed. An unexpected error is logged and does not end
    it."""
    last_error, rest = "", 0.0
    while True:
        try:
            if last_error:
                yield Sleep(rest)
            if (seconds := duty.pause()) is None:
                return
            yield Sleep(seconds)
            yield from duty.work()
            last_error = ""
        except Exception as error:
            if isinstance(error, RungwayError) and error.reason == "CLIENT_CLOSED":
                return
            if last_error != type(error).__name__:
                _log.exception("an error in %s, which goes on", duty.name)
            rest = min(2 * rest, _LONGEST_REST) if last_error else _FIRST_REST
            last_error = type(error).__name__


def _tell_overdue(calls: WorkerCalls, age: float) -> Flow[None]:
    """Tell the reports of all trials that have been held back for `age` seconds."""
    waiting = [run for run in calls.leases.holders() if isinstance(run, Run) and run._is_overdue(age)]
    for start in range(0, len(waiting), _MOST_RESULTS):
        runs: Sequence[Run] = waiting[start : start + _MOST_RESULTS]
        try:
            while runs:
                runs = [run for run in (yield from _tell_heads(calls, runs)) if run._is_overdue(0)]
        except RungwayError as error:
            _log.info("reports of %d trials are held back: %s", len(waiting) - start, error)
            return


def _tell_heads(calls: WorkerCalls, runs: Sequence[Run]) -> Flow[list[Run]]:
    """Tell the heads of their outboxes; skips runs that are telling something by themselves. Returns the others."""
    held: list[Run] = []
    heads: list[tuple[Run, Parcel]] = []
    try:
        for run in runs:
            if (yield Acquire(run._send_lock, 0)):
                held.append(run)
                if (parcel := run._outbox.head()) is not None:
                    heads.append((run, parcel))
        for together in _packed(heads):
            yield from _tell_together(calls, together)
    finally:
        for run in held:
            run._send_lock.release()
    return held


def _packed(heads: Sequence[tuple[Run, Parcel]]) -> list[list[tuple[Run, Parcel]]]:
    """The calls to make: parcels that were sent together before go together again, new ones as far as they fit."""
    again: dict[str, list[tuple[Run, Parcel]]] = {}
    fresh: list[list[tuple[Run, Parcel]]] = []
    room = 0
    for run, parcel in heads:
        if parcel.request_id:
            again.setdefault(parcel.request_id, []).append((run, parcel))
            continue
        reports = sum(map(weight, parcel.result.reports))
        if not fresh or reports > room:
            fresh.append([])
            room = MOST_REPORTS
        fresh[-1].append((run, parcel))
        room -= reports
    return [*again.values(), *fresh]


def _tell_together(calls: WorkerCalls, told: Sequence[tuple[Run, Parcel]]) -> Flow[None]:
    """One call for all. A refused call changes nothing, so each half is then told by itself: in the end only the trial
    at fault is refused."""
    try:
        replies = yield from calls.send([parcel for _, parcel in told], calls.config.attempt_timeout)
    except REFUSALS as error:
        if len(told) == 1 or error.reason == "EXPERIMENT_NOT_FOUND":
            for run, parcel in told:
                yield from run._refused_in_background(error, parcel)
            return
        half = len(told) // 2
        yield from _tell_together(calls, told[:half])
        yield from _tell_together(calls, told[half:])
    else:
        for (run, _), reply in zip(told, replies, strict=True):
            run._answered(reply)
