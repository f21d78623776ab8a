"""A copy made in pieces shows the search at one moment, whatever happens between its scripts.

It is not left to chance: before each script of the copy, a player makes calls.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from rungway_server.domain.engine import Assignment, ExperimentState, Outcome, Release, Report, Result
from rungway_server.domain.errors import RungwayError
from rungway_server.domain.search.plan import Bracket, DecisionForm, Plan, PromotionRule, Rung
from rungway_server.service.port import ExperimentRef
from rungway_server.service.reading import Reading
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.router import Router
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.snapshot import copying, piece_reader
from rungway_server.store.redis.snapshot.audit import check
from rungway_server.store.redis.snapshot.copying import Copier
from rungway_server.store.redis.snapshot.export_file import ExportWriter, read_export
from rungway_server.store.redis.snapshot.piece_reader import PieceReader
from rungway_server.store.redis.snapshot.read_snapshot import _Records, read_snapshot
from rungway_server.store.redis.snapshot.record_buffer import RecordBuffer
from tests.integration.live_searches import create
from tests.model.plans import async_plan, sync_plan
from tests.support.calls import config
from tests.support.searches import create_planned

ROUNDS: dict[str, Any] = {"num_rounds": 4, "length_per_round": {"epochs": 2}}
PBT = config("pbt", max_length=None, max_trials=None, population_size=8, truncate_fraction=0.4, **ROUNDS)
TWO = tuple(Bracket((Rung(1), Rung(2), Rung(4))[k:], 20, 4) for k in (0, 1))
PLANS = {
    "promotion": async_plan(1, 3, 9, trials=40),
    "stopping": async_plan(1, 3, 9, trials=40, form=DecisionForm.STOP),
    "synchronous": sync_plan((1, 24, 12), (2, 12, 6), (4, 6, 0)),
    "equal rungs": async_plan(1, 1, 3, 3, 9, trials=40, divisor=2),
    "two brackets": Plan(TWO, PromotionRule.ASYNC, DecisionForm.PROMOTE, 2.0, 6, "epochs"),
}
GRID = config("grid", space={"x": {"type": "categorical", "vals": list(range(25))}}, max_trials=50, num_samples=2)
SEARCHES = (*PLANS, "population", "grid")
FAILURES = [outcome for outcome in Outcome if outcome is not Outcome.FINISHED]


@dataclass
class Player:
    """Acts like workers and users, by a seed."""

    store: RedisStore
    ref: ExperimentRef
    rng: random.Random
    held: dict[int, Assignment] = field(default_factory=dict)
    at: dict[int, int] = field(default_factory=dict)

    async def play(self, steps: int) -> None:
        for _ in range(steps):
            with suppress(RungwayError):
                await self.rng.choice((self.ask, self.tell, self.tell, self.tell, self.end, self.disturb))()

    async def ask(self) -> None:
        for given in (await self.store.ask(self.ref, "", self.rng.randint(1, 4), "w")).assignments:
            self.held[given.lease.trial], self.at[given.lease.trial] = given, given.from_length

    def pick(self) -> Assignment:
        if not self.held:
            raise RungwayError("nothing is held")
        return self.held[self.rng.choice(sorted(self.held))]

    async def tell(self) -> None:
        given = self.pick()
        number, first = given.lease.trial, self.at[given.lease.trial] + 1
        last = self.rng.randint(first, max(first, given.next_decision_length))
        metric = self.rng.choice([self.rng.random(), float("nan"), float("inf"), -0.0])
        result = Result(given.lease, [Report(last, metric)], self.rng.choice(["", f"c{last}"]), self.rng.random() < 0.1)
        reply = (await self.store.tell(self.ref, str(self.rng.random()), [result])).replies[0]
        self.at[number] = last
        if reply.next_decision_length:
            self.held[number] = given._replace(next_decision_length=reply.next_decision_length)
        else:
            del self.held[number]

    async def end(self) -> None:
        given = self.pick()
        del self.held[given.lease.trial]
        if self.rng.random() < 0.5:
            await self.store.release(self.ref, "", [Release(given.lease, "", 0)])
        else:
            await self.store.fail(self.ref, "", given.lease, self.rng.choice(FAILURES), "why")

    async def disturb(self) -> None:
        state = self.rng.choice([ExperimentState.PAUSED, ExperimentState.RUNNING, ExperimentState.RUNNING])
        how = self.rng.randrange(3)
        if how == 0:
            await self.store.set_state(self.ref, state)
        elif how == 1:
            await self.store.enqueue(self.ref, "", {"x": self.rng.randrange(25)})
        else:
            self.pick()
            await self.store.heartbeat(self.ref, [given.lease for given in self.held.values()][:9])


@dataclass
class Disturbed:
    """Pieces of a copy; before each of them the player makes calls."""

    player: Player
    steps: int
    pieces: int = 0

    @asynccontextmanager
    async def piece(self) -> AsyncIterator[None]:
        self.pieces += 1
        await self.player.play(self.steps)
        yield


SMALL = {"MOST": 3, "MOST_BYTES": 2_000, "_RECORDS": 4, "_BETWEEN": 2, "MEMBERS": 5}


@pytest.fixture(params=["as it is", "small"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of the usual sizes, and so small that every limit is reached."""
    for name, value in SMALL.items() if request.param == "small" else ():
        monkeypatch.setattr(copying, name, value)
        monkeypatch.setattr(piece_reader, "MEMBERS", 5)
        monkeypatch.setattr(piece_reader, "LINES", 5)


