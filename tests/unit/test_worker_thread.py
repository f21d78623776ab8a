"""The worker thread: the order of calls, and how many may wait."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from rungway_server.domain.errors import Overloaded
from rungway_server.service.worker_thread import MOST_WAITING, Priority, WorkerThread
from tests.support.waiting import SECONDS, wait_until


class Busy:
    """A thread that is blocked so that calls pile up; notes what it does afterwards."""

    def __init__(self) -> None:
        self.thread = WorkerThread("tested")
        self.done: list[str] = []
        self._go = threading.Event()
        started = threading.Event()

        def hold() -> None:
            started.set()
            self._go.wait(SECONDS)

        self.thread.submit(Priority.ASK, "first", hold)
        assert started.wait(SECONDS)

    def submit(self, priority: Priority, namespace: str, name: str = "") -> None:
        self.thread.submit(priority, namespace, lambda: self.done.append(name or namespace))

    def go_on(self) -> list[str]:
        """Unblock the thread; returns the order in which it ran the calls."""
        last = self.thread.submit(Priority.PREVIEW, "last of all", lambda: None)
        self._go.set()
        last.result(SECONDS)
        return self.done

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def busy() -> Iterator[Busy]:
    busy = Busy()
    yield busy
    busy.let_go()


def test_asks_before_creates_before_previews(busy: Busy) -> None:
    for priority in (Priority.PREVIEW, Priority.CREATE, Priority.ASK, Priority.CREATE, Priority.ASK):
        busy.submit(priority, "a", priority.name)
    assert busy.go_on() == ["ASK", "ASK", "CREATE", "CREATE", "PREVIEW"]


@pytest.mark.parametrize("priority", Priority)
def test_namespaces_take_turns(priority: Priority, busy: Busy) -> None:
    for namespace in "aaabccab":
        busy.submit(priority, namespace)
    assert busy.go_on() == list("abcabcaa")


@pytest.mark.parametrize("priority", Priority)
def test_only_so_much_of_a_namespace_waits(priority: Priority, busy: Busy) -> None:
    for _ in range(MOST_WAITING[priority]):
        busy.submit(priority, "greedy")
    with pytest.raises(Overloaded):
        busy.submit(priority, "greedy")
    busy.submit(priority, "another")
    for other in set(Priority) - {priority}:
        busy.submit(other, "greedy", "other kind")
    done = busy.go_on()
    assert done.count("greedy") == MOST_WAITING[priority]
    assert done.count("other kind") == len(Priority) - 1
    assert [name for name in done if name != "other kind"].index("another") == 1


def test_only_so_much_waits_in_all(busy: Busy) -> None:
    with suppress(Overloaded):
        for number in range(100_000):
            busy.submit(Priority.ASK, f"namespace-{number}")
    with pytest.raises(Overloaded):
        busy.submit(Priority.PREVIEW, "one more")
    busy.let_go()
    wait_until(lambda: len(busy.done) == 1_000)


def test_what_is_cancelled_makes_room_and_is_not_done(busy: Busy) -> None:
    waiting = [busy.thread.submit(Priority.PREVIEW, "a", lambda: busy.done.append("cancelled")) for _ in range(4)]
    with pytest.raises(Overloaded):
        busy.submit(Priority.PREVIEW, "a")
    for future in waiting:
        assert future.cancel()
    busy.submit(Priority.PREVIEW, "a", "kept")
    assert busy.go_on() == ["kept"]


def test_an_error_is_the_callers_and_the_thread_goes_on(busy: Busy) -> None:
    broken = busy.thread.submit(Priority.ASK, "a", lambda: 1 // 0)
    fine = busy.thread.submit(Priority.ASK, "a", lambda: 7)
    busy.let_go()
    with pytest.raises(ZeroDivisionError):
        broken.result(SECONDS)
    assert fine.result(SECONDS) == 7
