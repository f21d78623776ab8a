"""One helper for everybody: who is next, and how much may wait."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from rungway_server.domain.errors import Overloaded
from rungway_server.service.turns import MOST_WAITING, Helper, Turn
from tests.support.waiting import SECONDS, wait_until


class Busy:
    """A helper that is held up, so that work piles up, and what it has done since."""

    def __init__(self) -> None:
        self.helper = Helper("tested")
        self.done: list[str] = []
        self._go = threading.Event()
        started = threading.Event()

        def hold() -> None:
            started.set()
            self._go.wait(SECONDS)

        self.helper.submit(Turn.ASK, "first", hold)
        assert started.wait(SECONDS)

    def submit(self, turn: Turn, namespace: str, name: str = "") -> None:
        self.helper.submit(turn, namespace, lambda: self.done.append(name or namespace))

    def go_on(self) -> list[str]:
        """The order in which it did what was waiting."""
        last = self.helper.submit(Turn.PREVIEW, "last of all", lambda: None)
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
    for turn in (Turn.PREVIEW, Turn.CREATE, Turn.ASK, Turn.CREATE, Turn.ASK):
        busy.submit(turn, "a", turn.name)
    assert busy.go_on() == ["ASK", "ASK", "CREATE", "CREATE", "PREVIEW"]


@pytest.mark.parametrize("turn", Turn)
def test_namespaces_take_turns(turn: Turn, busy: Busy) -> None:
    for namespace in "aaabccab":
        busy.submit(turn, namespace)
    assert busy.go_on() == list("abcabcaa")


@pytest.mark.parametrize("turn", Turn)
def test_only_so_much_of_a_namespace_waits(turn: Turn, busy: Busy) -> None:
    for _ in range(MOST_WAITING[turn]):
        busy.submit(turn, "greedy")
    with pytest.raises(Overloaded):
        busy.submit(turn, "greedy")
    busy.submit(turn, "another")
    for other in set(Turn) - {turn}:
        busy.submit(other, "greedy", "other kind")
    done = busy.go_on()
    assert done.count("greedy") == MOST_WAITING[turn]
    assert done.count("other kind") == len(Turn) - 1
    assert [name for name in done if name != "other kind"].index("another") == 1


def test_only_so_much_waits_in_all(busy: Busy) -> None:
    with suppress(Overloaded):
        for number in range(100_000):
            busy.submit(Turn.ASK, f"namespace-{number}")
    with pytest.raises(Overloaded):
        busy.submit(Turn.PREVIEW, "one more")
    busy.let_go()
    wait_until(lambda: len(busy.done) == 1_000)


def test_what_is_cancelled_makes_room_and_is_not_done(busy: Busy) -> None:
    waiting = [busy.helper.submit(Turn.PREVIEW, "a", lambda: busy.done.append("cancelled")) for _ in range(4)]
    with pytest.raises(Overloaded):
        busy.submit(Turn.PREVIEW, "a")
    for future in waiting:
        assert future.cancel()
    busy.submit(Turn.PREVIEW, "a", "kept")
    assert busy.go_on() == ["kept"]


def test_an_error_is_the_callers_and_the_helper_goes_on(busy: Busy) -> None:
    broken = busy.helper.submit(Turn.ASK, "a", lambda: 1 // 0)
    fine = busy.helper.submit(Turn.ASK, "a", lambda: 7)
    busy.let_go()
    with pytest.raises(ZeroDivisionError):
        broken.result(SECONDS)
    assert fine.result(SECONDS) == 7
