"""The store on a real redis-server behind the face of the reference model. How a store is made stands here alone."""

import asyncio
import itertools
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from rungway_server.domain.engine import (
    AskAnswer,
    ExperimentState,
    Lease,
    LeaseStatus,
    Outcome,
    Progress,
    Release,
    Report,
    Result,
    Stock,
    TellAnswer,
    TellReply,
    TrialView,
)
from rungway_server.domain.experiment import ExperimentConfig, parse
from rungway_server.domain.sampling.sampling import counted, propose
from rungway_server.domain.search.plan import Plan, PromotionRule
from rungway_server.domain.search.sources import EXTERNAL
from rungway_server.service.port import ExperimentRef
from rungway_server.service.suggester import draw_clones
from rungway_server.store.redis import RedisStore
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.scripts import Transform
from tests.model.finite import Finite
from tests.model.hand import LEASE_MS, MAX_RESTARTS, Hand
from tests.model.objectives import section
from tests.model.pair import Pair
from tests.model.reference import ReferenceModel
from tests.model.search import TOKENS_PER_MS
from tests.support.audited import assert_sound
from tests.support.models import untaught, untaught_hparams

if TYPE_CHECKING:
    from rungway_server.store.redis.connection.router import Router

Answer = TypeVar("Answer")

WINDOW_MS = 10**10  # the tests' clock leaps; how answers are forgotten is tested with the store


def hparams_of(config: ExperimentConfig, number: int) -> Mapping[str, object]:
    """The configuration of a trial."""
    return propose(config.space, config.seed, number)


def model_of(config: ExperimentConfig, plan: Plan) -> ReferenceModel:
    """A reference model of this configuration, on its own."""
    return ReferenceModel(
        plan,
        lease_ms=int(config.lease_seconds * 1000),
        max_restarts=config.max_restarts,
        pause_after=config.pause_after_failures,
        smaller_is_better=config.searcher.smaller_is_better,
        first_fencing_token=1,
        hparams=partial(hparams_of, config),
        finite=finite_of(config),
        seed=config.seed,
        model_hparams=partial(untaught_hparams, config),
    )


def finite_of(config: ExperimentConfig) -> Finite | None:
    """What there is to count in the space of a configuration."""
    found = counted(config.space)
    return Finite(*found) if found else None


class StoreEngine:
    """One experiment of a store; `created_ms` is when it was made (Redis time)."""

    def __init__(
        self, workbench: "Workbench", store: RedisStore, ref: ExperimentRef, config: ExperimentConfig, created_ms: int
    ) -> None:
        self._run = workbench.run
        self._store = store
        self._ref = self.ref = ref
        self.experiment = ref.experiment
        self.config = config
        self.created_ms = created_ms

    def hparams(self, number: int) -> Mapping[str, object]:
        """The configuration of a trial."""
        return hparams_of(self.config, number)

    def clone_hparams(self, number: int, parent: Mapping[str, object]) -> Mapping[str, object]:
        """The configuration of a clone."""
        return draw_clones(self.config, [(number, parent)])[0]

    def ask(self, request_id: str, count: int, worker: str, now_ms: int) -> AskAnswer:
        return self._run(self._store.ask(self._ref, request_id, count, worker, now_ms=now_ms))

    def tell(self, request_id: str, results: list[Result], now_ms: int) -> TellAnswer:
        return self._run(self._store.tell(self._ref, request_id, results, now_ms=now_ms))

    def heartbeat(self, leases: list[Lease], now_ms: int) -> list[LeaseStatus]:
        return self._run(self._store.heartbeat(self._ref, leases, now_ms=now_ms))

    def release(self, request_id: str, releases: list[Release], now_ms: int) -> TellAnswer:
        return self._run(self._store.release(self._ref, request_id, releases, now_ms=now_ms))

    def fail(self, request_id: str, lease: Lease, outcome: Outcome, message: str, now_ms: int) -> tuple[TellReply, int]:
        return self._run(self._store.fail(self._ref, request_id, lease, outcome, message, now_ms=now_ms))

    def enqueue(self, request_id: str, hparams: Mapping[str, object], now_ms: int) -> int:
        return self._run(self._store.enqueue(self._ref, request_id, hparams, now_ms=now_ms))

    def enqueue_known(self, request_id: str, hparams: Mapping[str, object], result: Report, now_ms: int) -> int:
        return self._run(self._store.enqueue_known(self._ref, request_id, hparams, result, now_ms=now_ms))

    def fill_stock(self, first: int, count: int) -> Stock:
        """Another program proposes so many, numbered from `first` on."""
        proposals = [untaught_hparams(self.config, EXTERNAL, number) for number in range(first, first + count)]
        return self._run(self._store.fill_stock(self._ref, first, proposals))

    def set_state(self, state: ExperimentState) -> None:
        self._run(self._store.set_state(self._ref, state))

    def progress(self) -> Progress:
        return self._run(self._store.progress(self._ref))

    def trials(self, numbers: list[int], *, curve: bool = False) -> list[TrialView]:
        return self._run(self._store.trials(self._ref, numbers, curve=curve))

    def best(self, count: int) -> list[TrialView]:
        return self._run(self._store.best(self._ref, count))


def _space(finite: Finite | None) -> dict[str, object]:
    if finite is None:
        return {"x": {"type": "double", "minval": 0.0, "maxval": 1.0}}
    weights = {"weights": [1 + 3 * x for x in range(finite.size)]} if finite.uneven else {}
    return {"x": {"type": "categorical", "vals": list(range(finite.size)), **weights}}


