"""Keeps slow work off the event loop: milliseconds go to a thread, anything longer to a process.

A thread that computes shares the interpreter lock with the event loop and delays each of its steps, so only work of a
few milliseconds runs in one (`in_thread`). Plans, and configurations that are hard to find, run in one of two worker
processes (`in_process`): one draws configurations for asks, the other makes plans, so that an ask never waits for a
plan. Models that propose configurations have a third one (`in_model_process`). Each process starts with its first call,
has a lower priority, and limits the processor time of each call.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import ParamSpec, TypeVar

from rungway_server.domain.sampling.sampling import is_quick
from rungway_server.domain.space.space import Space
from rungway_server.service.worker_process import WorkerProcess
from rungway_server.service.worker_thread import Priority, WorkerThread

P = ParamSpec("P")
R = TypeVar("R")

_FEW_VALUES = 1_000
"""A document with no more values than this is read and planned in milliseconds, unless `_SLOW` finds something."""
_SLOW: Mapping[str, Callable[[object], bool]] = {
    "constraints": bool,
    "when": bool,
    "sampler": lambda sampler: sampler != "random",
    "proposals": lambda proposals: proposals == "sobol",
}
"""Keys whose values may make a document slow to plan, and for which values they do."""

_thread = WorkerThread("in-thread")
_drawing = (WorkerThread("process-draw"), WorkerProcess())
_planning = (WorkerThread("process-plan"), WorkerProcess())
_modelling = (WorkerThread("process-model"), WorkerProcess())
_processes = {Priority.ASK: _drawing, Priority.CREATE: _planning, Priority.PREVIEW: _planning}


async def in_thread(priority: Priority, namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What the function returns or raises. A call that is cancelled while it waits for its turn is never made.

    Raises Overloaded when too many calls of the namespace wait.
    """
    result: R = await asyncio.wrap_future(_thread.submit(priority, namespace, partial(work, *args, **kwargs)))
    return result


async def in_process(priority: Priority, namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Like `in_thread`, in a worker process: for a function of a module, with arguments and a result that pickle.

    Raises InvalidInput, too, when the call takes too much processor time.
    """
    return await _in(_processes[priority], priority, namespace, partial(work, *args, **kwargs))


async def in_model_process(namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Like `in_process`, for models that learn from results."""
    return await _in(_modelling, Priority.ASK, namespace, partial(work, *args, **kwargs))


async def _in(
    where: tuple[WorkerThread, WorkerProcess], priority: Priority, namespace: str, work: Callable[[], R]
) -> R:
    thread, process = where
    result: R = await asyncio.wrap_future(thread.submit(priority, namespace, partial(process.call, work)))
    return result


async def at_once_or_in_process(
    space: Space, namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """For work on one configuration, or to count points: on the event loop if configurations of the space are drawn
    quickly, else like `in_process`."""
    if is_quick(space):
        return work(*args, **kwargs)
    return await in_process(Priority.CREATE, namespace, work, *args, **kwargs)


async def in_thread_or_process(
    space: Space, namespace: str, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """For work on a plan or on many configurations: like `in_thread` if configurations of the space are drawn quickly,
    else like `in_process`."""
    where = in_thread if is_quick(space) else in_process
    return await where(Priority.CREATE, namespace, work, *args, **kwargs)


def is_slow_to_plan(document: object) -> bool:
    """Whether reading and planning a configuration may take more than milliseconds.

    True for a document with many values, with constraints or conditions, or with a sampler other than "random".
    """
    left, seen = [document], 0
    while left:
        value = left.pop()
        seen += 1
        if seen > _FEW_VALUES:
            return True
        if isinstance(value, Mapping):
            if any(key in value and slow(value[key]) for key, slow in _SLOW.items()):
                return True
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
    return False
