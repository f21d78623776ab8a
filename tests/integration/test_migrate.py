"""Stored searches of layout 5 are migrated to the current layout in one step, whole, while workers are live."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from rungway_server.domain.engine import Lease, Report, Result
from rungway_server.domain.errors import NewerSchema, OlderSchema, UnknownExperiment
from rungway_server.service.experiments import plan_search
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout import migrate as migrating
from rungway_server.store.redis.layout.keys import experiment_keys, index_key
from rungway_server.store.redis.layout.migrate import TooBusy, migrate
from rungway_server.store.redis.layout.migrations import FIRST, STEPS
from rungway_server.store.redis.layout.records import MANY, TRIAL_FIELDS, packed, unpack
from rungway_server.store.redis.layout.schema import LATER_KINDS, LAYOUTS, NEWEST, SCHEMA
from tests.support.audited import assert_sound
from tests.support.command_line import run
from tests.support.golden import FOLDER, REF, kept, play, read_keys, seen_of, write_keys
from tests.support.redis_server import redis_on_socket
from tests.support.searches import create_planned, plan

META, TRIALS, *_ = experiment_keys(REF)
LOG, CREATED = TRIAL_FIELDS.index("log"), TRIAL_FIELDS.index("created")


@pytest.fixture
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "layout-5.json").read_text())
    return found


@pytest.fixture
async def old(golden: dict[str, Any]) -> AsyncIterator[tuple[str, Any, RedisStore]]:
    """A Redis that holds the search of layout 5."""
    with redis_on_socket() as url:
        async with Redis.from_url(url) as client, connect(url, timeout_seconds=5) as router:
            await write_keys(client, golden["keys"])
            yield url, client, RedisStore(router)


Old = tuple[str, Any, RedisStore]


async def layout_of(client: Any) -> int:
    return int(await client.hget(META, "schema"))


def test_every_older_layout_from_5_on_has_a_step() -> None:
    assert sorted(STEPS) == list(range(FIRST, SCHEMA))
    assert set(LAYOUTS) >= set(STEPS)


async def test_it_is_the_same_search_afterwards(old: Old, golden: dict[str, Any]) -> None:
    url, client, store = old
    before = await read_keys(client)
    assert await migrate(client, REF) == 5
    after = await read_keys(client)
    assert await layout_of(client) == SCHEMA
    assert {key for key in before if before[key] != after[key]} == {META, TRIALS}
    assert {len(unpack(record)) for record in (await client.hgetall(TRIALS)).values()} == {len(TRIAL_FIELDS)}
    await assert_sound(url, REF.experiment)
    seen = await seen_of(store)
    for name, frozen in golden["seen"].items():
        if name != "export":
            assert kept(frozen, seen[name]) == frozen
    lines = [kept(frozen, line) for frozen, line in zip(golden["seen"]["export"], seen["export"], strict=True)]
    assert lines[1:] == golden["seen"]["export"][1:]
    assert await play(store, [list(each) for each in golden["held"]], golden["now_ms"]) == golden["played"]
    await assert_sound(url, REF.experiment)


async def test_the_holder_of_a_lease_notices_nothing(old: Old, golden: dict[str, Any]) -> None:
    """A repeated call of before gets the same reply as then."""
    _, client, store = old
    request = "a0"
    first = await store.ask(REF, request, 2, "w", now_ms=golden["now_ms"])
    await migrate(client, REF)
    assert await store.ask(REF, request, 2, "w", now_ms=golden["now_ms"]) == first
    trial, fencing_token, length = golden["held"][0]
    told = await store.tell(
        REF, "", [Result(Lease(trial, fencing_token), [Report(length, 0.5)])], now_ms=golden["now_ms"]
    )
    assert told.replies[0].decision.value != "superseded"


async def test_the_second_time_changes_nothing(old: Old) -> None:
    _, client, _ = old
    await migrate(client, REF)
    before = await read_keys(client)
    assert await migrate(client, REF) == SCHEMA
    assert await read_keys(client) == before


async def test_one_with_kinds_that_older_servers_do_not_know_keeps_its_number(old: Old) -> None:
    _, client, store = old
    await store.delete(REF)
    space, searcher = {"x": {"type": "log_int", "minval": 1, "maxval": 9}}, {"name": "single", "metric": "loss"}
    planned = plan_search({"hyperparameters": space, "searcher": searcher})
    await store.create(REF, planned.config, planned.plan, (), "")
    before = await read_keys(client)
    assert await migrate(client, REF) == LATER_KINDS
    assert await read_keys(client) == before


async def test_a_search_in_which_nothing_was_started(old: Old) -> None:
    url, client, store = old
    await store.delete(REF)
    for name, held in (await _fresh(store, client)).items():
        assert name != TRIALS or not held
    await client.hset(META, "schema", 5)
    assert await migrate(client, REF) == 5
    await assert_sound(url, REF.experiment)


async def _fresh(store: RedisStore, client: Any) -> dict[str, Any]:
    await create_planned(store, REF, plan())
    return await read_keys(client)


async def test_a_long_history_is_shortened(old: Old) -> None:
    _, client, store = old
    values = unpack(await client.hget(TRIALS, "0"))
    lines = [number for n in range(4_000) for number in (n, 0)]
    values[LOG] = lines
    await client.hset(TRIALS, "0", packed(values))
    await migrate(client, REF)
    record = unpack(await client.hget(TRIALS, "0"))
    assert record[LOG] == [*lines[:64], -values[CREATED], 4_000 - 64, *lines[-64:]]
    history, _ = await store.explain(REF, 0)
    assert sum(event.dropped or 1 for event in history) == 4_000


@pytest.mark.parametrize("trained", [MANY, MANY + 1, 7 * MANY, 2**53 - 1])
async def test_a_long_sum_is_kept_exactly(trained: int, old: Old) -> None:
    _, client, store = old
    progress = unpack(await client.hget(META, "tally")) | {"trained": trained}
    await client.hset(META, "tally", packed(progress))
    await migrate(client, REF)
    assert (await store.progress(REF)).trained_length == trained


async def test_the_brake_stays_off(old: Old) -> None:
    """In both fields that hold it, because nobody had asked for a brake."""
    _, client, store = old
    await migrate(client, REF)
    assert unpack(await client.hget(META, "plan"))["pause_after"] == 0
    assert (await store.definition(REF, fresh=True)).config.pause_after_failures == 0


@pytest.mark.parametrize("layout", [1, 4, NEWEST + 1, 99])
async def test_a_layout_without_a_migration_is_left_as_it_is(layout: int, old: Old) -> None:
    _, client, _ = old
    await client.hset(META, "schema", layout)
    before = await read_keys(client)
    with pytest.raises(NewerSchema if layout > NEWEST else OlderSchema):
        await migrate(client, REF)
    assert await read_keys(client) == before


async def test_an_unknown_experiment_is_refused(old: Old) -> None:
    _, client, store = old
    await store.delete(REF)
    with pytest.raises(UnknownExperiment):
        await migrate(client, REF)
    assert await client.keys("*") == []


async def test_keys_with_a_time_to_live_keep_it(old: Old) -> None:
    _, client, _ = old
    for key in await client.keys("*"):
        await client.pexpire(key, 600_000)
    await migrate(client, REF)
    left = {key: await client.pttl(key) for key in await client.keys("*")}
    assert all(0 < ms <= 600_000 for ms in left.values())


def between(url: str, monkeypatch: pytest.MonkeyPatch, times: float) -> Callable[[], int]:
    """Write between the read and the write of a migration, `times` times; counts the writes."""
    upgraded, seen = migrating._upgraded_meta, 0

    def meanwhile(found: dict[bytes, bytes], layout: int) -> Any:
        nonlocal seen
        if seen < times:
            seen += 1
            with SyncRedis.from_url(url) as other:
                other.hset(TRIALS, "0", bytes(other.hget(TRIALS, "0") or b""))
        return upgraded(found, layout)

    monkeypatch.setattr(migrating, "_upgraded_meta", meanwhile)
    return lambda: seen


async def test_what_changes_meanwhile_is_read_again(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    url, client, _ = old
    seen = between(url, monkeypatch, 2)
    assert await migrate(client, REF) == 5
    assert (seen(), await layout_of(client)) == (2, SCHEMA)
    await assert_sound(url, REF.experiment)


async def test_one_that_keeps_changing_is_left_as_it_is(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    url, client, _ = old
    before = await read_keys(client)
    between(url, monkeypatch, float("inf"))
    with pytest.raises(TooBusy):
        await migrate(client, REF, patience_seconds=0.0)
    assert await read_keys(client) == before
    assert len(await client.keys("*")) == len(before)  # no other key is left


async def test_one_that_a_finished_trial_migrated_is_sound(old: Old, golden: dict[str, Any]) -> None:
    """Its layout is current since then, except for parts that nothing has written yet."""
    url, client, store = old
    trial, fencing_token, length = golden["held"][0]
    result = Result(Lease(trial, fencing_token), [Report(length, 0.5)], finished=True)
    await store.tell(REF, "", [result], now_ms=golden["now_ms"])
    assert await layout_of(client) == SCHEMA
    await assert_sound(url, REF.experiment)


@pytest.fixture
def stored_url(golden: dict[str, Any]) -> Iterator[str]:
    """The same for tests of the command, which runs its own event loop."""

    async def write(url: str) -> None:
        async with Redis.from_url(url) as client:
            await write_keys(client, golden["keys"])

    with redis_on_socket() as url:
        asyncio.run(write(url))
        yield url


def migrated(*arguments: str) -> tuple[int, str, str]:
    return run("127.0.0.1:1", "migrate", *arguments)


def test_the_command(stored_url: str) -> None:
    with SyncRedis.from_url(stored_url) as client:
        client.zadd(index_key("default"), {"golden": 1, "gone": 2})
    code, out, err = migrated("golden", "--redis", stored_url)
    assert (code, out, err) == (0, f"golden: layout 5 -> {SCHEMA}\n", "")
    assert migrated("golden", "--redis", stored_url)[1] == f"golden: has layout {SCHEMA} already\n"
    code, out, _ = migrated("--all", "--redis", stored_url, "--output", "json")
    assert (code, json.loads(out)) == (0, {"layout": SCHEMA, "before": {"golden": SCHEMA}, "refused": []})
    asyncio.run(assert_sound(stored_url, REF.experiment))


def test_the_command_says_what_it_could_not_migrate(stored_url: str) -> None:
    with SyncRedis.from_url(stored_url) as client:
        client.hset(META, "schema", "4")
        client.zadd(index_key("default"), {"golden": 1})
    for arguments in (("golden",), ("--all",)):
        code, out, err = migrated(*arguments, "--redis", stored_url)
        assert (code, out) == (1, "")
        assert err.startswith("error: 1 experiment could not be brought up\n  experiment 'golden' has schema 4")
    code, _, err = migrated("absent", "--redis", stored_url)
    assert (code, "there is no experiment 'absent'" in err) == (1, True)


@pytest.mark.parametrize("arguments", [(), ("golden", "--all")])
def test_the_command_wants_a_name_or_all(arguments: tuple[str, ...]) -> None:
    code, out, err = migrated(*arguments)
    assert (code, out, err) == (2, "", "error: name one experiment, or give --all\n")
