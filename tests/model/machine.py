"""Random play on store and model at once: whatever workers, users and networks may do to an experiment."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from rungway_server.domain.engine import ExperimentState, Lease, Outcome, Release, Report, Result
from rungway_server.domain.errors import RungwayError, WrongState
from rungway_server.domain.search.plan import PromotionRule
from rungway_server.domain.search.sources import EXTERNAL
from rungway_server.store.redis import RedisStore
from tests.model.costs import with_cost
from tests.model.driver import Workbench
from tests.model.finite import Finite
from tests.model.objectives import further
from tests.model.plans import async_plan, by_fronts, plans

LEASE_MS = 10_000
METRIC_VALUES = [0.0, -0.0, 0.25, 0.5, 0.5, 0.75, 1.0, -1.0, math.nan, math.inf, -math.inf]
METRICS = st.sampled_from(METRIC_VALUES)
METRICS_AND_ENDS = st.sampled_from(
    [*METRIC_VALUES, 0.1, 0.2, 0.3, Outcome.ERROR, Outcome.ERROR, Outcome.INVALID, Outcome.TRANSIENT, Outcome.PREEMPTED]
)
CHECKPOINTS = st.sampled_from(["", "", "a", "b"])
COUNTS = st.integers(1, 3)
SEEDS = st.integers(0, 10_000)
COSTS = st.sampled_from([None, 1.0, 0.5, 5.0, 64.0, 0.0, 1e300])
TARGETS = st.sampled_from([None, None, None, -1.0, 0.0, 1.0])
BRAKES = st.sampled_from([0, 0, 1, 2, 3])
SPACES = st.sampled_from(
    [
        None,
        None,
        None,
        Finite(2),
        Finite(3),
        Finite(5),
        Finite(1, 2),
        Finite(3, 1),
        Finite(2, 3),
        Finite(4, uneven=True),
    ]
)
GAMES = st.fixed_dictionaries(
    {
        "plan": plans(),
        "max_restarts": st.integers(0, 2),
        "smaller_is_better": st.booleans(),
        "target": TARGETS,
        "pause_after": BRAKES,
        "finite": SPACES,
    }
)
FAILURES = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.FINISHED])
HOW_FAR = st.sampled_from(["rung", "rung", "between", "between", "anywhere", "end", "again"])
NO_LEASE = Lease(0, 1)


class EngineMachine(RuleBasedStateMachine):
    """Every rule plays one call on a Pair, which compares all there is to see after it."""

    def __init__(self, workbench: Workbench, store: RedisStore | None = None, *, by_fronts: bool = False) -> None:
        super().__init__()
        self.by_fronts = by_fronts
        self.workbench = workbench
        self.store = store
        self.requests: list[tuple[str, Callable[[str], object]]] = []
        self.leases: list[Lease] = []
        self.given: list[Lease] = []

    @initialize(game=GAMES)
    def start(self, game: dict[str, Any]) -> None:
        plan = game["plan"]
        if self.by_fronts:
            plan = by_fronts(plan)
        if plan.objectives:  # a grid has one metric, and a target is of one
            grid = game["finite"] and game["finite"].samples
            game = game | {"target": None, "finite": None if grid else game["finite"]}
        finite: Finite | None = game["finite"]
        self.finite = finite
        if finite and plan.sources and finite.samples:
            plan = replace(plan, sources=None)  # a grid has none
        if finite and finite.samples:
            plan = async_plan(plan.max_length, trials=finite.size * finite.samples, cap=plan.max_concurrent_trials)
        self.pair = self.workbench.pair(**game | {"plan": plan}, lease_ms=LEASE_MS, store=self.store)
        self.now = self.workbench.start_of(self.pair)
        self.requests.clear()
        self.leases.clear()

    def teardown(self) -> None:
        """The audit at the end of a game, with the scripts as they are."""
        if hasattr(self, "pair") and self.store is None:
            self.workbench.check_sound(self.pair)

    def ended(self) -> bool:
        return self.pair.model.search.state in (ExperimentState.DONE, ExperimentState.STOPPED)

    @precondition(ended)
    @rule(game=GAMES)
    def start_another(self, game: dict[str, Any]) -> None:
        self.teardown()
        self.start(game)

    # What is drawn from what there is.

    def held(self, data: st.DataObject, most: int) -> list[Lease]:
        """Some leases that are held now, each of another trial."""
        held = [lease for lease in self.leases if self._is_held(lease)]
        return data.draw(st.lists(st.sampled_from(held or [NO_LEASE]), min_size=1, max_size=most, unique=True))

    def any_lease(self, data: st.DataObject) -> Lease:
        """A lease that may be held, lost, or never given."""
        invented = [Lease(99, 1), *(Lease(lease.trial, lease.fencing_token + 1) for lease in self.leases[-1:])]
        return data.draw(st.sampled_from([*self.leases, *invented]))

    def _is_held(self, lease: Lease) -> bool:
        return self.pair.model.search.trials[lease.trial].held_by(lease)

    def some_held(self) -> bool:
        return any(self._is_held(lease) for lease in self.leases)

    def _reports(self, data: st.DataObject, lease: Lease) -> list[Report]:
        """Reports that fit the lease: at the next rung, at the end, between, or at several lengths on the way."""
        trial = self.pair.model.search.trials[lease.trial]
        rung, end = self._rung_length(lease), trial.to_length
        how = data.draw(HOW_FAR)
        between = max(trial.length + 1, rung - 1)
        last = {"rung": rung, "end": end, "between": between, "again": trial.length}.get(how)
        if last is not None:
            return [self._report(data, last)]
        lengths = data.draw(st.sets(st.integers(trial.length + 1, end), min_size=1, max_size=4))
        return [self._report(data, length) for length in sorted(lengths)]

    def _report(self, data: st.DataObject, length: int) -> Report:
        """Any metric at this length, with further ones where these rank, and a cost where it counts."""
        metric = data.draw(METRICS)
        plan = self.pair.model.search.plan
        more = further(plan, data.draw(SEEDS)) if plan.objectives else None
        return Report(length, metric, with_cost(more, data.draw(COSTS)) if plan.cost_aware else more)

    def _rung_length(self, lease: Lease) -> int:
        search = self.pair.model.search
        trial = search.trials[lease.trial]
        return search.ladder(trial).length(trial.rung)

    def _ask(self, count: int, worker: str, *, named: bool) -> None:
        def call(request_id: str) -> None:
            answer = self.pair.ask(request_id, count, worker, self.now)
            self.given = [given.lease for given in answer.assignments]
            self.leases += self.given

        self.play(call, named=named)

    def _tell(self, results: list[Result], *, named: bool) -> None:
        self.play(lambda request_id: self.pair.tell(request_id, results, self.now), named=named)

    def _tell_or_fail(self, lease: Lease, result: float | Outcome) -> None:
        if isinstance(result, Outcome):
            self._fail(lease, result)
        else:
            plan, dice = self.pair.model.search.plan, len(self.requests)
            more = with_cost(further(plan, dice), dice % 5 or None) if plan.cost_aware else further(plan, dice)
            self._tell([Result(lease, [Report(self._rung_length(lease), result, more)], "c")], named=True)

    def _fail(self, lease: Lease, outcome: Outcome) -> None:
        self.play(lambda request_id: self.pair.fail(request_id, lease, outcome, "it broke", self.now))

    def _set_state(self, state: ExperimentState) -> None:
        with suppress(WrongState):
            self.pair.set_state(state)

    def play(self, call: Callable[[str], object], *, named: bool = True) -> None:
        """Play a call under a fresh request id, or under none."""
        request_id = f"r{len(self.requests)}" if named else ""
        self.requests.append((request_id, call))
        self._send(request_id, call)

    def _send(self, request_id: str, call: Callable[[str], object]) -> None:
        with suppress(RungwayError):  # both refused it alike
            call(request_id)

    # What may happen.

    @rule(count=COUNTS, worker=st.sampled_from(["w1", "w2"]), named=st.booleans())
    def ask(self, count: int, worker: str, named: bool) -> None:
        self._ask(count, worker, named=named)

    @precondition(some_held)
    @rule(data=st.data(), named=st.booleans())
    def tell(self, data: st.DataObject, named: bool) -> None:
        leases = self.held(data, most=3)
        self._tell([Result(lease, self._reports(data, lease), data.draw(CHECKPOINTS)) for lease in leases], named=named)

    @precondition(lambda self: not self.ended())
    @rule(
        results=st.lists(METRICS_AND_ENDS, min_size=8, max_size=24),
        workers=COUNTS,
        pause=st.sampled_from([None, None, (2, 4), (5, 9)]),
    )
    def work(self, results: list[float | Outcome], workers: int, pause: tuple[int, int] | None) -> None:
        """A few workers in turn tell at the next rung, or fail there, and ask when their lease has ended."""
        for i, result in enumerate(results):
            if pause and i in pause:
                self._set_state(ExperimentState.PAUSED if i == pause[0] else ExperimentState.RUNNING)
            held = [lease for lease in self.leases if self._is_held(lease)]
            if len(held) < workers:
                self._ask(1, "w1", named=True)
            if held and (len(held) >= workers or not self.given):
                self._tell_or_fail(held[0], result)
            if not held and not self.given and not pause:
                return

    @precondition(some_held)
    @rule(data=st.data(), with_reports=st.booleans(), checkpoint=CHECKPOINTS)
    def finish(self, data: st.DataObject, with_reports: bool, checkpoint: str) -> None:
        """A training ends by itself, with its last reports or with those told before."""
        [lease] = self.held(data, most=1)
        reports = self._reports(data, lease) if with_reports else []
        self._tell([Result(lease, reports, checkpoint, finished=True)], named=True)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), lengths=st.lists(st.integers(1, 8), min_size=1, max_size=3))
    def tell_nonsense(self, data: st.DataObject, lengths: list[int]) -> None:
        """Any lease with any lengths, beside a result that is right."""
        odd = self.any_lease(data)
        results = [Result(odd, [self._report(data, length) for length in lengths])]
        if self.some_held():
            [lease] = self.held(data, most=1)
            right = Result(lease, self._reports(data, lease))
            results += [right] if lease.trial != odd.trial else []
        self._tell(results, named=True)

    @rule(value=st.integers(0, 4), named=st.booleans())
    def enqueue(self, value: int, named: bool) -> None:
        hparams: Mapping[str, object] = {"x": value % self.finite.size if self.finite else value / 10}
        self.play(lambda request_id: self.pair.enqueue(request_id, hparams, self.now), named=named)

    def takes_proposals(self) -> bool:
        sources = self.pair.model.search.sources
        return sources is not None and EXTERNAL in sources.names

    @precondition(takes_proposals)
    @rule(first=st.integers(-2, 1), count=st.integers(0, 4))
    def propose(self, first: int, count: int) -> None:
        """Another program proposes, from the next number on or from another one."""
        sources = self.pair.model.search.sources
        assert sources is not None
        number = max(0, sources.stock[1].drawn + first)
        self.play(lambda _: self.pair.fill_stock(number, count), named=False)

    def takes_known(self) -> bool:
        plan = self.pair.model.search.plan
        return plan.rule is PromotionRule.ASYNC and not plan.entries and not plan.objectives

    @precondition(takes_known)
    @rule(data=st.data(), value=st.integers(0, 4), metric=METRICS, named=st.booleans())
    def enqueue_known(self, data: st.DataObject, value: int, metric: float, named: bool) -> None:
        """A trial of elsewhere, at the length of a rung."""
        hparams: Mapping[str, object] = {"x": value % self.finite.size if self.finite else value / 10}
        plan = self.pair.model.search.plan
        length = data.draw(st.sampled_from([rung.length for bracket in plan.brackets for rung in bracket.rungs]))
        result = Report(length, 0.5 if math.isnan(metric) else metric)
        self.play(lambda request_id: self.pair.enqueue_known(request_id, hparams, result, self.now), named=named)

    @rule(milliseconds=st.sampled_from([1, LEASE_MS // 2, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1]))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), count=COUNTS)
    def heartbeat(self, data: st.DataObject, count: int) -> None:
        self.pair.heartbeat([self.any_lease(data) for _ in range(count)], self.now)

    @precondition(some_held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        releases = []
        for lease in self.held(data, most=2):
            checkpoint = data.draw(CHECKPOINTS)
            told = self.pair.model.search.trials[lease.trial].length
            releases.append(Release(lease, checkpoint, data.draw(st.integers(0, told)) if checkpoint else 0))
        self.play(lambda request_id: self.pair.release(request_id, releases, self.now))

    @precondition(some_held)
    @rule(data=st.data(), outcome=FAILURES)
    def fail(self, data: st.DataObject, outcome: Outcome) -> None:
        [lease] = self.held(data, most=1)
        self._fail(lease, outcome)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), outcome=FAILURES, length=st.integers(0, 7))
    def fail_or_release_nonsense(self, data: st.DataObject, outcome: Outcome, length: int) -> None:
        """Any lease fails, or is given back with any checkpoint length."""
        lease = self.any_lease(data)
        if data.draw(st.booleans()):
            self._fail(lease, outcome)
        else:
            release = Release(lease, "c", length)
            self.play(lambda request_id: self.pair.release(request_id, [release], self.now))

    @rule(state=st.sampled_from([*[ExperimentState.RUNNING] * 3, ExperimentState.PAUSED]))
    def pause_or_resume(self, state: ExperimentState) -> None:
        self._set_state(state)

    @precondition(lambda self: len(self.requests) > 12)
    @rule(dice=st.integers(0, 2), metric=METRICS)
    def stop(self, dice: int, metric: float) -> None:
        """Stop, and hear of it when the next result is told."""
        if dice == 2:
            self._set_state(ExperimentState.STOPPED)
            for lease in [lease for lease in self.leases if self._is_held(lease)][:1]:
                self._tell_or_fail(lease, metric)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """An earlier request comes again, with the same id."""
        request_id, call = data.draw(st.sampled_from(self.requests[-8:]))
        if request_id:
            self._send(request_id, call)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def reuse(self, data: st.DataObject) -> None:
        """The id of an earlier request comes with another request."""
        (request_id, _), (_, call) = (data.draw(st.sampled_from(self.requests[-8:])) for _ in range(2))
        if request_id:
            self._send(request_id, call)


def play_at_random(
    workbench: Workbench, chosen: settings, store: RedisStore | None = None, *, by_fronts: bool = False
) -> None:
    """Play as many games as the settings say. Raises Differs (with the shortest game found) when the two differ.
    `by_fronts`: all of them with several objectives or constraints."""

    class Game(EngineMachine):
        def __init__(self) -> None:
            super().__init__(workbench, store, by_fronts=by_fronts)

    run_state_machine_as_test(Game, settings=chosen)
