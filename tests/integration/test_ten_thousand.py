"""A long search: 2,000 trials told with random metrics by 64 simulated workers; 10,000 in `make test-long`."""

import heapq
import math
import random
from collections import Counter

import pytest
from redis.asyncio import Redis

from rungway_server.domain.engine import AskStatus, Assignment, Decision, Lease, Progress, Report, Result
from rungway_server.domain.search.plan import Plan
from rungway_server.domain.search.preview import preview
from rungway_server.service.experiments import Planned, plan_search
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from tests.support.audited import assert_sound

WORKERS = 64
MOST_US = 2_000
"""The longest mean time of a script (µs): about 20 times that on a busy machine, but less than a script would need to
read all trials."""


def search_of(trials: int) -> Planned:
    return plan_search(
        {
            "hyperparameters": {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}},
            "searcher": {
                "name": "adaptive_asha",
                "metric": "loss",
                "max_trials": trials,
                "max_length": {"epochs": 256},
                "max_concurrent_trials": WORKERS,
            },
        }
    )


class Fleet:
    """Workers on one simulated clock: whichever is due first makes the next call."""

    def __init__(self, store: RedisStore, ref: ExperimentRef, start_ms: int) -> None:
        self.store, self.ref, self.start_ms = store, ref, start_ms
        self.rng = random.Random(5)
        self.ready: list[tuple[float, int, Lease | None, int]] = [(0.0, w, None, 0) for w in range(WORKERS)]
        self.assigned: Counter[int] = Counter()
        self.most_live = 0

    async def run(self) -> None:
        while self.ready:
            time, worker, lease, length = heapq.heappop(self.ready)
            now_ms = self.start_ms + int(time)
            if lease is not None and (following := await self._tell(lease, length, now_ms)):
                self._train(time, worker, lease, following - length, following)
                continue
            answer = await self.store.ask(self.ref, "", 1, str(worker), now_ms=now_ms)
            if answer.status is AskStatus.ASSIGNED:
                self._begin(time, worker, answer.assignments[0])
            elif answer.status is AskStatus.WAIT:
                heapq.heappush(self.ready, (time + 50, worker, None, 0))

    async def _tell(self, lease: Lease, length: int, now_ms: int) -> int:
        """The next length, 0 when the lease has ended."""
        result = Result(lease, [Report(length, self.rng.random())], "checkpoint")
        reply = (await self.store.tell(self.ref, "", [result], now_ms=now_ms)).replies[0]
        return reply.to_length if reply.decision is Decision.CONTINUE else 0

    def _begin(self, time: float, worker: int, assignment: Assignment) -> None:
        self.assigned[assignment.lease.trial] += 1
        self._train(time, worker, assignment.lease, assignment.to_length - assignment.from_length, assignment.to_length)

    def _train(self, time: float, worker: int, lease: Lease, units: int, length: int) -> None:
        heapq.heappush(self.ready, (time + units * self.rng.uniform(50, 150), worker, lease, length))
        self.most_live = max(self.most_live, sum(entry[2] is not None for entry in self.ready))


def check_rungs(plan: Plan, progress: Progress) -> None:
    """In the end, the whole quota of each rung was promoted, and not many more: about the square root of its results
    were promoted before better ones came (Li et al. 2020, section 3.3)."""
    for b, bracket in enumerate(plan.brackets):
        for k in range(len(bracket.rungs) - 1):
            results, passed = progress.rung_results[b][k], progress.rung_promoted[b][k]
            quota = math.floor(results / plan.divisor)
            assert quota <= passed <= quota + 3 * math.sqrt(results) + 1, (b, k)
            assert progress.rung_results[b][k + 1] == passed


@pytest.mark.parametrize("trials", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_budget_and_rungs_of_a_long_search(
    trials: int, store: RedisStore, ref: ExperimentRef, redis: Redis, redis_url: str
) -> None:
    search = search_of(trials)
    await redis.config_resetstat()
    definition = await store.create(ref, search.config, search.plan, (), "")
    fleet = Fleet(store, ref, definition.created_ms)
    await fleet.run()
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["usec_per_call"] < MOST_US
    progress = await store.progress(ref)
    assert sorted(fleet.assigned) == list(range(trials))
    assert fleet.most_live <= WORKERS
    assert tuple(progress.started) == tuple(bracket.max_trials for bracket in search.plan.brackets)
    assert tuple(results[0] for results in progress.rung_results) == tuple(progress.started)
    check_rungs(search.plan, progress)
    total = preview(search.plan).total_length
    assert total <= progress.trained_length <= 1.25 * total
    await assert_sound(redis_url, ref.experiment)
