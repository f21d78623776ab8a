"""The checkpoints that are listed for deletion are never needed again: random searches, whose listed checkpoints are
deleted as soon as they are listed."""

import json
import random
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.checkpoints import KEPT_BEST, CheckpointStanding
from rungway_server.domain.engine import Assignment, ExperimentState, Outcome, Release, Report, Result, TrialState
from rungway_server.domain.errors import InvalidInput
from rungway_server.service.checkpoints import CheckpointUseCases, StaleWanted
from rungway_server.service.experiments import Change, ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.layout.keys import experiment_keys
from rungway_server.store.redis.layout.records import TRIAL_FIELDS, unpack
from rungway_server.store.redis.layout.schema import CHECKPOINTS, SCHEMA
from rungway_server.transport import wire
from tests.support.audited import assert_sound, report_of
from tests.support.calls import config
from tests.support.moving import Site, move
from tests.support.searches import ask_for, create_planned, plan

if TYPE_CHECKING:
    from rungway.v1 import experiment_service_pb2 as pb

HALVING: dict[str, Any] = {"max_trials": 24, "num_rungs": 3, "divisor": 3, "max_length": {"epochs": 9}}
PBT: dict[str, Any] = {"population_size": 6, "num_rounds": 4, "length_per_round": {"epochs": 3}, "max_trials": None}
SEARCHES: dict[str, dict[str, Any]] = {
    "promotions": config("async_halving", **HALVING),
    "stops": config("async_halving", stop_once=True, **HALVING),
    "synchronous": config("adaptive_asha", max_trials=30, max_length={"epochs": 16}, divisor=4),
    "clones": config("pbt", max_length=None, truncate_fraction=0.5, **PBT),
    "random": config("random", max_trials=20, max_length={"epochs": 6}),
    "blind": config("auto", max_trials=20, divisor=2, max_length={"epochs": 8}, budget={"epochs": 100}, blind=True),
}
NOW, LATER = StaleWanted(0), StaleWanted(30 * 86_400_000)
LEASE_MS = 60_000
NUMBERS = range(200)
AT_WORK = (TrialState.RUNNING, TrialState.PAUSED, TrialState.QUEUED)


