"""A golden search of every readable layout is sound, looks as it did, and plays to the same end."""

import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.records import ATTRIBUTES
from rungway_server.store.redis.layout.schema import OLDEST, SCHEMA
from tests.support.audited import report_of
from tests.support.golden import FOLDER, REF, kept, log_of, play, read_keys, repeat, seen_of, write_keys
from tests.support.redis_server import redis_on_socket

FILES = sorted(FOLDER.glob("layout-*.json"))


@pytest.fixture
async def redis() -> AsyncIterator[tuple[str, Redis]]:
    with redis_on_socket() as url:
        async with Redis.from_url(url) as client:
            yield url, client


async def differences(
    url: str, client: Redis, golden: dict[str, Any], transform: Callable[[str, str], str] | None = None
) -> AsyncGenerator[str]:
    """All differences in the audit, in what is shown, in replies to repeated calls, in decisions, and in the audit
    after these."""
    await write_keys(client, golden["keys"])
    for wrong in (await report_of(url, REF)).violated:
        yield wrong
    async with connect(url, timeout_seconds=5, transform=transform) as router:
        store = RedisStore(router, longest_wait_for_models=0)
        for wrong in await shown_otherwise(store, golden):
            yield wrong
        for wrong in await decided_otherwise(store, client, golden):
            yield wrong
    for wrong in (await report_of(url, REF)).violated:
        yield wrong


async def noticed(
    redis: tuple[str, Redis], golden: dict[str, Any], transform: Callable[[str, str], str] | None = None
) -> bool:
    """Whether there is any difference; an error while reading or in a script counts as one."""
    try:
        async with aclosing(differences(*redis, golden, transform)) as found:
            return await anext(found, None) is not None
    except Exception:
        return True


async def shown_otherwise(store: RedisStore, golden: dict[str, Any]) -> list[str]:
    """Differences in what reads show."""
    seen = await seen_of(store)
    return [name for name, frozen in golden["seen"].items() if kept(frozen, seen[name]) != frozen]


def _changed(frozen: Any, found: Any) -> bool:
    return bool(kept(frozen, found) != frozen)


async def decided_otherwise(store: RedisStore, client: Redis, golden: dict[str, Any]) -> list[str]:
    """Differences in replies and decisions; both checks begin with what is stored now."""
    wrong, keys = [], await read_keys(client)
    for _ in range(2):  # in the second round, new assignments of the first are remembered as well
        if "calls" in golden and _changed(golden["repeated"], await repeat(store, golden["calls"], golden["now_ms"])):
            wrong.append("repeated")
    await write_keys(client, keys)
    if await play(store, [list(each) for each in golden["held"]], golden["now_ms"]) != golden["played"]:
        wrong.append("played")
    if "log" in golden and kept(golden["log"], await log_of(store)) != golden["log"]:
        wrong.append("log")
    return wrong


def test_every_layout_that_is_read_has_a_file() -> None:
    assert {json.loads(file.read_text())["schema"] for file in FILES} >= set(range(OLDEST, SCHEMA))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_stored_search_is_what_it_was(file: Any, redis: tuple[str, Redis]) -> None:
    assert [wrong async for wrong in differences(*redis, json.loads(file.read_text()))] == []


def record_swap(one: str, other: str) -> Callable[[str, str], str]:
    """A server that swaps two fields of a record when reading and writing, and so agrees with itself."""

    def swap(name: str, text: str) -> str:
        if name != "include/layout":
            return text
        for form in (" {} = stored[", "trial.{},"):
            a, b = (form.format(ATTRIBUTES[name]) for name in (one, other))
            assert text.count(a) >= 1 <= text.count(b)
            text = text.replace(a, "\0").replace(b, a).replace("\0", b)
        return text

    return swap


def texts_swap(file: str, *pairs: tuple[str, str]) -> Callable[[str, str], str]:
    """A server with texts of one file swapped."""

    def swap(name: str, text: str) -> str:
        for one, other in pairs if name == file else ():
            assert one in text, one
            text = text.replace(one, other)
        return text

    return swap


