"""What goes on beside the training, the same for both clients: leases are renewed, and reports held back are told."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rungway._core.calls import REFUSALS, WorkerCalls
from rungway._core.errors import RungwayError
from rungway._core.flow import Acquire, Flow, Sleep
from rungway._core.outbox import MOST_REPORTS, Parcel
from rungway._core.run import Run

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
