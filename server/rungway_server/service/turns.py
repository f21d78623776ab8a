"""Whose work is next, where one helper does the work of everybody."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from typing import Any

from rungway_server.domain.errors import Overloaded


class Turn(IntEnum):
    """What work is for; the first in this order goes first."""

    ASK = 0
    CREATE = 1
    PREVIEW = 2


MOST_WAITING = {Turn.ASK: 64, Turn.CREATE: 8, Turn.PREVIEW: 4}
"""How much work of one namespace may wait for a helper; an ask takes milliseconds, a plan up to a second."""
_MOST_IN_ALL = 1_000
"""How much may wait of all namespaces together: without tokens anybody may name new ones."""

_Queue = dict[str, deque[tuple["Future[Any]", Callable[[], Any]]]]


class Helper:
    """A thread that does one piece of work after the other: asks before creates before previews, and of each kind one
    of every namespace in turn."""

    def __init__(self, name: str) -> None:
        """The thread begins with the first work."""
        self._name = name
        self._changed = threading.Condition()
        self._queues: dict[Turn, _Queue] = {turn: {} for turn in Turn}
        self._thread: threading.Thread | None = None

    def submit(self, turn: Turn, namespace: str, work: Callable[[], Any]) -> "Future[Any]":
        """What the work will return or raise; work that is cancelled while it waits is never done. Raises Overloaded
        when too much of this namespace waits."""
        future: Future[Any] = Future()
        with self._changed:
            queue = self._queues[turn]
            waiting = queue.get(namespace, deque())
            if len(waiting) >= MOST_WAITING[turn]:
                waiting = deque(each for each in waiting if not each[0].cancelled())
            in_all = sum(len(each) for queue in self._queues.values() for each in queue.values())
            if len(waiting) >= MOST_WAITING[turn] or in_all >= _MOST_IN_ALL:
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
        if waiting:  # the next one is when all others have had their turn
            queue[namespace] = waiting
        return first
