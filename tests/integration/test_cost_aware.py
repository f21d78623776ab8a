"""Shares by cost in a real Redis: what is counted, what the audit says of it, and that an export goes on alike."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rungway_server.domain.engine import Further, Report, Result
from rungway_server.domain.errors import RungwayError
from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.records import packed, unpack
from rungway_server.store.redis.layout.schema import NUMBERS
from rungway_server.store.redis.snapshot.export_file import BadExport, read_export
from rungway_server.store.redis.snapshot.import_file import import_experiment
from tests.support.audited import check_broken, report_of
from tests.support.golden import REF, written
from tests.support.models import untaught
from tests.support.moving import Site, exported, move, with_end
from tests.support.players import trained_alone
from tests.support.redis_server import redis_on_socket
from tests.support.snapshot import Snapshot

HERE, COPY, TOO = (ExperimentRef("default", name) for name in ("costs", "copy", "too"))


class Scene:
    """The golden search in Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.meta = redis, "rungway:{default/golden}:meta"

    def counts(self) -> dict[str, Any]:
        """What is counted."""
        found: Any = self.redis.hget(self.meta, "counts")
        counts: dict[str, Any] = unpack(found)
        return counts

    def set_counts(self, counts: dict[str, Any]) -> None:
        """Count something else."""
        self.redis.hset(self.meta, "counts", packed(counts))

    def set_costs(self, **changes: object) -> None:
        """Change what is counted by entry."""
        counts = self.counts()
        counts["costs"] |= changes
        self.set_counts(counts)

    def without(self) -> None:
        """Nothing is counted by entry."""
        counts = self.counts()
        del counts["costs"]
        self.set_counts(counts)

    def forget(self) -> None:
        """What the costs of entries were when shares began to count."""
        counts = self.counts()
        del counts["costs"]["before"]
        self.set_counts(counts)

    def in_sources(self, **changes: object) -> None:
        """Change what is counted by source."""
        counts = self.counts()
        counts["sources"]["costs"] |= changes
        self.set_counts(counts)


def more(values: list[float]) -> list[float]:
    """The same with a larger first one."""
    return [values[0] + 1, *values[1:]]