class Play:
    """Workers who save often, fail, leave and are killed, while somebody deletes all that is listed."""

    def __init__(self, store: RedisStore, ref: ExperimentRef, seed: int) -> None:
        self.store, self.ref, self.rng = store, ref, random.Random(seed)
        self.use_cases = CheckpointUseCases(store)
        self.standing = store.checkpoint_standing
        store.checkpoint_standing = self.at_my_time  # type: ignore[method-assign]  # only its clock is another
        self.held: list[Assignment] = []
        self.now = 0
        self.told: set[str] = set()
        self.deleted: set[str] = set()

    async def at_my_time(self, ref: ExperimentRef) -> CheckpointStanding:
        return (await self.standing(ref))._replace(now_ms=self.now + 1)

    async def begin(self, document: dict[str, Any]) -> None:
        made = await ExperimentUseCases(self.store).create(self.ref, document, "")
        self.now = made.definition.created_ms

    async def stale(self, wanted: StaleWanted = NOW) -> set[str]:
        listed, token = await self.use_cases.stale(self.ref, wanted, "", wire.stale_message)
        assert not token
        return {each.checkpoint for each in listed}

    async def delete(self) -> None:
        """What is needed in one way or another is not among the listed."""
        listed = await self.stale()
        views = await self.store.trials(self.ref, NUMBERS)
        for view in views:
            if view.state in AT_WORK or view.state is TrialState.COMPLETED:
                assert not {view.checkpoint, view.best_checkpoint} & listed, view
        for view in await self.store.best(self.ref, KEPT_BEST):
            assert not {view.checkpoint, view.best_checkpoint} & listed, view
        assert listed <= self.told
        self.deleted |= listed

    async def run(self, steps: int) -> None:
        for step in range(steps):
            self.now += 100
            if not self.held or self.rng.random() < 0.4:
                await self.ask()
            else:
                await self.answer(self.held.pop(self.rng.randrange(len(self.held))))
            if step % 3 == 0:
                await self.delete()

    async def ask(self) -> None:
        """Now and then after all leases have expired: their workers were killed."""
        if self.rng.random() < 0.05:
            self.now += 10 * LEASE_MS
            self.held = []
        for given in (await self.store.ask(self.ref, "", 3, "w", now_ms=self.now)).assignments:
            assert given.checkpoint not in self.deleted, given
            self.held.append(given)

    async def answer(self, given: Assignment) -> None:
        luck = self.rng.random()
        if luck < 0.12:
            outcome = self.rng.choice([Outcome.ERROR, Outcome.INVALID, Outcome.INVALID, Outcome.TRANSIENT])
            await self.store.fail(self.ref, "", given.lease, outcome, "", now_ms=self.now)
            return
        if luck < 0.2:
            length = given.from_length if self.rng.random() < 0.5 else 0
            saved = self.saved(given, length) if length else ""
            await self.store.release(self.ref, "", [Release(given.lease, saved, length)], now_ms=self.now)
            return
        most = given.next_decision_length
        length = most if self.rng.random() < 0.6 else self.rng.randint(given.from_length + 1, most)
        metrics = (self.rng.choice([0.1, 0.2, self.rng.random(), float("nan")]) for _ in range(length))
        reports = [Report(at, next(metrics)) for at in range(given.from_length + 1, length + 1)]
        checkpoint = self.saved(given, length) if self.rng.random() < 0.8 else ""
        result = Result(given.lease, reports, checkpoint, self.rng.random() < 0.05)
        [reply] = (await self.store.tell(self.ref, "", [result], now_ms=self.now)).replies
        if reply.next_decision_length:
            self.held.append(given._replace(from_length=length, next_decision_length=reply.next_decision_length))

    def saved(self, given: Assignment, length: int) -> str:
        name = f"{given.lease.trial}-{length}-{len(self.told)}"
        self.told.add(name)
        return name

    async def to_the_end(self) -> None:
        while (await self.store.progress(self.ref)).state is ExperimentState.RUNNING:
            await self.run(20)
        await self.delete()

    async def needed(self, *, for_good: bool) -> set[str]:
        """What must be kept once the search is over, of all that was told."""
        views = await self.store.trials(self.ref, NUMBERS)
        states = [TrialState.COMPLETED, *(() if for_good else AT_WORK)]
        valid = [view for view in views if view.state is not TrialState.INVALID]
        kept = [view for view in valid if view.state in states] + await self.store.best(self.ref, KEPT_BEST)
        last = [view for view in valid if view.metric is not None and view.metric == view.metric]
        kept += sorted(last, key=lambda view: (view.metric, view.trial))[:KEPT_BEST]
        return {name for view in kept for name in (view.checkpoint, view.best_checkpoint)}


@pytest.fixture
def play(store: RedisStore, ref: ExperimentRef, request: pytest.FixtureRequest) -> Play:
    return Play(store, ref, request.param if hasattr(request, "param") else 0)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("play", [0, 1], indirect=True)
async def test_none_that_is_listed_is_ever_needed(name: str, play: Play, admin_url: str) -> None:
    """And in the end all are, but those that must be kept."""
    await play.begin(SEARCHES[name])
    await play.run(60)
    assert await play.stale(LATER) == set()
    await play.to_the_end()
    assert (await report_of(admin_url, play.ref)).violated == {}
    assert play.told - await play.stale() == await play.needed(for_good=False) & play.told
    assert await play.stale(NOW._replace(final=True)) == play.told - await play.needed(for_good=True)
    assert any(play.deleted)
    if name == "promotions":  # a search that is done may go on
        change = Change(max_trials=40)
        await ExperimentUseCases(play.store).update(play.ref, change)
        await play.to_the_end()


async def test_a_search_that_was_stopped_needs_its_results_alone(play: Play) -> None:
    await play.begin(SEARCHES["promotions"])
    await play.run(60)
    while play.held:
        await play.answer(play.held.pop())
    await play.store.set_state(play.ref, ExperimentState.STOPPED)
    running = await play.store.trials(play.ref, NUMBERS)
    kept = {view.checkpoint for view in running if view.state is TrialState.RUNNING}
    assert await play.stale() == play.told - await play.needed(for_good=True) - kept


