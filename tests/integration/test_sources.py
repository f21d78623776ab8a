"""Sources of configurations in a real Redis: what models propose, who comes first, and who never waits."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import AskStatus, Assignment, Decision, Report, Result
from rungway_server.domain.errors import InvalidInput, WrongState
from rungway_server.domain.errors import StoreUnavailable as Away
from rungway_server.service.experiments import plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from tests.support.audited import report_of
from tests.support.models import untaught
from tests.support.moving import Site, move
from tests.support.redis_server import redis_on_socket

REF, COPY = ExperimentRef("default", "sources"), ExperimentRef("default", "copy")
SPACE = {
    "x": {"type": "double", "minval": 0.0, "maxval": 1.0},
    "kind": {"type": "categorical", "vals": ["a", "b", "c"]},
    "m": {"type": "double", "minval": 0.0, "maxval": 1.0, "when": {"kind": "a"}},
    "n": {"type": "int", "minval": 2, "maxval": 20, "step": 3},
}
CONSTRAINTS = ["x + n / 20 <= 1.8"]


def document(name: str = "auto", space: Any = None, **searcher: Any) -> dict[str, Any]:
    """A search of up to 27 epochs."""
    section = {"name": name, "metric": "loss", "max_length": {"epochs": 27}, **searcher}
    found = {"hyperparameters": space or SPACE, "searcher": section, "seed": 3}
    return found if space else {**found, "constraints": CONSTRAINTS}


def metric(given: Assignment) -> float:
    """Best at x = 0.7 and the kind "a"; short trainings say less."""
    hparams: Any = given.hparams
    miss = (hparams["x"] - 0.7) ** 2 + (hparams.get("kind", "a") != "a") / 3
    return float(miss + (given.lease.trial * 37 % 101) / 500 / given.next_decision_length)


async def work(store: RedisStore, ref: ExperimentRef, most: int, now: int | None = None) -> list[Assignment]:
    """One worker trains up to so many assignments. What it was given."""
    found: list[Assignment] = []
    while len(found) < most:
        answer = await store.ask(ref, "", 1, "w", now_ms=now)
        if answer.status is not AskStatus.ASSIGNED:
            return found
        [given] = answer.assignments
        found.append(given)
        while True:
            result = Result(given.lease, [Report(given.next_decision_length, metric(given))], "c")
            [reply] = (await store.tell(ref, "", [result], now_ms=now)).replies
            if reply.decision is not Decision.CONTINUE:
                break
            given = given._replace(next_decision_length=reply.next_decision_length)
    return found


def sources(given: list[Assignment]) -> Counter[str]:
    """How many new trials have each source."""
    return Counter(each.explanation.proposal.source for each in given if each.explanation.proposal)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    with redis_on_socket() as url:
        async with connect(url, timeout_seconds=60) as router, Redis.from_url(url) as redis:
            yield Site(url, RedisStore(router, longest_wait_for_models=None), redis)


async def create(store: RedisStore, found: dict[str, Any], ref: ExperimentRef = REF) -> int:
    """The search; when it was made."""
    planned = plan_search(found)
    return (await store.create(ref, planned.config, planned.plan, (), "")).created_ms


@pytest.mark.timeout(120)
async def test_real_models_propose_in_a_space_with_conditions_and_go_on_elsewhere(site: Site) -> None:
    """Configurations belong to the space; the copy of an export decides as the search does; the audit is content."""
    now = await create(site.store, document(proposals="mixture", max_trials=70))
    given = await work(site.store, REF, 60, now)
    assert sources(given).keys() == {"sampler", "forest", "local"}
    views = await site.store.trials(REF, list(range(70)))
    for view in views:
        hparams: Any = view.hparams
        assert ("m" in hparams) == (hparams["kind"] == "a")
        assert hparams["n"] in range(2, 21, 3)
        assert hparams["x"] + hparams["n"] / 20 <= 1.8
    assert {view.source for view in views} == {"sampler", "forest", "local"}
    text = await move(site, REF, site, COPY.experiment)
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["rungway_export"] == 5
    assert any("lane" in line for line in lines)
    original, copy = [await work(site.store, ref, 30, now) for ref in (REF, COPY)]
    assert len(original) > 10
    assert [(each.lease.trial, each.hparams, each.explanation) for each in original] == [
        (each.lease.trial, each.hparams, each.explanation) for each in copy
    ]
    for ref in (REF, COPY):
        assert (await report_of(site.url, ref)).violated == {}


class Slow:
    """Models that take as long as they are let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()

    async def compute(self, namespace: str, work: Callable[..., object], *args: Any) -> object:
        await self.let.wait()
        return await untaught(namespace, work, *args)


