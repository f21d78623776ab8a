"""Searches that use at once all that has a layout of its own: they are sound, move, and go on as they would have."""

import json
import math
import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from redis.asyncio import Redis

from rungway_server.domain.about import About
from rungway_server.domain.engine import Assignment, ExperimentState, Further, Outcome, Release, Report, Result
from rungway_server.service.experiments import ExperimentUseCases
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.layout import schema
from rungway_server.store.redis.layout.keys import experiment_keys
from tests.support.audited import assert_sound
from tests.support.calls import config
from tests.support.moving import Site, move
from tests.support.players import Player, counted_from

BESIDE = About({"team": "vision", "run/kind": ""}, "zoë", "all of it")
LATER = {
    "width": {"type": "log_int", "minval": 1, "maxval": 4096},
    "size": {"type": "ordinal", "vals": ["s", "m", "l"], "weights": [1, 2, 3]},
}
FINITE = {"size": LATER["size"], "layers": {"type": "int", "minval": 1, "maxval": 30}}
BUDGET: dict[str, Any] = {"max_length": {"epochs": 16}, "budget": {"epochs": 250}, "max_concurrent_trials": 0}
DRAWN: dict[str, Any] = {"proposals": "random"}
"""Models say of which revision they are, and an import counts those of its own: `test_sources.py`."""
SEARCHES: dict[str, dict[str, Any]] = {
    "auto": config("auto", **DRAWN, space=LATER, max_trials=40, divisor=2, **BUDGET),
    "unlimited": config("auto", **DRAWN, space=LATER, max_trials="unlimited", divisor=2, **BUDGET),
    "auto, blind, finite": config("auto", **DRAWN, space=FINITE, max_trials=30, divisor=2, blind=True, **BUDGET),
    "auto, plain": config("auto", **DRAWN, space=FINITE, max_trials=30, divisor=2, max_length={"epochs": 16}),
    "auto in hours": config("auto", **DRAWN, space=LATER, max_trials=30, **(BUDGET | {"budget": {"hours": 1}})),
    "promotions": config("async_halving", space=LATER, max_trials=30, num_rungs=3, divisor=3, **BUDGET),
    "stops": config("async_halving", space=LATER, max_trials=30, num_rungs=3, divisor=3, stop_once=True, **BUDGET),
    "brackets": config("adaptive_asha", space=FINITE, max_trials=30, divisor=3, **BUDGET),
    "random": config("random", space=LATER, max_trials="unlimited", **BUDGET),
    "auto by cost": config("auto", **DRAWN, space=LATER, max_trials=40, divisor=2, cost_aware=True, **BUDGET),
}
NUMBERS = list(range(300))


class Worker(Player):
    """Fails, leaves, saves and ends early, and tells further metrics."""

    asks = 0.4

    async def answer(self, given: Assignment) -> None:
        luck, lease, length = self.rng.random(), given.lease, given.next_decision_length
        if luck < 0.08:
            outcome = self.rng.choice([Outcome.ERROR, Outcome.INVALID, Outcome.TRANSIENT])
            self.heard(given, 0, *await self.store.fail(self.ref, "", lease, outcome, "broken ä"))
            return
        if luck < 0.14:
            saved = "left" if given.from_length and luck < 0.11 else ""
            released = Release(lease, saved, given.from_length if saved else 0)
            told = await self.store.release(self.ref, "", [released])
        else:
            if luck < 0.5:
                length = self.rng.randint(given.from_length + 1, length)
            reports = [self.report(at) for at in range(given.from_length + 1, length + 1)]
            saved = f"{lease.trial} at {length}" if self.rng.random() < 0.8 else ""
            told = await self.store.tell(self.ref, "", [Result(lease, reports, saved, luck < 0.2)])
        self.heard(given, length, told.replies[0], told.revision)

    def report(self, length: int) -> Report:
        metric = self.rng.choice([0.25, math.nan, math.inf, *(self.rng.random() for _ in range(20))])
        metrics = {f"m{k}": self.rng.choice([-0.0, math.nan, self.rng.random()]) for k in range(self.rng.randrange(3))}
        further = Further(metrics, self.rng.choice([None, 1.5])) if self.rng.random() < 0.7 else None
        return Report(length, metric, further)

    async def to_the_end(self) -> None:
        for _ in range(200):
            if (await self.store.progress(self.ref)).state is not ExperimentState.RUNNING:
                return
            await self.play(10)
        pytest.fail("the search does not end")


@dataclass(frozen=True)
class Parts:
    """What of all there is a file has."""

    format: int
    further: bool
    own_best: bool
    about: bool

    @classmethod
    def of(cls, text: str) -> "Parts":
        first, search, *lines = [json.loads(line) for line in text.splitlines()]
        trials = [line for line in lines if "hparams" in line and "trial" in line]
        return cls(
            first["rungway_export"],
            any(trial.get("metrics") for trial in trials),
            any(trial.get("best_checkpoint") not in (None, trial["checkpoint"]) for trial in trials),
            search["search"]["about"]["owner"] == BESIDE.owner,
        )


async def of_use(store: RedisStore, ref: ExperimentRef) -> dict[str, object]:
    """What reads show of the search, but for the times of its place."""
    views = await store.trials(ref, NUMBERS, curve=True)
    progress = await store.progress(ref)
    histories = [(await store.explain(ref, view.trial))[0] for view in views[:20]]
    return {
        "trials": [repr(replace(view, created_ms=0, curve=[*view.curve])) for view in views],
        "best": [view.trial for view in await store.best(ref, 50)],
        "why": [[repr(event.explanation) for event in history] for history in histories],
        "progress": [progress.state, progress.trained_length],
        "about": (await store.definition(ref)).about,
    }


async def schema_of(url: str, ref: ExperimentRef) -> int:
    """The number of its layout."""
    async with Redis.from_url(url) as redis:
        return int(await redis.hget(experiment_keys(ref)[0], "schema") or 0)


@pytest.mark.parametrize("name", SEARCHES)
async def test_a_search_with_everything_goes_on_elsewhere(
    name: str, sites: tuple[Site, Site], ref: ExperimentRef
) -> None:
    """It is exported, imported, exported from there and imported again, and all of them come to the same end."""
    here, there = sites
    await ExperimentUseCases(here.store).create(ref, SEARCHES[name], "", about=BESIDE)
    original = Worker(here.store, ref, random.Random(5))
    await original.play(90)
    text = await move(here, ref, there)
    again = ExperimentRef("default", "again")
    other = await move(there, ref, there, again.experiment)
    by_cost = name == "auto by cost"
    assert Parts.of(text) == Parts.of(other) == Parts(7 if by_cost else 4, further=True, own_best=True, about=True)
    released = await original.give_all_back()
    players = [
        Worker(*place, random.Random(6)) for place in ((here.store, ref), (there.store, ref), (there.store, again))
    ]
    for player in players:
        await player.to_the_end()
    said = counted_from(players[0].said, released - 1)  # an import counts all that it gives back as one change
    assert said == players[1].said == players[2].said
    first, *others = [await of_use(player.store, player.ref) for player in players]
    assert others == [first, first]
    for url, experiment in ((here.url, ref), (there.url, ref), (there.url, again)):
        auto = SEARCHES[name]["searcher"]["name"] == "auto"
        assert await schema_of(url, experiment) == (schema.NUMBERS if auto else schema.ENTRIES)
        await assert_sound(url, experiment.experiment)
