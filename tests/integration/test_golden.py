"""A search of every layout that is read: sound, shown as it was, and played to the end as it was."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.errors import RungwayError
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection import connect
from rungway_server.store.redis.schema import OLDEST, SCHEMA
from tests.support.audited import assert_sound
from tests.support.golden import FOLDER, REF, kept, play, seen_of, write_keys
from tests.support.redis_server import redis_on_socket

FILES = sorted(FOLDER.glob("layout-*.json"))


@pytest.fixture
async def redis() -> AsyncIterator[tuple[str, Redis]]:
    with redis_on_socket() as url:
        async with Redis.from_url(url) as client:
            yield url, client


async def differs(
    url: str, client: Redis, golden: dict[str, Any], transform: Callable[[str, str], str] | None = None
) -> list[str]:
    """What is not as it was: of what is shown, and of what is decided."""
    await write_keys(client, golden["keys"])
    async with connect(url, timeout_seconds=5) as lanes:
        store = RedisStore(lanes, transform=transform)
        seen = await seen_of(store)
        wrong = [name for name, frozen in golden["seen"].items() if kept(frozen, seen[name]) != frozen]
        played = await play(store, [list(each) for each in golden["held"]], golden["now_ms"])
        return wrong + (["played"] if played != golden["played"] else [])


def test_every_layout_that_is_read_has_a_file() -> None:
    assert {json.loads(file.read_text())["schema"] for file in FILES} >= set(range(OLDEST, SCHEMA))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_stored_search_is_what_it_was(file: Any, redis: tuple[str, Redis]) -> None:
    url, client = redis
    golden = json.loads(file.read_text())
    await write_keys(client, golden["keys"])
    await assert_sound(url, REF.experiment)
    assert await differs(url, client, golden) == []
    await assert_sound(url, REF.experiment)


SWAPS = [("restarts", "returns"), ("checkpoint_length", "from"), ("length", "next"), ("outcome", "message")]


@pytest.mark.parametrize("pair", SWAPS, ids="-".join)
async def test_swapped_fields_are_noticed(pair: tuple[str, str], redis: tuple[str, Redis]) -> None:
    """By a server that reads and writes two fields of a record in each other's place, and so agrees with itself."""
    one, other = pair

    def swap(name: str, text: str) -> str:
        if name != "include/record":
            return text
        for form in ("{} = v[", "t.{},"):
            a, b = form.format(one), form.format(other)
            assert text.count(a) >= 1 <= text.count(b)
            text = text.replace(a, "\0").replace(b, a).replace("\0", b)
        return text

    golden = json.loads((FOLDER / "layout-5.json").read_text())
    try:
        wrong = await differs(*redis, golden, swap)
    except (ValueError, RungwayError) as error:  # what stands there cannot even be read, or is refused
        wrong = [str(error)]
    assert wrong != []