DAMAGES: dict[str, list[Callable[[Scene], object]]] = {
    "costs_are_counted_where_they_are_to_be": [lambda s: s.without(), lambda s: s.forget()],
    "costs_are_of_training": [
        lambda s: s.set_costs(told=[10**6, *s.counts()["costs"]["told"][1:]]),
        lambda s: s.set_costs(told=[0] * 4),
        lambda s: s.set_costs(cost=[1.0]),
        lambda s: s.in_sources(told=[1, 2]),
    ],
    "costs_are_those_of_the_reports": [
        lambda s: s.set_costs(cost=more(s.counts()["costs"]["cost"])),
        lambda s: s.in_sources(cost=more(s.counts()["sources"]["costs"]["cost"])),
    ],
}
"""Ways to break each invariant, by its name."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def saved(url: str) -> Snapshot:
    return written(url, "layout-15-costs.json")


@pytest.mark.parametrize(("name", "which"), [(name, i) for name in DAMAGES for i in range(len(DAMAGES[name]))])
def test_what_is_broken_is_named(url: str, saved: Snapshot, name: str, which: int) -> None:
    check_broken(url, REF, saved, name, lambda client: DAMAGES[name][which](Scene(client)))


def document(**searcher: Any) -> dict[str, Any]:
    """A search of up to 9 epochs."""
    section = {"name": "auto", "metric": "loss", "max_trials": 60, "max_length": {"epochs": 9}, "proposals": "random"}
    section |= searcher
    return {"hyperparameters": {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}, "searcher": section, "seed": 3}


def cost(trial: int, length: int) -> float | None:
    """Of an epoch: no two alike, and some are not said."""
    return None if (trial + length) % 7 == 0 else 0.1 + trial * 31 % 17 / 3


def epochs(trial: int, begin: int, end: int) -> Iterator[Report]:
    """A report of each."""
    for length in range(begin + 1, end + 1):
        metric, paid = (trial * 37 + length) % 101 / 101, cost(trial, length)
        yield Report(length, metric, None if paid is None else Further({"m": metric}, paid))


async def work(store: RedisStore, ref: ExperimentRef, most: int, now: int) -> list[Any]:
    """One worker trains up to so many assignments, and reports each epoch. What was decided."""
    return await trained_alone(store, ref, most, now, epochs)


async def create(store: RedisStore, ref: ExperimentRef, **searcher: Any) -> int:
    """Makes a search; when (ms)."""
    planned = plan_search(document(**searcher))
    return (await store.create(ref, planned.config, planned.plan, (), "")).created_ms


@pytest.mark.parametrize("searcher", [{}, {"proposals": "mixture"}], ids=["entries", "sources"])
def test_an_export_decides_as_the_search_would(url: str, searcher: dict[str, Any]) -> None:
    """The sums of costs are moved as they are, to the last bit, and so is what was used at each new trial."""

    async def both() -> tuple[list[Any], list[Any]]:
        async with connect(url, timeout_seconds=5) as router, AsyncRedis.from_url(url) as redis:
            await redis.flushall()
            store = RedisStore(router, longest_wait_for_models=None, compute=untaught)
            site = Site(url, store, redis)
            now = await create(store, HERE, cost_aware=True, **searcher)
            await work(store, HERE, 40, now)
            text = await move(site, HERE, site, COPY.experiment)
            assert text.startswith('{"rungway_export": 7')
            assert (await store.progress(HERE)).entries == (await store.progress(COPY)).entries
            went_on = await work(store, HERE, 40, now), await work(store, COPY, 40, now)
            assert (await report_of(url, COPY)).violated == {}
            meta = await redis.hget("rungway:{default/copy}:meta", "schema")
            assert int(meta or 0) == NUMBERS
            return went_on

    original, copy = asyncio.run(both())
    assert original == copy
    new = [said[3].entries for said in original if len(said) == 4 and said[3].entries]
    assert len(new) > 5
    assert all(entry.used is not None for entries in new for entry in entries)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"told": [', '"told": [-1, '),
        ('"cost": [', '"cost": [-0.5, '),
        ('"cost": [', '"cost": ["nan", '),
        ('"cost_aware": true, "', '"cost_aware": 1, "'),
    ],
)
def test_an_export_with_costs_that_are_none_is_refused(url: str, old: str, new: str) -> None:
    async def refused() -> str:
        async with connect(url, timeout_seconds=5) as router, AsyncRedis.from_url(url) as redis:
            await redis.flushall()
            store = RedisStore(router)
            now = await create(store, HERE, cost_aware=True)
            await work(store, HERE, 20, now)
            text = await exported(store, HERE)
            lines = text.splitlines(keepends=True)
            assert old in lines[1]
            lines[1] = lines[1].replace(old, new, 1)
            try:
                await import_experiment(redis, COPY, read_export(with_end(lines[:-1])))
            except (BadExport, RungwayError) as error:
                return str(error)
        return ""

    said = asyncio.run(refused())
    assert "cost" in said or "told" in said


def test_costs_of_any_other_search_are_kept_and_change_nothing(url: str) -> None:
    """The same reports in a search without the key: nothing is counted, and it decides as without costs."""

    async def both() -> tuple[list[Any], list[Any], dict[str, Any], int]:
        async with connect(url, timeout_seconds=5) as router, AsyncRedis.from_url(url) as redis:
            await redis.flushall()
            store = RedisStore(router)
            said = []
            for ref in (HERE, TOO):
                now = await create(store, ref)
                said.append(await work(store, ref, 60, now))
            meta: Any = await redis.hmget("rungway:{default/costs}:meta", "counts", "schema")
            return *said, unpack(meta[0]), int(meta[1])

    original, other, counts, schema = asyncio.run(both())
    assert original == other
    assert "entries_costs" not in counts
    assert schema == NUMBERS
    assert {entry.used for said in original if len(said) == 4 for entry in said[3].entries} <= {None}


def test_a_report_between_rungs_counts_at_once(url: str) -> None:
    """Its cost is there for the next new trial, whichever server that asks; also after an update of the search."""

    async def used() -> list[Any]:
        async with connect(url, timeout_seconds=5) as router, AsyncRedis.from_url(url) as redis:
            await redis.flushall()
            store, found = RedisStore(router), []
            now = await create(store, HERE, cost_aware=True, min_length=6)
            given = (await store.ask(HERE, "", 1, "w", now_ms=now)).assignments[0]
            for length in (1, 2, 4):
                if length == 4:
                    planned = plan_search(document(cost_aware=True, min_length=6, max_trials=70))
                    made = await store.definition(HERE, fresh=True)
                    assert await store.change_plan(HERE, made, planned.config, planned.plan)
                report = Report(length, 0.5, Further({}, 2.0 * length))
                await store.tell(HERE, f"t{length}", [Result(given.lease, [report])], now_ms=now)
                await store.tell(HERE, f"t{length}", [Result(given.lease, [report])], now_ms=now)  # comes again
                counts: Any = await redis.hget("rungway:{default/costs}:meta", "counts")
                found.append(unpack(counts)["entries_costs"])
            return found

    assert asyncio.run(used()) == [
        {"told": [1, 0], "cost": [2, 0]},
        {"told": [2, 0], "cost": [6, 0]},
        {"told": [4, 0], "cost": [14, 0]},
    ]