async def test_pages(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    await play.begin(SEARCHES["random"])
    await play.run(60)
    whole, _ = await play.use_cases.stale(play.ref, NOW, "", wire.stale_message)
    monkeypatch.setattr("rungway_server.service.checkpoints.LARGEST_PAGE", 100)
    pages: list[pb.StaleCheckpoint] = []
    page, token = await play.use_cases.stale(play.ref, NOW, "", wire.stale_message)
    while token:
        pages += page
        page, token = await play.use_cases.stale(play.ref, NOW, token, wire.stale_message)
        assert 1 <= len(page) <= 5
    assert [*pages, *page] == whole
    with pytest.raises(InvalidInput, match="page_token"):
        await play.use_cases.stale(play.ref, NOW, "{", wire.stale_message)
    with pytest.raises(InvalidInput, match="older_than"):
        await play.use_cases.stale(play.ref, StaleWanted(-1), "", wire.stale_message)


async def layout_of(admin_url: str, ref: ExperimentRef) -> tuple[int, set[bytes], int]:
    """Its number, the fields of the progress and the curves that are about checkpoints, and the longest record."""
    meta, trials, curves = (experiment_keys(ref)[at] for at in (0, 1, 7))
    async with Redis.from_url(admin_url) as redis:
        schema: Any = await redis.hget(meta, "schema")
        names: Any = await redis.hkeys(curves)
        records: Any = await redis.hvals(trials)
    fields = {name for name in names if name[:1] == b"s"}
    return int(schema), fields, max(len(unpack(record)) for record in records)


async def test_a_search_that_replaces_none_stays_as_it_was(
    store: RedisStore, admin_url: str, ref: ExperimentRef
) -> None:
    """Without checkpoints, and where the same name is told again."""
    await create_planned(store, ref, plan((100,), trials=2))
    one, other = await ask_for(store, ref, 2)
    for length in range(1, 9):
        await store.tell(ref, "", [Result(one.lease, [Report(length, 1 / length)])])
        await store.tell(ref, "", [Result(other.lease, [Report(length, length)], "same")])
    assert await layout_of(admin_url, ref) == (SCHEMA, set(), len(TRIAL_FIELDS))
    await store.tell(ref, "", [Result(other.lease, [Report(9, 0.5)], "new")])
    assert await layout_of(admin_url, ref) == (CHECKPOINTS, {b"s0"}, len(TRIAL_FIELDS))
    await store.tell(ref, "", [Result(other.lease, [Report(10, 0.75)], "later")])
    assert await layout_of(admin_url, ref) == (CHECKPOINTS, {b"s0"}, len(TRIAL_FIELDS) + 2)
    await assert_sound(admin_url, ref.experiment)


async def test_the_oldest_are_forgotten(ref: ExperimentRef, admin_url: str) -> None:
    """In number, and in bytes."""
    with_little_room = partial(re.sub, r"Size.most_superseded(_bytes)?", lambda name: "2000" if name[1] else "10")
    async with connect(admin_url, timeout_seconds=5, transform=lambda _, text: with_little_room(text)) as router:
        store = RedisStore(router)
        await create_planned(store, ref, plan((100,), trials=2))
        (given,) = await ask_for(store, ref)
        for length in range(1, 21):
            await store.tell(ref, "", [Result(given.lease, [Report(length, length)], f"c{length}")])
        assert (await layout_of(admin_url, ref))[1] == {b"s%d" % n for n in range(8, 18)}
        await assert_sound(admin_url, ref.experiment)
        for length in range(21, 31):
            await store.tell(ref, "", [Result(given.lease, [Report(length, length)], f"{length}" * 250)])
        assert len((await layout_of(admin_url, ref))[1]) == 3
        await assert_sound(admin_url, ref.experiment)


async def test_best_checkpoints_travel_with_an_export(sites: list[Site], ref: ExperimentRef) -> None:
    source, other = sites
    play = Play(source.store, ref, 5)
    await play.begin(SEARCHES["clones"])
    await play.run(80)
    text = await move(source, ref, other)
    assert json.loads(text.splitlines()[0])["rungway_export"] == 3
    numbers = list(range(60))
    before, after = [await store.trials(ref, numbers) for store in (source.store, other.store)]
    assert [view.best_checkpoint for view in after] == [view.best_checkpoint for view in before]
    assert any(view.best_checkpoint not in ("", view.checkpoint) for view in after)
    assert (await layout_of(other.url, ref))[:2] == (CHECKPOINTS, set())
    again = Play(other.store, ref, 6)
    again.now = play.now
    again.told = set(play.told)
    await again.to_the_end()
    await assert_sound(other.url, ref.experiment)
