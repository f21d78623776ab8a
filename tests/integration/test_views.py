"""The caches of views: shared, dropped when nobody looks, bounded in number and in trials."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from rungway.v1.view_service_pb2 import View
from rungway_server.domain.engine import Report, Result
from rungway_server.domain.errors import Overloaded, ServiceStopping, UnknownExperiment
from rungway_server.domain.experiment import parse
from rungway_server.domain.search.planning import make_plan
from rungway_server.service import view_cache, views
from rungway_server.service.port import ExperimentRef
from rungway_server.service.reading import Reading
from rungway_server.service.view_cache import ViewCache
from rungway_server.service.views import ViewUseCases
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.transport.requests import NAMESPACE
from rungway_server.transport.view_wire import view_message
from tests.support.calls import config, unique_name
from tests.support.viewer import Viewer
from tests.support.waiting import SECONDS, happens


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    NAMESPACE.set("default")
    async with connect(redis_url, timeout_seconds=30) as router:
        yield RedisStore(router)


async def search(store: RedisStore, trials: int = 0, **changes: Any) -> ExperimentRef:
    """A search of which so many trials have told; trial n told n."""
    ref = ExperimentRef("default", unique_name("viewed"))
    parsed, _ = parse(config(**{"max_trials": 1_000, "max_concurrent_trials": 0, **changes}))
    plan, _ = make_plan(parsed.searcher, parsed.space)
    await store.create(ref, parsed, plan, (), "")
    await more(store, ref, trials)
    return ref


async def more(store: RedisStore, ref: ExperimentRef, trials: int) -> None:
    """So many new trials tell."""
    asked = [each for _ in range(trials) for each in (await store.ask(ref, "", 1, "w")).assignments]
    for each in asked:
        report = Report(each.next_decision_length, float(each.lease.trial))
        await store.tell(ref, "", [Result(each.lease, [report])])


def use_cases(store: RedisStore) -> ViewUseCases:
    return ViewUseCases(store, asyncio.Event())


async def whole(cases: ViewUseCases, ref: ExperimentRef, viewer: Viewer) -> View:
    """Look until there is no more; the last view."""
    while True:
        view = await cases.get(ref, viewer.cursor, view_message)
        viewer.apply(view)
        if not view.more:
            return view


async def test_of_too_many_trials_the_best_and_the_latest_are_shown(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is said how many are left out; when there are many more, others are chosen."""
    monkeypatch.setattr(view_cache, "MOST_TRIALS", 20)
    ref, cases, viewer = await search(store, 50, name="random", max_length={"epochs": 1}), use_cases(store), Viewer()
    view = await whole(cases, ref, viewer)
    assert set(viewer.trials) == {*range(10), *range(40, 50)}
    assert view.left_out == 30
    await more(store, ref, 2)
    view = await whole(cases, ref, viewer)
    assert set(viewer.trials) == {*range(10), *range(40, 52)}
    assert (view.left_out, viewer.resets) == (30, 1)
    await more(store, ref, 1)
    await whole(cases, ref, viewer)
    view = await whole(cases, ref, viewer)
    assert set(viewer.trials) == {*range(10), *range(43, 53)}
    assert (view.left_out, viewer.resets) == (33, 2)


async def test_all_who_watch_share_one_cache_and_get_the_same_messages(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ViewCache] = []

    def make(*given: Any) -> ViewCache:
        made.append(ViewCache(*given))
        return made[-1]

    monkeypatch.setattr(views, "ViewCache", make)
    monkeypatch.setattr(views, "REFRESH_SECONDS", 0.05)
    ref, cases = await search(store, 3), use_cases(store)

    async def watch() -> list[View]:
        viewer, seen = Viewer(), list[View]()
        async with aclosing(cases.watch(ref, "", view_message)) as stream:
            async for view in stream:
                viewer.apply(view)
                seen.append(view)
                if len(viewer.trials) == 5:
                    return seen
        raise AssertionError("the stream has ended")

    watchers = [asyncio.create_task(watch()) for _ in range(20)]
    await happens(lambda: made and made[0].version)
    await more(store, ref, 2)
    found = await asyncio.wait_for(asyncio.gather(*watchers), SECONDS)
    assert len(made) == 1
    assert len({id(seen[0]) for seen in found}) == 1


async def test_a_cache_that_nobody_uses_is_dropped(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "KEPT_SECONDS", 0.05)
    ref, cases, viewer = await search(store, 2), use_cases(store), Viewer()
    await whole(cases, ref, viewer)
    assert ref in cases._views
    await happens(lambda: ref not in cases._views)
    await whole(cases, ref, viewer)
    assert viewer.resets == 2


async def test_there_is_room_for_a_few_caches(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that nobody uses make room; while all are watched, another one is refused."""
    monkeypatch.setattr(views, "MOST_CACHES", 2)
    refs, cases = [await search(store, 1) for _ in range(4)], use_cases(store)
    streams = [cases.watch(ref, "", view_message) for ref in refs]
    for ref in refs[2:]:
        await whole(cases, ref, Viewer())
    for stream in streams[:2]:
        await anext(stream)
    with pytest.raises(Overloaded):
        await anext(streams[2])
    await streams[0].aclose()
    await anext(streams[3])
    for stream in streams:
        await stream.aclose()


async def test_a_search_that_is_not_there_leaves_no_cache(store: RedisStore) -> None:
    cases, ref = use_cases(store), ExperimentRef("default", unique_name("absent"))
    with pytest.raises(UnknownExperiment):
        await cases.get(ref, "", view_message)
    await asyncio.sleep(0)
    assert cases._views == {}


async def test_streams_end_when_the_server_stops(store: RedisStore) -> None:
    stopping = asyncio.Event()
    stream = ViewUseCases(store, stopping).watch(await search(store, 1), "", view_message)
    await anext(stream)
    stopping.set()
    with pytest.raises(ServiceStopping):
        await asyncio.wait_for(anext(stream), SECONDS)


async def test_reports_on_many_trials_are_read_in_turn(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of trials that are reported on all the time none waits forever."""
    monkeypatch.setattr(view_cache, "_MOST_LEASED", 3)
    ref, cases, viewer = await search(store, max_length={"epochs": 100}), use_cases(store), Viewer()
    held = (await store.ask(ref, "", 10, "w")).assignments
    await whole(cases, ref, viewer)
    for length in range(1, 6):
        await store.tell(ref, "", [Result(each.lease, [Report(length, 0.5)]) for each in held])
        await whole(cases, ref, viewer)
    assert all(viewer.trials[each.lease.trial]["length"] >= 1 for each in held)


async def test_what_is_read_is_charged(store: RedisStore) -> None:
    """A view is charged as a list is, and what the cache reads for it in pieces."""

    class Payer:
        def __init__(self) -> None:
            self.calls = 0

        async def charge_call(self, namespace: str, calls: int = 1) -> None:
            assert namespace == "default"
            self.calls += calls

    payer, ref = Payer(), await search(store, 250)
    cases = ViewUseCases(store, asyncio.Event(), Reading(payer))
    await whole(cases, ref, Viewer())
    first = payer.calls
    assert first >= 3 + 2
    await whole(cases, ref, Viewer())
    assert payer.calls - first < first
