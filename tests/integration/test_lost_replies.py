"""A reply lost after the script ran: the caller gets an error, a repeat gets the reply, and there is one effect."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from redis import Redis

from rungway_server.domain.engine import Decision, Lease, Outcome, Reason, Release, Report, Result
from rungway_server.domain.errors import StoreUnavailable
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.scripts import load_scripts
from tests.support.calls import unique_name
from tests.support.proxy import Proxy, proxy_to
from tests.support.redis_server import port_of, redis_on_port
from tests.support.searches import config_of, create_planned
from tests.support.snapshot import differences, snapshot

PLAN = Plan(
    (Bracket((Rung(1), Rung(3), Rung(9)), 40, 40),), PromotionRule.ASYNC, DecisionForm.PROMOTE, 3.0, 0, "epochs"
)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_on_port() as url:
        yield url


@pytest.fixture(scope="module")
def redis(redis_url: str) -> Iterator[Redis]:
    """Redis itself, without a proxy."""
    with Redis.from_url(redis_url) as client:
        for script in load_scripts(shebang=int(client.info("server")["redis_version"].split(".")[0]) >= 7).values():
            client.script_load(script.source)  # so that only replies of scripts can be lost
        yield client


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    """A proxy between a store and Redis."""
    with proxy_to(port_of(redis_url)) as proxy:
        yield proxy


@dataclass(frozen=True)
class Bench:
    """Two stores on one experiment; replies to the first can be lost."""

    lossy: RedisStore
    sure: RedisStore
    ref: ExperimentRef
    proxy: Proxy
    redis: Redis

    def scripts_run(self) -> int:
        """How many scripts Redis has executed by their hash."""
        stats = self.redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})
        return int(stats["calls"])

    async def leases(self, count: int) -> list[Lease]:
        """Leases of `count` new trials."""
        return [assignment.lease for assignment in (await self.sure.ask(self.ref, "", count, "w")).assignments]

    async def lose(self, call: Callable[[], Awaitable[object]]) -> object:
        """Make the call and lose its reply; it must have run once. Then repeat it; returns the reply to the repeat."""
        before = snapshot(self.redis)
        ran = self.scripts_run()
        self.proxy.lose_replies(b"EVALSHA")
        with pytest.raises(StoreUnavailable):
            await call()
        assert self.proxy.lost.is_set()
        assert self.scripts_run() == ran + 1, "redis-py or the store sent the script again by itself"
        after = snapshot(self.redis)
        assert differences(before, after), "the script did not run"
        answer = await call()
        assert differences(after, snapshot(self.redis)) == [], "the repeat had an effect of its own"
        assert await call() == answer
        return answer


@pytest.fixture
async def bench(redis_url: str, redis: Redis, proxy: Proxy) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        lossy, sure = [
            RedisStore(await stack.enter_async_context(connect(url, timeout_seconds=3)))
            for url in (f"redis://127.0.0.1:{proxy.port}", redis_url)
        ]
        ref = ExperimentRef("default", unique_name("lost"))
        await create_planned(sure, ref, PLAN)
        await lossy.progress(ref)  # it knows the experiment
        yield Bench(lossy, sure, ref, proxy, redis)


async def test_ask(bench: Bench) -> None:
    before = await bench.sure.progress(bench.ref)
    answer = await bench.lose(lambda: bench.lossy.ask(bench.ref, "id", 3, "w"))
    assert await bench.sure.ask(bench.ref, "id", 3, "w") == answer
    after = await bench.sure.progress(bench.ref)
    assert (after.revision, after.started, after.running) == (before.revision + 1, (3,), (3,))


async def test_tell_that_continues(bench: Bench) -> None:
    leases = await bench.leases(3)
    for lease in leases[:2]:
        await bench.sure.tell(bench.ref, "", [Result(lease, [Report(1, 0.5)])])
    before = await bench.sure.progress(bench.ref)
    results = [Result(leases[2], [Report(1, 0.25)], "c")]
    answer = await bench.lose(lambda: bench.lossy.tell(bench.ref, "id", results))
    told = await bench.sure.tell(bench.ref, "id", results)
    assert told == answer
    assert (told.replies[0].decision, told.replies[0].to_length) == (Decision.CONTINUE, 3)
    after = await bench.sure.progress(bench.ref)
    assert (after.revision, after.trained_length) == (before.revision + 1, before.trained_length + 1)
    assert after.rung_results == ((3, 0, 0),)
    assert after.rung_promoted == ((1, 0, 0),)
    (trial,) = await bench.sure.trials(bench.ref, [leases[2].trial], curve=True)
    assert trial.curve == (Report(1, 0.25),)


async def test_tell_that_pauses(bench: Bench) -> None:
    (lease,) = await bench.leases(1)
    before = await bench.sure.progress(bench.ref)
    results = [Result(lease, [Report(1, 0.25)])]
    await bench.lose(lambda: bench.lossy.tell(bench.ref, "id", results))
    (reply,) = (await bench.sure.tell(bench.ref, "id", results)).replies
    assert (reply.decision, reply.explanation.reason) == (Decision.PAUSE, Reason.NOT_PROMOTED)
    after = await bench.sure.progress(bench.ref)
    assert (after.revision, after.rung_results) == (before.revision + 1, ((1, 0, 0),))


async def test_tell_of_several_results(bench: Bench) -> None:
    results = [Result(lease, [Report(1, lease.trial / 10)]) for lease in await bench.leases(9)]
    before = await bench.sure.progress(bench.ref)
    await bench.lose(lambda: bench.lossy.tell(bench.ref, "id", results))
    after = await bench.sure.progress(bench.ref)
    assert (after.revision, after.rung_results) == (before.revision + 1, ((9, 0, 0),))


async def test_release(bench: Bench) -> None:
    (lease,) = await bench.leases(1)
    before = await bench.sure.progress(bench.ref)
    await bench.lose(lambda: bench.lossy.release(bench.ref, "id", [Release(lease)]))
    after = await bench.sure.progress(bench.ref)
    assert (after.revision, after.running) == (before.revision + 1, (0,))
    (again,) = await bench.leases(1)
    assert again.trial == lease.trial
    (other,) = await bench.leases(1)
    assert other.trial != lease.trial, "it stood in line twice"


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.FINISHED])
async def test_fail(outcome: Outcome, bench: Bench) -> None:
    (lease,) = await bench.leases(1)
    before = await bench.sure.progress(bench.ref)
    await bench.lose(lambda: bench.lossy.fail(bench.ref, "id", lease, outcome, "why"))
    after = await bench.sure.progress(bench.ref)
    assert (after.revision, after.running) == (before.revision + 1, (0,))
    (trial,) = await bench.sure.trials(bench.ref, [lease.trial])
    assert trial.restarts == (outcome is Outcome.TRANSIENT)
    dead = outcome in {Outcome.DIVERGED, Outcome.ERROR, Outcome.STOPPED}
    assert after.rung_results == ((int(dead), 0, 0),)


async def test_create(bench: Bench) -> None:
    ref = ExperimentRef("default", unique_name("made"))
    config = config_of(PLAN)
    bench.proxy.lose_replies(b"EVALSHA")
    ran = bench.scripts_run()
    with pytest.raises(StoreUnavailable):
        await bench.lossy.create(ref, config, PLAN, (), "id")
    assert bench.scripts_run() == ran + 1
    definition = await bench.lossy.create(ref, config, PLAN, (), "id")
    after = snapshot(bench.redis)
    assert await bench.sure.create(ref, config, PLAN, (), "id") == definition
    assert differences(after, snapshot(bench.redis)) == []
    assert (await bench.sure.progress(ref)).revision == 1


async def test_without_a_request_id_the_loss_is_reported_and_nothing_is_sent_again(bench: Bench) -> None:
    ran = bench.scripts_run()
    bench.proxy.lose_replies(b"EVALSHA")
    with pytest.raises(StoreUnavailable):
        await bench.lossy.ask(bench.ref, "", 1, "w")
    await asyncio.sleep(0.3)
    assert bench.scripts_run() == ran + 1


async def test_calls_that_shared_the_connection_are_all_safe_to_repeat(bench: Bench) -> None:
    def ask(number: int) -> Awaitable[object]:
        return bench.lossy.ask(bench.ref, f"id {number}", 1, "w")

    bench.proxy.lose_replies(b"EVALSHA")
    first = await asyncio.gather(*(ask(number) for number in range(30)), return_exceptions=True)
    assert any(isinstance(answer, StoreUnavailable) for answer in first)
    assert not any(isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable) for answer in first)
    answers = [await bench.lossy.ask(bench.ref, f"id {number}", 1, "w") for number in range(30)]
    leases = [answer.assignments[0].lease for answer in answers]
    assert sorted(lease.trial for lease in leases) == list(range(30))
    assert (await bench.sure.progress(bench.ref)).started == (30,)


async def test_a_cancelled_call_does_not_disturb_the_others(bench: Bench) -> None:
    calls = [asyncio.ensure_future(bench.sure.ask(bench.ref, f"id {n}", 1, "w")) for n in range(20)]
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, asyncio.CancelledError) for answer in done) == 10
    again = [await bench.sure.ask(bench.ref, f"id {n}", 1, "w") for n in range(20)]
    assert again[1::2] == done[1::2], "an answer went to the wrong call"
    assert sorted(answer.assignments[0].lease.trial for answer in again) == list(range(20))


async def test_scripts_that_redis_has_forgotten_are_loaded_again_and_run_once(bench: Bench) -> None:
    bench.redis.script_flush()
    answer = await bench.sure.ask(bench.ref, "id", 1, "w")
    assert answer.assignments[0].lease.trial == 0
    assert (await bench.sure.progress(bench.ref)).started == (1,)
