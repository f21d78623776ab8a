"""Views of random play: what somebody knows who looked from time to time is what a fresh look shows, after each step.

The quick profile plays few games, the same each time, and some more in `make test-long`; `RUNGWAY_MODEL_PROFILE=long`
plays 10,000, others each time: `make views`.
"""

from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from redis import Redis

from rungway_server.domain.errors import UnknownExperiment
from rungway_server.domain.search.plan import Plan
from rungway_server.service.port import ExperimentRef
from rungway_server.service.reading import Turn
from rungway_server.service.view_cache import Cursor, ViewCache
from rungway_server.service.view_port import Changes
from rungway_server.store.redis import RedisStore
from rungway_server.transport.requests import NAMESPACE
from rungway_server.transport.view_wire import view_message
from tests.model.catching import known_first
from tests.model.driver import StoreEngine, Workbench
from tests.model.examples import EXAMPLES
from tests.model.hand import Example, Hand, Start
from tests.model.machine import GAMES, EngineMachine
from tests.model.test_against_lua import CHOSEN, with_each_profile
from tests.support.long_tests import params
from tests.support.viewer import Viewer

COMMON = settings(
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
PROFILES = {
    "quick": settings(COMMON, max_examples=25, stateful_step_count=30, derandomize=True),
    "more": settings(COMMON, max_examples=60, stateful_step_count=30, derandomize=True),
    "long": settings(COMMON, max_examples=5_000, stateful_step_count=30, derandomize=False),
}
FEW_EVENTS = 4


@asynccontextmanager
async def piece() -> Any:
    """Nobody else reads."""
    yield Turn()


class Watcher:
    """Somebody who looks every few steps."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.viewer = Viewer()


class Looking:
    """A cache, and those who look at it; it is refreshed when one of them looks."""

    def __init__(self, workbench: Workbench, store: RedisStore, *every: int) -> None:
        self.workbench, self.store = workbench, store
        self.watchers = [Watcher(steps) for steps in every]
        self.cache: ViewCache | None = None
        self.steps = 0

    def step(self, ref: ExperimentRef) -> Iterator[Viewer]:
        """One step later; those who have looked."""
        self.steps += 1
        due = [watcher.viewer for watcher in self.watchers if self.steps % watcher.every == 0]
        for viewer in due:
            self.workbench.run(self._look(ref, viewer))
        yield from due

    async def _look(self, ref: ExperimentRef, viewer: Viewer) -> None:
        NAMESPACE.set(ref.namespace)
        try:
            cache = self.cache or await self._new(ref)
            await cache.refresh()
        except UnknownExperiment:  # another one has its name
            cache = await self._new(ref)
            await cache.refresh()
        while view := cache.since(Cursor.read(viewer.cursor)):
            viewer.apply(await view_message(view))

    async def _new(self, ref: ExperimentRef) -> ViewCache:
        self.cache = ViewCache(self.store, ref, await self.store.view_reader(ref, piece))
        return self.cache


class ViewMachine(EngineMachine):
    """Plays as the machine does, with three who look: at each step, at every second, and by another server at every
    fifth."""

    @initialize(game=GAMES)
    def start(self, game: dict[str, Any]) -> None:
        super().start(game)
        # What the model says is compared elsewhere, and would take most of the time here.
        pair: Any = self.pair
        pair._compare_views = lambda: None
        store = self.store or self.workbench.store
        self.looking = [Looking(self.workbench, store, 1, 2), Looking(self.workbench, store, 5)]

    def teardown(self) -> None:
        """No audit: games without anybody who looks have it."""

    @property
    def ref(self) -> ExperimentRef:
        """The experiment that is played."""
        assert isinstance(self.pair.store, StoreEngine)
        return self.pair.store.ref

    @precondition(lambda self: len(self.requests) > 20)
    @rule(game=GAMES, dice=st.integers(0, 3))
    def delete_and_create(self, game: dict[str, Any], dice: int) -> None:
        """Another experiment gets the name; those who look go on."""
        if dice == 0:
            looking = self.looking
            self.workbench.run((self.store or self.workbench.store).delete(self.ref))
            with self.workbench.naming(self.ref.experiment):
                self.start(game)
            self.looking = looking

    @invariant()
    def what_is_known_is_what_there_is(self) -> None:
        """Everybody who has just looked knows what a fresh view shows."""
        check(self.workbench, self.store or self.workbench.store, self.ref, self.looking)


def check(workbench: Workbench, store: RedisStore, ref: ExperimentRef, looking: Sequence[Looking]) -> None:
    """Raises unless those who have just looked know what a fresh view shows."""
    [there] = Looking(workbench, store, 1).step(ref)
    for viewer in (viewer for each in looking for viewer in each.step(ref)):
        assert viewer.known() == there.known()
        assert viewer.events[len(viewer.events) - len(there.events) :] == there.events
        assert len(set(viewer.events)) == len(viewer.events)


def play(workbench: Workbench, chosen: settings, store: RedisStore | None) -> None:
    class Game(ViewMachine):
        def __init__(self) -> None:
            super().__init__(workbench, store)

    run_state_machine_as_test(Game, settings=chosen)


@with_each_profile
@pytest.mark.timeout(120 if CHOSEN == "quick" else 7200)
def test_views_add_up_to_a_fresh_view(profile: str, workbench: Workbench) -> None:
    play(workbench, PROFILES[profile], None)


@with_each_profile
@pytest.mark.timeout(120 if CHOSEN == "quick" else 7200)
def test_views_add_up_where_the_event_log_is_short(profile: str, workbench: Workbench) -> None:
    """The log is cut to its last few lines all the time, so that what has changed is often not in it."""
    with Redis.from_url(workbench.url) as redis:
        redis.config_set("stream-node-max-entries", 1)
    play(workbench, PROFILES[profile], workbench.new_store(most_events=FEW_EVENTS))


def watched(workbench: Workbench) -> Start:
    """Starts games by hand, in which two look after each call and at every third."""

    def start(plan: Plan, **options: Any) -> Hand:
        hand = workbench.start(plan, **options)
        pair: Any = hand.engine
        looking = [Looking(workbench, workbench.store, 1), Looking(workbench, workbench.store, 3)]
        pair._compare_views = lambda: check(workbench, workbench.store, pair.store.ref, looking)
        return hand

    return start


LARGE = {
    "a_dear_entry_has_less_of_the_training",
    "a_dear_source_has_less_of_the_training",
    "a_mixture_shares_the_training",
    "entries_and_sources_count_each_for_itself",
    "the_newest_of_many_are_compared",
}
"""Games of so many trials that each takes seconds; what there is to see in them is in smaller ones, too."""


@pytest.mark.parametrize("play_by_hand", params({each.__name__: each for each in EXAMPLES}, LARGE))
def test_views_of_games_worked_by_hand_add_up(play_by_hand: Example, workbench: Workbench) -> None:
    play_by_hand(watched(workbench))


async def nothing(*_: object) -> Sequence[int]:
    return ()


def only_new(cache: ViewCache, changes: Changes, _: object) -> Sequence[int]:
    """The new trials, and those of events."""
    assert cache._last
    new = range(cache._last.progress.trials_created, changes.progress.trials_created)
    return [*new, *(event.trial for event in changes.events if event.trial in cache.columns)]


def without_new(cache: ViewCache, changes: Changes, reported: Sequence[int]) -> Sequence[int]:
    """All but the new trials and those of events."""
    return [trial for trial in reported if trial in cache.columns]


@pytest.mark.parametrize(
    ("part", "mistake", "known"),
    [
        ("_silent", nothing, "dead_trials_make_way_first"),
        ("_due", only_new, "what_was_not_trained_is_given_back"),
        ("_due", without_new, "trials_enter_higher_once_one_was_trained_to_the_end"),
    ],
    ids=["promoted without training", "reported", "decided"],
)
def test_a_sign_of_change_that_is_not_heeded_is_noticed(
    part: str, mistake: object, known: str, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The game that is known to show it comes first, as of `caught_by.json`: it saves time."""
    monkeypatch.setattr(ViewCache, part, mistake)
    for each in known_first(EXAMPLES, known):
        try:
            each(watched(workbench))
        except AssertionError:
            return
    pytest.fail("no game shows it")