SWAPS = {
    **{
        "-".join(pair): record_swap(*pair)
        for pair in (
            *(("restarts", "returns"), ("checkpoint_length", "from"), ("length", "next"), ("outcome", "message")),
            *(
                ("bracket", "rung"),
                ("to", "next"),
                ("created", "fence"),
                ("worker", "checkpoint"),
                ("worker", "message"),
            ),
            *(("entries", "log"), ("points", "length"), ("request", "print"), ("restarts", "points")),
        )
    },
    "event fields": texts_swap(
        "include/events", ("trial.length, trial.metric, trial.worker", "trial.length, trial.worker, trial.metric")
    ),
    "points of curves": texts_swap(
        "include/reports",
        ("struct.pack('>I8', report.length) .. report.metric", "report.metric .. struct.pack('>I8', report.length)"),
    ),
    "members of ready": texts_swap(
        "include/rungs", ("string.char(bracket, 255 - rung)", "string.char(255 - rung, bracket)")
    ),
    "members of rungs": texts_swap("include/rungs", ("string.char(bracket, rung)", "string.char(rung, bracket)")),
    "order of bytes": texts_swap(
        "include/results",
        ("struct.pack('>I4', search.progress.next_entry)", "struct.pack('<I4', search.progress.next_entry)"),
    ),
    "places of further metrics": texts_swap(
        "include/further", ("and string.char(distance)", "and string.char(distance + 1)")
    ),
    "values of further metrics": texts_swap(
        "include/further", ("further = heads[shape] .. values", "further = values .. heads[shape]")
    ),
    "best and last checkpoints": record_swap("checkpoint", "best_checkpoint"),
    "what is remembered of checkpoints": texts_swap(
        "include/checkpoints",
        ("{ search.now_ms, tonumber(number), checkpoint }", "{ tonumber(number), search.now_ms, checkpoint }"),
    ),
    "codes of words": texts_swap(
        "include/layout",
        ("'assign' then return 1 end", "'assign' then return 8 end"),
        ("'pause' then return 8 end", "'pause' then return 1 end"),
        ("code == 1 then return 'assign'", "code == 1 then return 'pause'"),
        ("code == 8 then return 'pause'", "code == 8 then return 'assign'"),
    ),
    "digests of requests": texts_swap(
        "include/requests",
        ("four_bytes(digits, 1), four_bytes(digits, 9), ", "four_bytes(digits, 9), four_bytes(digits, 1), "),
    ),
    "fingerprints of requests": texts_swap(
        "include/requests",
        ("four_bytes(digits, 1), four_bytes(digits, 9))", "four_bytes(digits, 9), four_bytes(digits, 1))"),
    ),
    "answers": texts_swap(
        "include/requests",
        ("{ packed_fingerprint(fingerprint), answer }", "{ answer, packed_fingerprint(fingerprint) }"),
    ),
}
"""Servers that would write another layout under the same number."""


@pytest.mark.parametrize("name", SWAPS)
async def test_a_changed_layout_is_noticed(name: str, redis: tuple[str, Redis]) -> None:
    for pattern in ("layout-5.json", f"layout-{SCHEMA}*.json", "layout-[89]*.json"):
        for file in sorted(FOLDER.glob(pattern)):
            if await noticed(redis, json.loads(file.read_text()), SWAPS[name]):
                return
    pytest.fail("no search shows it")


async def test_swapped_bytes_are_noticed(redis: tuple[str, Redis]) -> None:
    """Two adjacent bytes swapped, anywhere in what is stored."""
    missed = []
    for number in range(40):
        golden = json.loads((FOLDER / f"layout-{SCHEMA}.json").read_text())
        where = swapped_bytes(golden["keys"], random.Random(number))
        if not await noticed(redis, golden):
            missed.append(where)
    assert missed == []


def swapped_bytes(keys: dict[str, Any], rng: random.Random) -> str:
    """Swap two adjacent, different bytes in one value of one key; returns where."""
    while True:
        key = rng.choice(sorted(keys))
        items = keys[key]["content"]
        at = rng.randrange(len(items))
        digits = items[at] if isinstance(items[at], str) else items[at][-1]
        if isinstance(digits, float):  # a zset: its member
            digits = items[at][0]
        value = bytearray.fromhex(digits)
        first = rng.randrange(max(len(value) - 1, 1))
        if len(value) < 2 or value[first] == value[first + 1]:
            continue
        value[first], value[first + 1] = value[first + 1], value[first]
        text = value.hex()
        if isinstance(items[at], str):
            items[at] = text
        elif isinstance(items[at][-1], float):
            items[at][0] = text
        else:
            items[at][-1] = text
        return f"{key} {items[at] if isinstance(items[at], str) else items[at][0]}, byte {first}"
