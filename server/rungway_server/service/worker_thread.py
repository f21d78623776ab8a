"""A thread that works off calls by priority, and takes the namespaces in turn."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from typing import Any

from rungway_server.domain.errors import Overloaded


class Priority(IntEnum):
    """What a call is for; the lowest number goes first."""

    ASK = 0
    CREATE = 1
    READ = 2
    PREVIEW = 3


MOST_WAITING = {Priority.ASK: 64, Priority.CREATE: 8, Priority.READ: 64, Priority.PREVIEW: 4}
"""How many calls of one namespace may wait in a thread. An ask or a read takes milliseconds, a plan up to a second."""
_MOST_IN_ALL = 1_000
"""How many calls of all namespaces may wait together: without tokens, callers may invent namespaces."""

_Queue = dict[str, deque[tuple["Future[Any]", Callable[[], Any]]]]


class WorkerThread:
    """Runs one call at a time: asks before creates before reads before previews, and within a priority one call of
    each namespace in turn."""

    def __init__(self, name: str) -> None:
        """The thread starts with the first call."""
        self._name = name
        self._changed = threading.Condition()
        self._queues: dict[Priority, _Queue] = {priority: {} for priority in Priority}
        self._thread: threading.Thread | None = None

    def submit(self, priority: Priority, namespace: str, work: Callable[[], Any]) -> "Future[Any]":
        """A future with what the call returns or raises. A call whose future is cancelled while it waits never runs.

        Raises Overloaded when too many calls of this namespace, or of all namespaces, wait.
        """
        future: Future[Any] = Future()
        with self._changed:
            queue = self._queues[priority]
            waiting = queue.get(namespace, deque())
            if len(waiting) >= MOST_WAITING[priority]:
                waiting = deque(each for each in waiting if not each[0].cancelled())
            in_all = sum(len(each) for queue in self._queues.values() for each in queue.values())
            if len(waiting) >= MOST_WAITING[priority] or in_all >= _MOST_IN_ALL:
                raise Overloaded
            queue[namespace] = waiting
            waiting.append((future, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: any(self._queues.values()))
                future, work = self._next()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            del future, work

    def _next(self) -> "tuple[Future[Any], Callable[[], Any]]":
        queue = next(queue for queue in self._queues.values() if queue)
        namespace, waiting = next(iter(queue.items()))
        first = waiting.popleft()
        del queue[namespace]
        if waiting:  # behind the other namespaces
            queue[namespace] = waiting
        return first
