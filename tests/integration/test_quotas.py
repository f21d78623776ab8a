"""Quotas of namespaces: exact with two servers, without leaks, and fair."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from redis.asyncio import Redis

import rungway
from rungway import Client, ClientConfig
from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway_server.domain.engine import ExperimentState
from rungway_server.domain.errors import ExperimentExists, QuotaExceeded, WrongState
from rungway_server.domain.search.plan import Plan
from rungway_server.service.port import ExperimentRef
from rungway_server.service.quotas import CallRate, Claim, ExperimentsWithinQuotas, Quota, Quotas
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.keys import index_key, ledger_key
from rungway_server.store.redis.quotas import RedisLedger, RedisQuotas, totals
from tests.support.calls import config, refusal_of, unique_name
from tests.support.command_line import on_redis
from tests.support.moving import exported
from tests.support.redis_server import redis_on_socket
from tests.support.searches import ask_for, config_of, create_planned, plan, tell_one
from tests.support.service import services
from tests.support.waiting import SECONDS


class Server:
    """The quotas as one server applies them, on its own store."""

    def __init__(self, store: RedisStore, router: Router, **limits: int) -> None:
        self.plain = store
        self.ledger = RedisLedger(router)
        quotas = Quotas(self.ledger, store, Quota(**limits))
        self.store = ExperimentsWithinQuotas(store, quotas, self.ledger)

    async def taken(self, namespace: str) -> tuple[int, int, int]:
        """Experiments, trials and leases in the ledger."""
        found = totals(await self.ledger.entries(namespace))
        return found["experiments"], found["trials"], found["leases"]


@pytest.fixture
def namespace() -> str:
    return unique_name("ns")


async def test_two_servers_make_exactly_as_many_as_are_allowed(
    stores: list[RedisStore], router: Router, redis: Redis, namespace: str
) -> None:
    servers = [Server(store, router, experiments=5) for store in stores]
    refs = [ExperimentRef(namespace, f"e{i}") for i in range(40)]
    answers = await asyncio.gather(
        *(create_planned(servers[i % 2].store, ref, plan(trials=3)) for i, ref in enumerate(refs)),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, QuotaExceeded)]
    assert (len(answers) - len(refused), len(refused)) == (5, 35)
    assert await redis.zcard(index_key(namespace)) == 5
    assert await servers[0].taken(namespace) == (5, 15, 15)
    assert "the quota of the namespace is 5 experiments, of which the others take 5" in str(refused[0])
    assert refused[0].retry_seconds is None
    await create_planned(servers[0].store, ExperimentRef(unique_name("ns"), "e"), plan())  # another namespace has room


async def test_trials_and_leases_are_sums_over_what_may_come(store: RedisStore, router: Router, namespace: str) -> None:
    server = Server(store, router, trials=20, leases=6)
    first, second = ExperimentRef(namespace, "a"), ExperimentRef(namespace, "b")
    await create_planned(server.store, first, plan(trials=12, cap=4))
    for trials, cap, what in ((9, 2, "trials"), (8, 3, "leases"), (8, 0, "leases")):
        with pytest.raises(QuotaExceeded) as refused:
            await create_planned(server.store, second, plan(trials=trials, cap=cap))
        assert refused.value.details["quota"] == what
    await create_planned(server.store, second, plan(trials=8, cap=2))
    assert await server.taken(namespace) == (2, 20, 6)


async def test_a_repeated_creation_takes_nothing_more(store: RedisStore, router: Router, namespace: str) -> None:
    server, ref = Server(store, router, experiments=1), ExperimentRef(namespace, "a")
    made = [await create_planned(server.store, ref, plan(trials=3), request_id="r") for _ in range(2)]
    assert made[0].uid == made[1].uid
    assert await server.taken(namespace) == (1, 3, 3)


async def change(server: Server, ref: ExperimentRef, larger: Plan) -> bool:
    """Give the experiment this plan."""
    seen = await server.store.definition(ref, fresh=True)
    return bool(await server.store.change_plan(ref, seen, config_of(larger), larger))


async def test_a_larger_plan_needs_room_and_a_smaller_one_gives_it_back(
    store: RedisStore, router: Router, namespace: str
) -> None:
    server = Server(store, router, trials=10)
    ref, other = ExperimentRef(namespace, "a"), ExperimentRef(namespace, "b")
    await create_planned(server.store, ref, plan(trials=8))
    larger, smaller = plan(trials=11), plan(trials=4)
    with pytest.raises(QuotaExceeded):
        await change(server, ref, larger)
    assert (await store.definition(ref, fresh=True)).plan.max_trials == 8
    assert await change(server, ref, smaller)
    await create_planned(server.store, other, plan(trials=6))
    assert await server.taken(namespace) == (2, 10, 10)


async def test_what_is_refused_leaves_the_ledger_as_it_was(store: RedisStore, router: Router, namespace: str) -> None:
    server, ref = Server(store, router), ExperimentRef(namespace, "a")
    await create_planned(server.store, ref, plan(trials=3), request_id="r")
    await server.store.set_state(ref, ExperimentState.STOPPED)
    before, larger = await server.ledger.entries(namespace), plan(trials=9)
    with pytest.raises(WrongState):
        await change(server, ref, larger)
    with pytest.raises(ExperimentExists):
        await create_planned(server.store, ref, larger, request_id="other")
    assert await server.ledger.entries(namespace) == before


async def test_a_namespace_over_its_limit_may_still_shrink(store: RedisStore, router: Router, namespace: str) -> None:
    ref = ExperimentRef(namespace, "a")
    await create_planned(Server(store, router).store, ref, plan(trials=20))
    strict, smaller = Server(store, router, trials=5), plan(trials=9)
    assert await change(strict, ref, smaller)
    assert await strict.taken(namespace) == (1, 9, 9)


async def test_ended_and_deleted_experiments_give_room(store: RedisStore, router: Router, namespace: str) -> None:
    server = Server(store, router, experiments=3, trials=6)
    refs = [ExperimentRef(namespace, name) for name in ("stopped", "done", "deleted")]
    for ref in refs:
        await create_planned(server.store, ref, plan((1,), trials=2))
    await server.store.set_state(refs[0], ExperimentState.STOPPED)
    assert await server.taken(namespace) == (3, 4, 4)
    for assignment in await ask_for(store, refs[1], 2):
        await tell_one(store, refs[1], assignment.lease, 1, 0.5)
    assert (await store.progress(refs[1])).state is ExperimentState.DONE
    await server.store.delete(refs[2])
    assert await server.taken(namespace) == (2, 2, 2)
    await create_planned(server.store, ExperimentRef(namespace, "next"), plan(trials=6))  # notices that one is done
    assert await server.taken(namespace) == (3, 6, 6)
    more = plan((1,), trials=4)
    with pytest.raises(QuotaExceeded):
        await change(server, refs[1], more)  # it would run again
    with pytest.raises(WrongState):
        await server.store.set_state(refs[0], ExperimentState.RUNNING)


async def test_what_a_dead_server_reserved_does_not_stay_reserved(
    store: RedisStore, router: Router, redis: Redis, namespace: str
) -> None:
    await Server(store, router).ledger.reserve(ExperimentRef(namespace, "ghost"), Claim(5, 5), Quota())
    with pytest.raises(QuotaExceeded):  # another call may still need its reservation
        await create_planned(Server(store, router, trials=5).store, ExperimentRef(namespace, "a"), plan(trials=3))
    entry = await Server(store, router).ledger.entry(ExperimentRef(namespace, "ghost"))
    trials, leases, noted, at_work = entry.split(" ")
    assert at_work == "1"
    long_ago = f"{trials} {leases} {int(noted) - 61_000} 1"
    await cast("Any", redis).hset(ledger_key(namespace), "ghost", long_ago)
    server = Server(store, router, trials=5)
    await create_planned(server.store, ExperimentRef(namespace, "a"), plan(trials=3))
    assert await server.taken(namespace) == (1, 3, 3)


async def test_an_entry_that_changed_meanwhile_stays(store: RedisStore, router: Router, namespace: str) -> None:
    ledger, ref = Server(store, router).ledger, ExperimentRef(namespace, "a")
    reserved = await ledger.reserve(ref, Claim(3, 3), Quota())
    await asyncio.sleep(0.005)
    await ledger.reserve(ref, Claim(7, 2), Quota())
    for claim in (None, Claim(1, 1)):
        await ledger.set_claim(ref, claim, reserved.entry)
        await ledger.cancel(reserved)
        assert totals(await ledger.entries(namespace)) == {"experiments": 1, "trials": 7, "leases": 3}


def test_a_second_has_room_for_as_many_calls_as_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rate = CallRate()

    def taken() -> int:
        for count in range(100):
            try:
                rate.charge("a", 4)
            except QuotaExceeded as refused:
                waits.append(refused.retry_seconds)
                return count
        raise AssertionError("no limit")

    waits: list[float | None] = []
    assert taken() == 4
    now += 0.5
    assert taken() == 2
    now += 60
    assert taken() == 4
    rate.charge("b", 4)
    assert waits == pytest.approx([0.25, 0.25, 0.25])


@pytest.fixture(scope="module")
def own_url() -> Iterator[str]:
    """A Redis for one server only, because commands show the defaults of the last server that started."""
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def limited(own_url: str) -> Iterator[str]:
    """The address of a service that takes 20 calls a second of each namespace, and 2 experiments."""
    with services(own_url, 1, "--quota-calls-per-second", "20", "--quota-experiments", "2") as (running,):
        yield running.address


def test_one_namespace_that_floods_does_not_starve_another(limited: str) -> None:
    begin, seconds = time.monotonic(), 3.0
    with grpc.insecure_channel(limited) as channel, ThreadPoolExecutor(9) as threads:
        stub = ExperimentServiceStub(channel)

        def call(namespace: str) -> float | None:
            """The delay after which to retry (seconds), None if the call was served."""
            try:
                metadata = (("rungway-namespace", namespace),)
                stub.ListExperiments(pb.ListExperimentsRequest(), timeout=SECONDS, metadata=metadata)
            except grpc.RpcError as error:
                refusal = refusal_of(error)
                assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
                assert refusal.metadata == {"quota": "calls_per_second", "limit": "20"}
                assert refusal.retry_seconds
                return refusal.retry_seconds
            return None

        def flood() -> list[float | None]:
            answers = []
            while time.monotonic() < begin + seconds:
                answers.append(call("greedy"))
            return answers

        floods = [threads.submit(flood) for _ in range(8)]
        quiet = []
        while time.monotonic() < begin + seconds:
            quiet.append(call("quiet"))
            time.sleep(0.1)
        answers = [answer for each in floods for answer in each.result()]
        took = time.monotonic() - begin
    served, refused = answers.count(None), [answer for answer in answers if answer is not None]
    assert quiet.count(None) == len(quiet) > 3
    assert 20 <= served <= 20 * (took + 1) + 1
    assert len(refused) > 20
    assert max(refused) <= 0.06


def test_streams_of_one_namespace_leave_room_for_others(redis_url: str) -> None:
    with (
        services(redis_url, 1, "--max-concurrent-rpcs", "8") as (running,),
        grpc.insecure_channel(running.address) as channel,
    ):
        stub, name = ExperimentServiceStub(channel), unique_name("watched")

        def watch(namespace: str) -> grpc.Call:
            request = pb.WatchEventsRequest(experiment=name)
            stream = stub.WatchEvents(request, timeout=SECONDS, metadata=(("rungway-namespace", namespace),))
            next(iter(stream))
            return cast("grpc.Call", stream)

        for namespace in ("many", "few"):
            with Client(config=ClientConfig(target=running.address, namespace=namespace)) as client:
                client.create_experiment(name, config())
                client.pause_experiment(name)  # the first event
        open_ = [watch("many") for _ in range(2)]
        with pytest.raises(grpc.RpcError) as refused:
            watch("many")
        refusal = refusal_of(refused.value)
        assert (refusal.reason, refusal.metadata) == ("QUOTA_EXCEEDED", {"quota": "streams", "limit": "2"})
        watch("few").cancel()
        open_.pop().cancel()
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                open_.append(watch("many"))
                break
            except grpc.RpcError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        for stream in open_:
            stream.cancel()


def test_the_client_waits_for_its_turn(limited: str) -> None:
    config_ = ClientConfig(target=limited, namespace=unique_name("patient"), backoff_max=0.2)
    with Client(config=config_) as client:
        begin = time.monotonic()
        for _ in range(50):
            client.list_experiments()
        assert time.monotonic() - begin > 1.4


def test_the_command_line_sets_and_shows_limits(limited: str, own_url: str) -> None:
    name = unique_name("team")
    with Client(config=ClientConfig(target=limited, namespace=name, total_timeout=10)) as client:
        for i in range(2):
            client.create_experiment(f"e{i}", config())
        with pytest.raises(rungway.ResourceExhausted, match="is 2 experiments, of which the others take 2") as refused:
            client.create_experiment("e2", config())
        assert refused.value.attempts == 1
        assert (refused.value.reason, refused.value.retry_after) == ("QUOTA_EXCEEDED", None)
        done = on_redis(own_url, "quota", "set", name, "--experiments", "3", "--trials", "0")
        assert done[0] == f"{name}: experiments 3, trials 0\n"
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                client.create_experiment("e2", config())
                break
            except rungway.ResourceExhausted:
                assert time.monotonic() < deadline
                time.sleep(0.5)
        shown, _ = on_redis(own_url, "quota", "show", name)
        assert shown.splitlines()[-1].split() == [name, *["3", "of", "3", "12", "of", "any", "12", "of", "any", "20"]]
        assert on_redis(own_url, "quota", "set", name, "--defaults")[0] == f"{name}: the defaults\n"
        assert name not in on_redis(own_url, "quota", "show")[0]
        (row,) = json.loads(on_redis(own_url, "quota", "show", name, "-o", "json")[0])
        assert row["limits"] == {"experiments": 2, "trials": 0, "leases": 0, "calls_per_second": 20}
        assert (row["set"], row["taken"]) == ({}, {"experiments": 3, "trials": 12, "leases": 12})
        others = json.loads(on_redis(own_url, "quota", "show", "-o", "json")[0])[0]
        assert (others["namespace"], others["limits"]) == ("*", row["limits"])


async def test_what_is_shown_as_taken_is_what_is_there(
    store: RedisStore, router: Router, redis_url: str, namespace: str
) -> None:
    server = Server(store, router)
    refs = [ExperimentRef(namespace, name) for name in ("done", "past-the-ledger", "live")]
    await create_planned(server.store, refs[0], plan((1,), trials=2))
    for assignment in await ask_for(store, refs[0], 2):
        await tell_one(store, refs[0], assignment.lease, 1, 0.5)
    await create_planned(store, refs[1], plan(trials=5))  # as a version without quotas made it
    await create_planned(server.store, refs[2], plan(trials=3))
    assert await server.taken(namespace) == (2, 5, 5)
    shown, _ = await asyncio.to_thread(on_redis, redis_url, "quota", "show", namespace)
    assert shown.splitlines()[-1].split()[1:10] == ["3", "of", "any", "8", "of", "any", "8", "of", "any"]
    assert await server.taken(namespace) == (3, 8, 8)


async def test_an_import_takes_room_like_a_creation(
    store: RedisStore, router: Router, redis_url: str, namespace: str, tmp_path: Path
) -> None:
    server, file = Server(store, router), tmp_path / "e.jsonl"
    first, over = ExperimentRef(namespace, "first"), ExperimentRef(namespace, "over")
    await create_planned(server.store, first, plan(trials=7, cap=4))
    file.write_text(await exported(store, first))

    async def imported(name: str, code: int = 0) -> str:
        """Its standard error."""
        words = ("import", str(file), "--as", name, "--namespace", namespace)
        return (await asyncio.to_thread(on_redis, redis_url, *words, code=code))[1]

    await imported("second")
    assert await server.taken(namespace) == (2, 14, 8)
    for limit, what in (("experiments", "2 experiments"), ("trials", "20 trials"), ("leases", "11 leases")):
        await RedisQuotas(router).set_limits(namespace, {limit: int(what.split()[0])})
        refused = await imported("third", code=1)
        assert f"the quota of the namespace is {what}" in refused
        assert "reason: QUOTA_EXCEEDED" in refused
        assert await server.taken(namespace) == (2, 14, 8)
        assert [name for name, _ in await store.experiments(namespace, "", 10)] == ["first", "second"]
    await imported("second", code=1)  # it exists already
    assert await server.taken(namespace) == (2, 14, 8)
    await RedisQuotas(router).set_limits(namespace, {})
    await store.set_state(first, ExperimentState.STOPPED)
    file.write_text(await exported(store, first))
    await imported(over.experiment)
    assert await server.taken(namespace) == (3, 14, 8)
    assert (await store.progress(over)).state is ExperimentState.STOPPED


@pytest.mark.parametrize(
    ("quota", "advice", "wrong"),
    [
        ("experiments", "delete one, or ask", "stop"),
        ("trials", "lower max_trials, or stop or delete one of the others that is not over, or ask", "later"),
        ("leases", "lower max_concurrent_trials", "later"),
        ("streams", "end one, or ask", "experiment"),
    ],
)
def test_the_advice_is_one_that_helps(quota: str, advice: str, wrong: str) -> None:
    said = str(QuotaExceeded(quota, most=3))
    assert f"the quota of the namespace is 3 {quota}: {advice}" in said
    assert wrong not in said


@pytest.mark.parametrize("flags", [("team",), ("TEAM", "--trials", "1"), ("team", "--trials", "-1")])
def test_wrong_usage_of_quota_set(flags: tuple[str, ...], redis_url: str) -> None:
    on_redis(redis_url, "quota", "set", *flags, code=2)
