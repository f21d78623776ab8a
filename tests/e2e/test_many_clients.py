"""Two hundred clients that ask three servers on one Redis at the same moment, again and again."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from rungway.v1 import experiment_pb2, trial_pb2
from rungway.v1 import experiment_service_pb2 as experiments_pb
from rungway.v1 import search_service_pb2 as pb
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway.v1.search_service_pb2_grpc import SearchServiceStub
from rungway.values import to_map
from tests.support.audited import assert_sound
from tests.support.calls import SECONDS, config, new_id, tell_request, unique_name
from tests.support.history import Call, Held, History, check_events
from tests.support.redis_server import redis_on_socket
from tests.support.service import Service, services

CLIENTS = 200
SERVERS = 3
LEASE_SECONDS = 1.5
FAILURES = (trial_pb2.OUTCOME_TRANSIENT, trial_pb2.OUTCOME_INVALID, trial_pb2.OUTCOME_ERROR)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_on_socket() as url:
        yield url


@pytest.fixture(scope="module")
def cluster(redis_url: str) -> Iterator[list[Service]]:
    """Three servers on one Redis."""
    with services(redis_url, SERVERS) as running:
        yield running


@pytest.fixture
async def channels(cluster: list[Service]) -> AsyncIterator[list[grpc.aio.Channel]]:
    """One channel to each server."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(grpc.aio.insecure_channel(server.address)) for server in cluster]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@dataclass
class Crowd:
    """Clients of one experiment; each call goes to the next server."""

    experiment: str
    stubs: list[SearchServiceStub]
    random: random.Random
    mishaps: float
    """Share of the assignments that do not end in a tell."""
    history: History = field(default_factory=History)
    calls: Iterator[int] = field(default_factory=itertools.count)

    async def run(self) -> int:
        """Rounds until every client is told that the search is done. Returns their number."""
        for round_ in itertools.count(1):
            replies = await asyncio.gather(*(self.ask() for _ in range(CLIENTS)))
            held = [lease for reply in replies for lease in reply]
            await asyncio.gather(*(self.work(lease) for lease in held))
            if not held:
                done = await asyncio.gather(*(self.is_done() for _ in range(SERVERS)))
                if all(done):
                    return round_
                await asyncio.sleep(0.1)  # some lease has yet to expire
        raise AssertionError

    async def send(self, rpc: str, request: Any) -> tuple[Any, Call]:
        """One call, recorded."""
        stub = self.stubs[next(self.calls) % SERVERS]
        begun = time.time()
        response = await getattr(stub, rpc)(request, timeout=SECONDS)
        return response, Call(begun, time.time(), response.revision, changed=False)

    async def ask(self) -> list[Held]:
        """Ask for one assignment."""
        request = pb.AskRequest(experiment=self.experiment, request_id=new_id())
        response, call = await self.send("Ask", request)
        self.record(call, changed=bool(response.assignments))
        held = [Held(assignment, call.ended) for assignment in response.assignments]
        self.history.held += held
        return held

    async def is_done(self) -> bool:
        response, call = await self.send("Ask", pb.AskRequest(experiment=self.experiment))
        self.record(call, changed=bool(response.assignments))
        self.history.held += [Held(assignment, call.ended) for assignment in response.assignments]
        return bool(response.status == pb.ASK_STATUS_DONE)

    async def work(self, held: Held) -> None:
        """Tell results until the lease ends; some release it, some fail, some fall silent."""
        lease, length = held.assignment.lease, held.assignment.next_decision_length
        while True:
            luck = self.random.random()
            if luck < self.mishaps:
                await self.mishap(held, luck / self.mishaps)
                return
            until = time.time()
            request = tell_request(self.experiment, lease, (length, self.random.random()), request_id=new_id())
            response, call = await self.send("Tell", request)
            (reply,) = response.verdicts
            self.record(call, changed=reply.decision != trial_pb2.DECISION_SUPERSEDED)
            if reply.decision == trial_pb2.DECISION_CONTINUE:
                length = reply.next_decision_length
                held.assignment.lease_deadline.CopyFrom(reply.lease_deadline)
                continue
            # Superseded: the machine was so slow that the lease expired, and it ended at its deadline.
            held.until = until if reply.decision != trial_pb2.DECISION_SUPERSEDED else None
            return

    async def mishap(self, held: Held, which: float) -> None:
        """Let it expire (half of all), release it, or fail in one way or another."""
        if which < 0.5:
            return
        until, lease = time.time(), held.assignment.lease
        if which < 0.65:
            release = pb.ReleaseRequest(experiment=self.experiment, releases=[pb.Release(lease=lease)])
            response, call = await self.send("Release", release)
            (reply,) = response.verdicts
        else:
            outcome = self.random.choice(FAILURES)
            fail = pb.FailRequest(experiment=self.experiment, lease=lease, outcome=outcome)
            response, call = await self.send("Fail", fail)
            reply = response.verdict
            if reply.explanation.reason == trial_pb2.REASON_INVALID:
                self.history.invalid.add(lease.trial)
        superseded = reply.decision == trial_pb2.DECISION_SUPERSEDED
        self.record(call, changed=not superseded)
        held.until = None if superseded else until

    def record(self, call: Call, *, changed: bool) -> None:
        self.history.calls.append(Call(call.begun, call.ended, call.revision, changed))