@pytest.mark.timeout(60)
async def test_nobody_waits_for_a_slow_model(site: Site) -> None:
    """The sampler steps in, and says for whom; what comes late is for the next trials."""
    slow, space = Slow(), {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    async with connect(site.url, timeout_seconds=60) as router:
        store = RedisStore(router, longest_wait_for_models=0.01, compute=slow.compute)
        await create(store, document("random", space, proposals="forest", max_trials=40))
        given = await work(store, REF, 15)
        stepped_in = [each.explanation.proposal for each in given[9:] if each.explanation.proposal]
        assert {(each.source, each.turn) for each in stepped_in} <= {("sampler", "forest"), ("sampler", "sampler")}
        assert ("sampler", "forest") in {(each.source, each.turn) for each in stepped_in}
        slow.let.set()
        while "forest" not in sources(given):
            given += await work(store, REF, 1)
    assert (await report_of(site.url, REF)).violated == {}


async def test_a_broken_model_stops_nobody(site: Site) -> None:
    """Whatever it raises, the sampler steps in."""
    errors = iter([ZeroDivisionError("a model"), Away("no answer"), KeyError("x")])

    async def broken(*_: object) -> object:
        raise next(errors, ValueError("again"))

    async with connect(site.url, timeout_seconds=60) as router:
        store = RedisStore(router, longest_wait_for_models=None, compute=broken)
        await create(store, document("random", proposals="kde", max_trials=30))
        assert sources(await work(store, REF, 30)) == {"sampler": 30}


async def test_the_first_that_comes_with_a_number_is_kept(site: Site) -> None:
    """Two servers and two programs may propose at once: each proposal counts by its number."""
    space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    await create(site.store, document("random", space, proposals="external", max_trials=20))
    async with connect(site.url, timeout_seconds=60) as router:
        other = RedisStore(router)
        first, second = await asyncio.gather(
            site.store.fill_stock(REF, 0, [{"x": 0.25}, {"x": 0.5}]),
            other.fill_stock(REF, 0, [{"x": 0.25}, {"x": 0.5}]),
        )
        assert first[:2] == second[:2] == (2, 2)
        assert (await other.fill_stock(REF, 1, [{"x": 0.125}, {"x": 0.75}]))[:2] == (3, 3)
        assert (await other.fill_stock(REF, 0, []))[:2] == (3, 3)
    given = await work(site.store, REF, 5)
    assert [each.hparams["x"] for each in given[:3]] == [0.25, 0.5, 0.75]
    assert sources(given) == {"external": 3, "sampler": 2}
    many = [{"x": number / 1000} for number in range(300)]
    assert (await site.store.fill_stock(REF, 3, many))[:2] == (256, 259)


async def test_a_search_that_takes_no_proposals_says_so(site: Site) -> None:
    await create(site.store, document("random", max_trials=2))
    with pytest.raises(
        InvalidInput, match="takes no proposals from elsewhere, wanted a search with proposals: external"
    ):
        await site.store.fill_stock(REF, 0, [])
    await create(site.store, document("random", proposals="external", max_trials=1), COPY)
    await work(site.store, COPY, 2)
    with pytest.raises(WrongState, match="done"):
        await site.store.fill_stock(COPY, 0, [])