def _objective(plan: Plan, smaller_is_better: bool) -> dict[str, object]:
    if plan.objectives:
        return section(plan, smaller_is_better)
    return {"metric": "loss", "smaller_is_better": smaller_is_better}


def _method(plan: Plan, finite: Finite | None) -> dict[str, object]:
    """A search that draws configurations as this plan needs them; its own plan is not used."""
    if finite and finite.samples:
        return {"name": "grid", "num_samples": finite.samples, "max_length": {plan.unit: plan.max_length}}
    if plan.rule is not PromotionRule.POPULATION:
        return {"name": "random", "max_trials": plan.max_trials, "max_length": {plan.unit: plan.max_length}}
    return {"name": "pbt", "population_size": plan.new_trials, "num_rounds": 1, "length_per_round": {plan.unit: 1}}


class Workbench:
    """A store on a Redis of the tests, with the event loop it lives on; every experiment made gets a fresh id."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._url = self.url = url
        self._routers: list[Router] = []
        self._numbers = itertools.count()
        self._name = ""
        self.store = self.new_store()

    def new_store(self, transform: Transform | None = None, *, most_events: int = 1_000_000) -> RedisStore:
        """A store, with changed scripts when asked for."""
        self._routers.append(connect(self._url, timeout_seconds=30, transform=transform))
        waiting: dict[str, Any] = {"longest_wait_for_models": None, "compute": untaught}
        return RedisStore(self._routers[-1], request_window_ms=WINDOW_MS, most_events=most_events, **waiting)

    @contextmanager
    def naming(self, name: str) -> Iterator[None]:
        """Around making an experiment of this name, of which there must be none."""
        self._name = name
        try:
            yield
        finally:
            self._name = ""

    def run(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for a call of the store."""
        return self._loop.run_until_complete(call)

    def engine(
        self,
        plan: Plan,
        *,
        lease_ms: int = 10_000,
        max_restarts: int = 2,
        smaller_is_better: bool = True,
        target: float | None = None,
        pause_after: int = 0,
        finite: Finite | None = None,
        store: RedisStore | None = None,
    ) -> StoreEngine:
        """A new experiment in the store."""
        config, _ = parse(
            {
                "hyperparameters": _space(finite),
                "searcher": {
                    **_method(plan, finite),
                    **_objective(plan, smaller_is_better),
                    **({} if target is None else {"target_metric": target}),
                },
                "seed": 1,
                "max_restarts": max_restarts,
                "pause_after_failures": pause_after,
                "lease_seconds": lease_ms / 1000,
            }
        )
        return self.create(config, plan, store)

    def create(self, config: ExperimentConfig, plan: Plan, store: RedisStore | None = None) -> StoreEngine:
        """A new experiment of this configuration in the store."""
        ref = ExperimentRef("model", self._name or f"e{next(self._numbers)}")
        chosen = store or self.store
        definition = self.run(chosen.create(ref, config, plan, (), ""))
        return StoreEngine(self, chosen, ref, config, definition.created_ms)

    def pair(
        self,
        plan: Plan,
        *,
        lease_ms: int = 10_000,
        max_restarts: int = 2,
        smaller_is_better: bool = True,
        target: float | None = None,
        pause_after: int = 0,
        finite: Finite | None = None,
        store: RedisStore | None = None,
    ) -> Pair:
        """A new experiment in the store, beside a model of it."""
        engine = self.engine(
            plan,
            lease_ms=lease_ms,
            max_restarts=max_restarts,
            smaller_is_better=smaller_is_better,
            target=target,
            pause_after=pause_after,
            finite=finite,
            store=store,
        )
        model = ReferenceModel(
            plan,
            lease_ms=lease_ms,
            max_restarts=max_restarts,
            smaller_is_better=smaller_is_better,
            first_fencing_token=engine.created_ms * TOKENS_PER_MS,
            hparams=engine.hparams,
            clone_hparams=engine.clone_hparams,
            experiment=engine.experiment,
            target=target,
            pause_after=pause_after,
            finite=finite,
            model_hparams=partial(untaught_hparams, engine.config),
        )
        return Pair(engine, model)

    def start(
        self,
        plan: Plan,
        *,
        smaller_is_better: bool = True,
        target: float | None = None,
        pause_after: int = 0,
        finite: Finite | None = None,
        store: RedisStore | None = None,
    ) -> Hand:
        """A new experiment to play by hand, in the store and beside it in a model."""
        return Hand(
            self.pair(
                plan,
                lease_ms=LEASE_MS,
                max_restarts=MAX_RESTARTS,
                smaller_is_better=smaller_is_better,
                target=target,
                pause_after=pause_after,
                finite=finite,
                store=store,
            )
        )

    def check_sound(self, pair: Pair) -> None:
        """Audit what the store holds of the experiment."""
        assert isinstance(pair.store, StoreEngine)
        self.run(assert_sound(self._url, pair.store.experiment, "model"))

    def start_of(self, pair: Pair) -> int:
        """When the experiment was made (ms)."""
        assert isinstance(pair.store, StoreEngine)
        return pair.store.created_ms

    def close(self) -> None:
        """Close connections and loop."""
        for router in self._routers:
            self.run(router.aclose())
        self._loop.close()


@contextmanager
def open_workbench(url: str) -> Iterator[Workbench]:
    """A workbench, closed at the end."""
    workbench = Workbench(url)
    try:
        yield workbench
    finally:
        workbench.close()
