"""Labels, owner and comment in the store: the number of the layout, changes at once, exports, and filters."""

import asyncio
import json
from itertools import chain
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.about import About, AboutChange, Wanted, read_wanted
from rungway_server.domain.engine import ExperimentState
from rungway_server.domain.errors import InvalidInput, RequestIdReused
from rungway_server.service import experiments
from rungway_server.service.experiments import Change, ExperimentUseCases, Found
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.layout.schema import ABOUT, SCHEMA
from rungway_server.store.redis.snapshot.export_file import BadExport, read_export
from rungway_server.transport.wire import listed_message
from tests.support.calls import config, unique_name
from tests.support.moving import Site, exported, move

MINE = About({"team": "vision", "kind": ""}, "zoë", "a first\n\x1b[31mtry")


async def schema_of(redis: Redis, ref: ExperimentRef) -> int:
    return int(await redis.hget(experiment_keys(ref)[0], "schema") or 0)


async def about_of(store: RedisStore, ref: ExperimentRef) -> About:
    return (await ExperimentUseCases(store).get(ref)).definition.about


async def test_a_search_has_the_new_number_from_its_first_label_on(
    stores: list[RedisStore], ref: ExperimentRef, redis: Redis
) -> None:
    cases = ExperimentUseCases(stores[0])
    await cases.create(ref, config(max_trials=20), "")
    await cases.update(ref, Change(max_trials=21))
    assert (await schema_of(redis, ref), await about_of(stores[1], ref)) == (SCHEMA, About())
    revision = (await stores[1].progress(ref)).revision
    await cases.update(ref, Change(about=AboutChange(MINE.labels, (), MINE.owner, MINE.comment)))
    assert (await schema_of(redis, ref), await about_of(stores[1], ref)) == (ABOUT, MINE)
    assert (await stores[1].progress(ref)).revision == revision + 1
    await cases.update(ref, Change(about=AboutChange(owner=MINE.owner)))
    assert (await stores[1].progress(ref)).revision == revision + 1  # nothing is changed
    await cases.change_state(ref, ExperimentState.STOPPED)
    await cases.update(ref, Change(retention_days=3, about=AboutChange({}, ("team", "kind"), "", "")))
    assert (await schema_of(redis, ref), await about_of(stores[1], ref)) == (ABOUT, About())
    assert await redis.ttl(experiment_keys(ref)[0]) > 0
    with pytest.raises(InvalidInput, match="labels"):
        await cases.update(ref, Change(retention_days=5, about=AboutChange({"no good": ""})))
    assert (await stores[0].definition(ref, fresh=True)).config.retention_days == 3


async def test_changes_of_two_servers_at_once_are_all_there(stores: list[RedisStore], ref: ExperimentRef) -> None:
    await ExperimentUseCases(stores[0]).create(ref, config(), "", about=MINE)
    changes = [AboutChange({f"l{i}": str(i)}) for i in range(20)]
    await asyncio.gather(*(stores[i % 2].change_about(ref, change) for i, change in enumerate(changes)))
    assert await stores[0].about(ref) == About(
        {**MINE.labels, **{f"l{i}": str(i) for i in range(20)}}, MINE.owner, MINE.comment
    )


async def test_a_repeat_must_say_the_same(store: RedisStore, ref: ExperimentRef) -> None:
    cases = ExperimentUseCases(store)
    made = await cases.create(ref, config(), "r", about=MINE)
    assert (await cases.create(ref, config(), "r", about=MINE)).definition.uid == made.definition.uid
    for other in (None, About(MINE.labels)):
        with pytest.raises(RequestIdReused):
            await cases.create(ref, config(), "r", about=other)
    found = await cases.create(ref, config(), "s", exist_ok=True, about=About({"a": "b"}))
    assert (found.existed, found.definition.about) == (True, MINE)


async def test_exports_have_them(sites: tuple[Site, Site], ref: ExperimentRef) -> None:
    here, there = sites
    await ExperimentUseCases(here.store).create(ref, config(), "", about=MINE)
    text = await move(here, ref, there)
    assert json.loads(text.splitlines()[0])["rungway_export"] == 4
    assert await about_of(there.store, ref) == MINE
    assert await schema_of(there.redis, ref) == ABOUT


@pytest.mark.parametrize("wrong", [3, {}, {"labels": {"a": 1}}, {"labels": {"a b": ""}}, {"labels": {"a": "x" * 256}}])
async def test_damaged_ones_are_refused(wrong: Any, store: RedisStore, ref: ExperimentRef) -> None:
    await ExperimentUseCases(store).create(ref, config(), "", about=MINE)
    head, search, *_ = (await exported(store, ref)).splitlines(keepends=True)
    found = json.loads(search)
    found["search"]["about"] = {"owner": "", "comment": "", **wrong} if isinstance(wrong, dict) else wrong
    with pytest.raises(BadExport, match=r"line 2: search\.about"):
        read_export([head, json.dumps(found) + "\n"])


async def test_a_filtered_list_goes_on_from_page_to_page(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "MOST_LOOKED_AT", 5)
    namespace = unique_name("labels")
    cases = ExperimentUseCases(store)
    for i in range(17):
        about = About({"third": str(i)}, "zoe") if i % 3 == 0 else None
        await cases.create(ExperimentRef(namespace, f"e{i:02}"), config(), "", about=about)

    async def every(wanted: Wanted, size: int) -> list[list[str]]:
        pages, token = [], ""
        while True:
            found, token = await cases.page(namespace, size, token, shown, wanted=wanted)
            pages.append([each.experiment for each in found])
            if not token:
                return pages

    async def shown(found: Found) -> Any:
        return await listed_message(found)

    third = ["e00", "e03", "e06", "e09", "e12", "e15"]
    for wanted in (read_wanted(["third"], ""), read_wanted([], "zoe")):
        for size in (1, 2, 100):
            pages = await every(wanted, size)
            assert [*chain(*pages)] == third
            assert max(map(len, pages)) <= size
    assert await every(read_wanted(["third=9"], "zoe"), 100) == [[], ["e09"], [], []]
    assert not any(await every(read_wanted(["third"], "nobody"), 3))
