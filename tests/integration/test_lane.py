"""The connection that carries every script: many calls under way at once, and what a break does to them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import hiredis
import pytest
from redis.asyncio import Redis

from rungway_server.store.redis.connection.address import parse_address
from rungway_server.store.redis.connection.pipelined import Lane
from rungway_server.store.redis.connection.topology import Topology, topology_of
from tests.support.redis_server import redis_on_port, redis_on_socket

TIMEOUT_SECONDS = 1.0


@pytest.fixture(params=[redis_on_socket, redis_on_port])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with request.param() as url:
        yield url


@pytest.fixture
async def topology(url: str) -> AsyncIterator[Topology]:
    topology = topology_of(parse_address(url), TIMEOUT_SECONDS)
    yield topology
    await topology.aclose()


@pytest.fixture
async def lane(topology: Topology) -> AsyncIterator[Lane]:
    lane = await opened(topology)
    yield lane
    began = time.monotonic()
    await lane.close()
    assert time.monotonic() - began < TIMEOUT_SECONDS, "closing waited for a connection that the lane had taken over"


async def opened(topology: Topology) -> Lane:
    return Lane(await topology.connect(topology.primary("")))


async def test_answers_find_their_calls(url: str) -> None:
    texts = [f"höhe {number} " + "x" * (number * 997 % 70_000) for number in range(500)]
    lane = await opened(topology_of(parse_address(url), 30))
    assert await asyncio.gather(*(lane.call(("ECHO", text)) for text in texts)) == texts
    await lane.close()


async def test_a_caller_that_leaves_does_not_shift_the_answers(lane: Lane) -> None:
    calls = [asyncio.ensure_future(lane.call(("ECHO", number))) for number in range(10)]
    await asyncio.sleep(0)  # all are on their way
    calls[3].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(answer) for answer in answers if not isinstance(answer, BaseException)] == list("012456789")


async def test_an_error_of_redis_is_an_answer(lane: Lane) -> None:
    wrong, right = await asyncio.gather(lane.call(("NOSUCH",)), lane.call(("ECHO", "yes")))
    assert isinstance(wrong, hiredis.ReplyError)
    assert right == "yes"
    assert not lane.closed


async def test_a_silent_redis_fails_the_calls_in_time_and_closes_the_lane(lane: Lane) -> None:
    await lane.call(("CLIENT", "PAUSE", 4_000))
    began = time.monotonic()
    answers = await asyncio.gather(*(lane.call(("ECHO", number)) for number in range(3)), return_exceptions=True)
    assert TIMEOUT_SECONDS <= time.monotonic() - began < 3 * TIMEOUT_SECONDS
    assert [type(answer) for answer in answers] == [TimeoutError] * 3
    assert lane.closed
    with pytest.raises(ConnectionError):
        await lane.call(("ECHO", 1))


async def test_answers_that_come_steadily_are_never_late(lane: Lane) -> None:
    """The time allowed counts from each call, not from the first of an unbroken row of calls."""
    began = time.monotonic()
    while time.monotonic() - began < 3 * TIMEOUT_SECONDS:
        await lane.call(("ECHO", 1))
        await asyncio.sleep(0.01)
    assert not lane.closed


async def test_calls_one_at_a_time_never_wait(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rungway_server.store.redis.connection.pipelined._PAUSE_SECONDS", 30.0)
    for number in range(20):  # one that waited would be late
        assert await lane.call(("ECHO", number)) == str(number)


async def test_many_calls_leave_together(lane: Lane) -> None:
    async def reads() -> int:
        stats: str = await lane.call(("INFO", "stats"))
        return int(next(line for line in stats.splitlines() if line.startswith("total_reads_processed")).split(":")[1])

    async def calls() -> None:
        for number in range(50):
            assert await lane.call(("ECHO", number)) == str(number)

    before = await reads()
    await asyncio.gather(*(calls() for _ in range(32)))
    assert await reads() - before < 50 * 32 / 8


async def test_a_cut_connection_fails_the_calls(topology: Topology, url: str) -> None:
    lane = await opened(topology)
    number = await lane.call(("CLIENT", "ID"))
    waiting = asyncio.ensure_future(lane.call(("BLPOP", "nothing", 0)))
    await asyncio.sleep(0)
    async with Redis.from_url(url) as client:
        await client.client_kill_filter(_id=number)
    with pytest.raises(ConnectionError):
        await waiting
    assert lane.closed
    await lane.close()


async def test_a_lane_that_drains_answers_what_is_under_way_and_takes_nothing_more(lane: Lane, url: str) -> None:
    waiting = asyncio.ensure_future(lane.call(("BLPOP", "soon", 0)))
    await asyncio.sleep(0)
    draining = asyncio.create_task(lane.drain())
    await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        await lane.call(("ECHO", 1))
    async with Redis.from_url(url) as client:
        await client.rpush("soon", "late")
    assert await waiting == ["soon", "late"]
    await draining
