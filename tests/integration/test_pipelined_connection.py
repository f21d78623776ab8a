"""The pipelined connection: many calls under way at once, and what happens to them when it breaks."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hiredis
import pytest
from redis.asyncio import Redis

from rungway_server.store.redis.connection.address import parse_address
from rungway_server.store.redis.connection.opening import open_connection
from rungway_server.store.redis.connection.pipelined import PipelinedConnection
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
async def connection(topology: Topology) -> AsyncIterator[PipelinedConnection]:
    connection = await opened(topology)
    yield connection
    began = time.monotonic()
    await connection.close()
    assert time.monotonic() - began < TIMEOUT_SECONDS, "closing waited for Redis"


async def opened(topology: Topology) -> PipelinedConnection:
    return await topology.connect(topology.primary(""))


async def test_answers_find_their_calls(url: str) -> None:
    texts = [f"höhe {number} ".encode() + b"x" * (number * 997 % 70_000) for number in range(500)]
    connection = await opened(topology_of(parse_address(url), 30))
    assert await asyncio.gather(*(connection.send(("ECHO", text)) for text in texts)) == texts
    await connection.close()


async def test_a_caller_that_leaves_does_not_shift_the_answers(connection: PipelinedConnection) -> None:
    calls = [asyncio.ensure_future(connection.send(("ECHO", number))) for number in range(10)]
    await asyncio.sleep(0)  # all have been sent
    calls[3].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [int(answer) for answer in answers if not isinstance(answer, BaseException)] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


async def test_an_error_of_redis_is_an_answer(connection: PipelinedConnection) -> None:
    wrong, right = await asyncio.gather(connection.send(("NOSUCH",)), connection.send(("ECHO", "yes")))
    assert isinstance(wrong, hiredis.ReplyError)
    assert right == b"yes"
    assert not connection.closed


async def test_a_silent_redis_fails_the_calls_in_time_and_closes_the_connection(
    connection: PipelinedConnection,
) -> None:
    await connection.send(("CLIENT", "PAUSE", 4_000))
    began = time.monotonic()
    answers = await asyncio.gather(*(connection.send(("ECHO", number)) for number in range(3)), return_exceptions=True)
    assert TIMEOUT_SECONDS <= time.monotonic() - began < 3 * TIMEOUT_SECONDS
    assert [type(answer) for answer in answers] == [TimeoutError] * 3
    assert connection.closed
    with pytest.raises(ConnectionError):
        await connection.send(("ECHO", 1))


async def test_answers_that_come_steadily_are_never_late(connection: PipelinedConnection) -> None:
    """The timeout counts from each call, not from the first of an unbroken series."""
    began = time.monotonic()
    while time.monotonic() - began < 3 * TIMEOUT_SECONDS:
        await connection.send(("ECHO", 1))
        await asyncio.sleep(0.01)
    assert not connection.closed


async def test_calls_one_at_a_time_never_wait(connection: PipelinedConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rungway_server.store.redis.connection.pipelined._PAUSE_SECONDS", 30.0)
    for number in range(20):  # a call that waited would be late
        assert await connection.send(("ECHO", number)) == b"%d" % number


async def test_many_calls_leave_together(connection: PipelinedConnection) -> None:
    async def reads() -> int:
        stats = (await connection.send(("INFO", "stats"))).decode()
        return int(next(line for line in stats.splitlines() if line.startswith("total_reads_processed")).split(":")[1])

    async def calls() -> None:
        for number in range(50):
            assert await connection.send(("ECHO", number)) == b"%d" % number

    before = await reads()
    await asyncio.gather(*(calls() for _ in range(32)))
    assert await reads() - before < 50 * 32 / 8


async def test_a_cut_connection_fails_the_calls(topology: Topology, url: str) -> None:
    connection = await opened(topology)
    number = await connection.send(("CLIENT", "ID"))
    waiting = asyncio.ensure_future(connection.send(("BLPOP", "nothing", 0)))
    await asyncio.sleep(0)
    async with Redis.from_url(url) as client:
        await client.client_kill_filter(_id=number)
    with pytest.raises(ConnectionError):
        await waiting
    assert connection.closed
    await connection.close()


async def test_a_connection_that_drains_answers_what_is_under_way_and_takes_nothing_more(
    connection: PipelinedConnection, url: str
) -> None:
    waiting = asyncio.ensure_future(connection.send(("BLPOP", "soon", 0)))
    await asyncio.sleep(0)
    draining = asyncio.create_task(connection.drain())
    await asyncio.sleep(0)
    with pytest.raises(ConnectionError):
        await connection.send(("ECHO", 1))
    async with Redis.from_url(url) as client:
        await client.rpush("soon", "late")
    assert await waiting == [b"soon", b"late"]
    await draining


async def test_a_login_that_breaks_off_is_one_error_and_nothing_is_logged() -> None:
    """All its commands are under way at once, and only one error can be raised."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(ConnectionError, match="lost the connection"):
            await open_connection(f"{host}:{port}", {"password": "secret", "db": 2}, TIMEOUT_SECONDS)
    gc.collect()  # asyncio logs errors that nobody has seen when their futures go
    assert unseen == []


async def test_a_service_that_is_no_redis_is_one_error_and_nothing_is_logged() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        with pytest.raises(ConnectionError, match="no Redis, or wants TLS"):
            await open_connection(f"{host}:{port}", {"password": "secret", "db": 2}, TIMEOUT_SECONDS)
    gc.collect()
    assert unseen == []