async def while_watching(redis: Redis, experiment: str, work: Coroutine[Any, Any, int]) -> tuple[int, int]:
    """The result of the work, and the most leases that were stored at once meanwhile."""
    task, most = asyncio.ensure_future(work), 0
    while not task.done():
        most = max(most, await redis.zcard(f"rungway:{{default/{experiment}}}:leases"))
        await asyncio.sleep(0.002)
    return await task, most


def asha(name: str, *, trials: int, cap: int, **searcher: object) -> dict[str, object]:
    """A search up to length 27 by thirds."""
    return config(name, max_trials=trials, max_concurrent_trials=cap, max_length={"epochs": 27}, divisor=3, **searcher)  # type: ignore[arg-type]  # none of these is an argument of its own


SEARCHES = {
    "promotion": (asha("adaptive_asha", trials=90, cap=40), 0.08),
    "promotion, one bracket": (asha("async_halving", trials=81, cap=9, num_rungs=4), 0.05),
    "stopping": (asha("adaptive_asha", trials=90, cap=30, stop_once=True), 0.05),
    "random, all at once": (config(max_trials=500, max_concurrent_trials=0), 0.02),
    "random, few at once": (config(max_trials=60, max_concurrent_trials=5), 0.05),
    "one single trial": (config("single"), 0.0),
}
"""Configurations, each with the share of assignments that do not end in a tell."""


REPEATED = {"promotion, one bracket"}
"""Others show each of its limits: "promotion" that of rungs, "random, few at once" that of few leases."""


def size_of(name: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.long,) if name in REPEATED else ()


@pytest.mark.parametrize("name", [pytest.param(each, marks=size_of(each)) for each in SEARCHES])
async def test_every_limit_is_exact(name: str, channels: list[grpc.aio.Channel], redis: Redis, redis_url: str) -> None:
    document, mishaps = SEARCHES[name]
    experiment = unique_name("crowd")
    experiments = [ExperimentServiceStub(channel) for channel in channels]
    request = experiments_pb.CreateExperimentRequest(
        experiment=experiment, config=to_map(document | {"lease_seconds": LEASE_SECONDS, "max_restarts": 100})
    )
    plan = (await experiments[0].CreateExperiment(request, timeout=SECONDS)).experiment.plan
    max_trials = sum(bracket.max_trials for bracket in plan.brackets)
    cap = plan.max_concurrent_trials
    crowd = Crowd(experiment, [SearchServiceStub(channel) for channel in channels], random.Random(name), mishaps)

    rounds, most_stored = await while_watching(redis, experiment, crowd.run())

    crowd.history.check(max_trials, cap)
    assert rounds >= (max_trials // cap if cap else max_trials // CLIENTS)
    assert len(crowd.history.calls) > CLIENTS * rounds
    if cap:
        assert most_stored <= cap
    await assert_sound(redis_url, experiment)
    key = f"rungway:{{default/{experiment}}}"
    assert await redis.exists(f"{key}:leases", f"{key}:line", f"{key}:ready") == 0
    await check_log(experiments[0], experiment, max_trials, cap)
    for stub in experiments:  # every server says the same
        get = experiments_pb.GetExperimentRequest(experiment=experiment)
        found = (await stub.GetExperiment(get, timeout=SECONDS)).experiment
        assert found.state == experiment_pb2.EXPERIMENT_STATE_DONE
        assert (found.trials.started, found.trials.running, found.trials.queued) == (max_trials, 0, 0)
        assert found.trials.invalid == len(crowd.history.invalid)
        assert [bracket.started for bracket in found.plan.brackets] == [b.max_trials for b in plan.brackets]


async def check_log(experiments: ExperimentServiceStub, experiment: str, max_trials: int, cap: int) -> None:
    """The event log must allow the same."""
    events = []
    log: Any = experiments.WatchEvents(experiments_pb.WatchEventsRequest(experiment=experiment), timeout=SECONDS)
    async for reply in log:
        reason = trial_pb2.Reason.Name(reply.event.explanation.reason).removeprefix("REASON_").lower()
        events.append([reply.event.kind, str(reply.event.trial), reason])
    check_events(events[:-1], max_trials, cap)
    assert events[-1][:2] == ["done", "-1"]
