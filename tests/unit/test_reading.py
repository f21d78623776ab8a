"""Reads take turns, are charged for what they read, and let other calls run in between."""

import asyncio
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from rungway_server.domain.errors import Overloaded, QuotaExceeded
from rungway_server.service import quotas
from rungway_server.service.quotas import CallRate
from rungway_server.service.reading import PIECE, Pace, Reading


class Purse:
    """A quota of calls that notes each charge."""

    def __init__(self, calls: int) -> None:
        self.left, self.asked = calls, list[int]()

    async def charge_call(self, namespace: str, calls: int = 1) -> None:
        self.asked.append(calls)
        if calls > self.left:
            self.left = 1  # after a wait one call is allowed again
            raise QuotaExceeded("calls_per_second", most=1, retry_seconds=0.001)
        self.left -= calls


async def many(reading: Reading, namespace: str, count: int, done: list[str]) -> None:
    async def one() -> None:
        async with reading.turn(namespace):
            done.append(namespace)
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(count)))


async def test_namespaces_take_turns() -> None:
    """A namespace with one read waits for one read of each other namespace, not for all of theirs."""
    reading, done = Reading(), list[str]()
    greedy = asyncio.ensure_future(many(reading, "greedy", 50, done))
    other = asyncio.ensure_future(many(reading, "other", 20, done))
    await asyncio.sleep(0)
    await many(reading, "small", 1, done)
    assert done.index("small") <= 4
    await asyncio.gather(greedy, other)
    alternating = [name for name in done[:40] if name != "small"]
    assert abs(alternating.count("greedy") - alternating.count("other")) <= 2
    assert (done.count("greedy"), done.count("other")) == (50, 20)


async def test_one_read_at_a_time_however_it_ends() -> None:
    reading, inside, most = Reading(), 0, 0

    async def one(number: int) -> None:
        nonlocal inside, most
        async with reading.turn(f"n{number % 3}"):
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0.001)
                if number % 4 == 1:
                    raise RuntimeError
            finally:
                inside -= 1

    tasks = [asyncio.ensure_future(one(number)) for number in range(40)]
    await asyncio.sleep(0.005)
    for task in tasks[2::4]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 1
    async with asyncio.timeout(10):  # the next one still gets a turn
        async with reading.turn("late"):
            pass


async def test_a_namespace_leaves_places_to_others() -> None:
    reading = Reading(most=8)
    with reading.admit("a"), reading.admit("a"), reading.admit("a"), reading.admit("a"):
        with pytest.raises(Overloaded), reading.admit("a"):
            pass
        with reading.admit("b"):
            pass


async def test_a_namespace_writes_one_export_at_a_time() -> None:
    reading = Reading()
    with reading.export("a"):
        with pytest.raises(Overloaded), reading.export("a"):
            pass
        with ExitStack() as others:
            for namespace in "bcd":
                others.enter_context(reading.export(namespace))
            with pytest.raises(Overloaded), reading.export("e"):
                pass
        with reading.export("b"):
            pass
    with reading.export("a"):
        pass


@pytest.mark.parametrize(("items", "calls"), [(1, []), (PIECE, []), (PIECE + 1, [1]), (1000, [9])])
async def test_a_read_pays_by_the_piece_before_it_reads(items: int, calls: list[int]) -> None:
    purse = Purse(100)
    await Reading(purse).pay("n", items)
    assert purse.asked == calls


async def test_a_stream_waits_until_it_can_pay() -> None:
    purse = Purse(0)
    await Reading(purse).afford("n")
    assert (purse.asked, purse.left) == ([1, 1], 0)
    with pytest.raises(QuotaExceeded):
        await Reading(Purse(2)).pay("n", 1000)


def test_a_charge_above_the_rate_takes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "time", SimpleNamespace(monotonic=lambda: 5.0))  # the clock stands still
    rate = CallRate()
    rate.charge("n", 4, 1000)
    with pytest.raises(QuotaExceeded) as refused:
        rate.charge("n", 4)
    assert 0 < (refused.value.retry_seconds or 0) <= 0.25
    with pytest.raises(QuotaExceeded) as refused:
        rate.charge("n", 4, 9)
    assert 0.75 < (refused.value.retry_seconds or 0) <= 1


async def test_long_work_in_a_turn_lets_others_have_the_loop() -> None:
    """Counted in rounds of the loop: others run many times while 40 items of a millisecond are processed."""
    reading, rounds, working = Reading(), 0, True

    async def others() -> None:
        nonlocal rounds
        while working:
            rounds += 1
            await asyncio.sleep(0.001)

    served = asyncio.ensure_future(others())
    async with reading.turn("n") as turn:
        for _ in range(40):
            end = time.monotonic() + 0.001
            while time.monotonic() < end:
                pass
            await turn.breathe()
    working = False
    await served
    assert rounds > 8


async def test_a_pace_spreads_what_comes_at_once() -> None:
    """Of a thousand that begin at the same moment, only some do so in one round of the loop."""
    pace, begun, most = Pace(0.001), 0, 0

    async def one() -> None:
        nonlocal begun
        await pace.step()
        begun += 1

    tasks = [asyncio.ensure_future(one()) for _ in range(1000)]
    while begun < 1000:
        before = begun
        await asyncio.sleep(0)
        most = max(most, begun - before)
    await asyncio.gather(*tasks)
    assert most < 500