async def made(store: RedisStore, ref: ExperimentRef, name: str, lease_seconds: float = 60) -> str:
    """Create a search of this kind; returns its uid."""
    more = {"pause_after_failures": 0, "lease_seconds": lease_seconds}
    if name == "grid":
        return (await create(store, ref, GRID | more)).definition.uid
    if name == "population":
        return (await create(store, ref, PBT | more)).definition.uid
    plan = PLANS[name]
    return (await create_planned(store, ref, plan, lease_seconds=lease_seconds, max_restarts=2, pause_after=0)).uid


async def everything(router: Router, ref: ExperimentRef) -> list[Any]:
    """Trials, suggestions, requeued and promotable trials, enqueued configurations and progress, while nobody works."""
    keys = experiment_keys(ref)
    trials, configs = [flat(await router.call(keys[at], ("HGETALL", keys[at]))) for at in (1, 2)]
    points = flat(await router.call(f"{keys[0][:-4]}points", ("HGETALL", f"{keys[0][:-4]}points")))
    line, queue = [await router.call(keys[at], ("LRANGE", keys[at], 0, -1)) for at in (4, 11)]
    ready, rungs, best = [await router.call(keys[at], ("ZRANGE", keys[at], 0, -1)) for at in (5, 12, 6)]
    progress, counts = await router.call(keys[0], ("HMGET", keys[0], "tally", "counts"))
    return [trials, configs, line, queue, ready, rungs, best, progress, counts, points]


def flat(words: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize("whole", [False, True], ids=["export", "audit"])
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long), 2])
async def test_a_copy_is_of_one_moment(
    seed: int, name: str, whole: bool, sizes: None, store: RedisStore, router: Router, ref: ExperimentRef
) -> None:
    uid = await made(store, ref, name, lease_seconds=0.15 if seed == 2 else 60)
    player = Player(store, ref, random.Random(seed))
    await player.play(60)
    disturbed = Disturbed(player, 2)
    records = _Records()
    reader = PieceReader(router, ref, uid, disturbed.piece)
    found = await Copier(reader, records, whole=whole).copy()
    now = await everything(router, ref)
    assert records == now[0]
    progress = found.meta[b"tally"]
    same = [found.suggestions, found.requeued, found.enqueued, found.promotable, progress, found.meta[b"counts"]]
    assert same == [now[1], now[2], now[3], now[4], now[7], now[8]]
    if whole:
        assert sorted(found.rungs) == sorted(now[5])
        assert found.best == now[6]
        assert found.points == now[9]


@pytest.mark.parametrize("name", SEARCHES)
async def test_an_audit_of_a_busy_search_finds_it_sound(
    name: str, sizes: None, store: RedisStore, router: Router, ref: ExperimentRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(store, ref, name)
    player = Player(store, ref, random.Random(7))
    await player.play(40)
    run = PieceReader.run

    async def disturbed(self: PieceReader, *args: Any) -> list[Any]:
        await player.play(2)
        return await run(self, *args)

    monkeypatch.setattr(PieceReader, "run", disturbed)
    assert check(await read_snapshot(router, ref)).violated == {}


async def test_an_export_of_a_busy_search_reads_back(store: RedisStore, router: Router, ref: ExperimentRef) -> None:
    """The search also changes while the file is written."""
    space = {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    lengths: dict[str, Any] = {"num_rungs": 3, "divisor": 3, "max_length": {"epochs": 90}}
    view = await create(store, ref, config("async_halving", space=space, max_trials=60, **lengths))
    player = Player(store, ref, random.Random(1))
    await player.play(100)
    reading = Reading()

    @asynccontextmanager
    async def piece() -> AsyncIterator[Any]:
        await player.play(3)
        async with reading.turn("") as turn:
            yield turn

    reader = PieceReader(router, ref, view.definition.uid, piece)
    with RecordBuffer() as records:
        found = await Copier(reader, records, whole=False).copy()
        at = (await store.progress(ref)).revision
        text = "".join([part async for part in ExportWriter(reader, ref, found, records, piece).pieces()])
    export = read_export(text.splitlines(keepends=True))
    assert (await store.progress(ref)).revision > at
    assert export.search["tally"]["revision"] == at
    assert len(export.trials) == export.search["tally"]["next_trial"]
